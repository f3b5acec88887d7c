import { until } from '../stack/until.ts';
import { ask, type Run } from './ask.ts';
import { end, interrupt } from './endings.ts';
import type { Asked } from './evidence.ts';
import type { Havoc } from './kills.ts';
import { Lane } from './lane.ts';
import type { Plan, PlannedAllocation } from './plan.ts';

/** Beyond the latest moment at which the promise is kept: who has no answer then gets none. */
const BEYOND_MS = 20_000;
/** What was sent before a record was deleted has arrived after this. */
const FORGOTTEN_MS = 3000;

/** Carries out a plan with so many groups of players at a time. Answers the groups, when all allocations are over. */
export async function carryOut(
  run: Run,
  plan: Plan,
  havoc: Havoc,
  width: number,
  progress: (done: number) => void,
): Promise<Lane[]> {
  const lanes: Lane[] = [];
  for (let i = 0; i < width; i++) lanes.push(await Lane.open(run.world, i % plan.nodes));
  const looking = look(run);
  let next = 0;
  let done = 0;
  const work = async (lane: Lane): Promise<void> => {
    for (;;) {
      const planned = plan.all[next++];
      if (!planned) return;
      havoc.at(planned.ordinal);
      await live(run, lane, planned);
      progress(++done);
      // Players in a session that shall stay must not be matched again.
      if (planned.ending === 'stay') return;
    }
  };
  try {
    await Promise.all(lanes.map(work));
  } finally {
    await looking.stop();
  }
  return lanes;
}

/** One allocation from the request to its end. */
async function live(run: Run, lane: Lane, planned: PlannedAllocation): Promise<void> {
  await lane.look();
  const asked = await ask(run, lane, planned);
  const players = lane.players.slice(0, planned.players);
  const early = planned.ending === 'cancel' || planned.ending === 'delete-starting';
  if (early) await interrupt(run, asked, players);
  const sessionId = await waitForAnswer(run, lane, asked);
  run.books.close(asked);
  if (sessionId !== undefined) await end(run, asked, players, sessionId);
}

/** The session that the players were told; undefined when they got a reason, nothing, or do not want it any more. */
async function waitForAnswer(run: Run, lane: Lane, asked: Asked): Promise<string | undefined> {
  const { books, world, limits } = run;
  if (asked.planned.players === 0) return waitUntilRunning(run, asked);
  const players = lane.players.slice(0, asked.planned.players);
  const gone = new Set(asked.cancelled.map(({ userId }) => userId));
  const waiting = players.filter(({ userId }) => !gone.has(userId));
  const first = () => waiting.map((player) => books.told(asked, player)).find((told) => told?.kind === 'match');
  const latest = () => Math.max(asked.askedAtMs, world.events.at(-1)?.atMs ?? 0) + limits.createTimeoutMs + BEYOND_MS;
  const isForgotten = forgotten(run, asked);
  const answered = async (): Promise<boolean> => {
    if (waiting.every((player) => books.told(asked, player)) || Date.now() > latest()) return true;
    if (await isForgotten()) return true;
    // As a client does: who lost the connection comes back, and is told what comes from then on.
    if (!lane.isTogether()) await lane.connect();
    return false;
  };
  await until(answered, 10 * limits.createTimeoutMs, `answers to ${asked.label}`, 50);
  const told = first();
  return told?.kind === 'match' ? told.sessionId : undefined;
}

/** Tells, at most once a second, whether a deleted request has been gone for a while: nobody will be told anything then. */
function forgotten(run: Run, asked: Asked): () => Promise<boolean> {
  let lookAtMs = Date.now() + FORGOTTEN_MS;
  let goneSinceMs: number | undefined;
  return async () => {
    if (asked.planned.ending !== 'delete-starting' || Date.now() < lookAtMs) return false;
    lookAtMs = Date.now() + 1000;
    const isThere = await run.world.records.hasAllocation(asked.label).catch(() => true);
    goneSinceMs = isThere ? undefined : (goneSinceMs ?? Date.now());
    return goneSinceMs !== undefined && Date.now() - goneSinceMs >= FORGOTTEN_MS;
  };
}

/** A session without players: whoever asked for it looks whether it runs. */
async function waitUntilRunning(run: Run, asked: Asked): Promise<string | undefined> {
  const { allocationId: id, planned } = asked;
  // The answer that named it was lost: nobody knows it, and nobody will miss it.
  if (id === undefined) return undefined;
  let found: string | undefined;
  const over = async (): Promise<boolean> => {
    const nakama = await run.world.nodeFor(planned.ordinal);
    const { status, code, payload } = await nakama.rpc('fleet_get', { id });
    const instance = payload as { id: string; connection_info: object | null } | undefined;
    if (status === 200 && instance?.connection_info) found = instance.id;
    return found !== undefined || code === 5;
  };
  await until(over, 10 * run.limits.createTimeoutMs, `the session of ${asked.label}`, 300);
  if (found !== undefined) asked.foundSessionId = found;
  return found;
}

/** Looks into the records twice a second while the load runs. */
function look(run: Run): { stop(): Promise<void> } {
  let stopped = false;
  const rounds = until(
    async () => {
      await run.books.look(run.world.records).catch(() => {}); // The database is being hurt; the next look tells.
      return stopped;
    },
    24 * 3_600_000,
    'the end of the load',
    500,
  );
  return {
    stop: async () => {
      stopped = true;
      await rounds;
    },
  };
}
