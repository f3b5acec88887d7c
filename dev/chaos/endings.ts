import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Player } from '../demo/player.ts';
import type { RpcResult } from '../stack/rpc.ts';
import { until } from '../stack/until.ts';
import type { Run } from './ask.ts';
import type { Asked } from './evidence.ts';

/** Everything here is repeated until it is answered, whatever is down meanwhile. */
const ANSWERED_MS = 120_000;
const NOT_FOUND = 5;
const TOO_LATE = 9;
const LOST: RpcResult = { status: 0 };

/** What somebody does while the session starts: its players cancel, or its creator deletes it. */
export async function interrupt(run: Run, asked: Asked, players: Player[]): Promise<void> {
  const { ending, afterMs } = asked.planned;
  await pause(afterMs);
  asked.mayEndFromMs = Date.now();
  if (ending === 'cancel') await Promise.all(players.map((player) => cancel(run, asked, player)));
  else if (asked.allocationId !== undefined) await deleteSession(run, asked, asked.allocationId);
}

/** Asks until there is an answer: after a lost one, "nothing to cancel" may mean that the first call was carried out. */
async function cancel(run: Run, asked: Asked, player: Player): Promise<void> {
  const { userId } = player;
  let unsure = false;
  const call = async (): Promise<boolean> => {
    const { status, code, payload } = await asPlayer(run, player, 'gameye_cancel').catch(() => LOST);
    if (status === 200) {
      const { cancelled } = payload as { cancelled: boolean };
      if (cancelled || unsure) asked.cancelled.push({ userId, atMs: Date.now(), certain: cancelled });
      return true;
    }
    unsure = true;
    return code === TOO_LATE;
  };
  await until(call, ANSWERED_MS, `gameye_cancel for ${asked.label}`, 300);
}

/** What becomes of a session that runs. `id` is the one that the players were told. */
export async function end(run: Run, asked: Asked, players: Player[], id: string): Promise<void> {
  const { ending, afterMs, joins } = asked.planned;
  const { simulator } = run.world.stack;
  // Where game servers say nothing at all, seats that run out do not mean that nobody came.
  const isEmptied = joins > 0 || ending === 'no-show' || ending === 'forget';
  if (isEmptied) await server(run, asked, 'gameye_server_ready', { id });
  if (joins > 0) await letStrangersIn(run, asked, id, joins);
  if (ending === 'stay') return void (await server(run, asked, 'gameye_server_join', { id, user_ids: asked.userIds }));
  if (ending === 'no-show') return noShow(run, asked, id);
  await pause(afterMs);
  asked.mayEndFromMs ??= Date.now();
  // Their next match frees the seats that they have here.
  if (ending === 'forget') return;
  if (ending === 'crash') simulator.kill(id);
  else if (ending === 'leave') await Promise.all(players.map((player) => leave(run, player)));
  else await deleteSession(run, asked, asked.allocationId ?? id);
}

/** Nobody comes, until the seats have run out. */
async function noShow(run: Run, asked: Asked, id: string): Promise<void> {
  const { seatTimeoutMs } = run.limits;
  asked.mayEndFromMs = asked.askedAtMs + seatTimeoutMs;
  const { ledger } = run.world.stack.simulator;
  const over = () => ledger.get(id)?.endedAtMs !== undefined || Date.now() > asked.mayEndFromMs! + 2000;
  await until(over, 2 * seatTimeoutMs + 60_000, 'the end of the seats', 200);
}

/** Stops a session by the id that its creator knows; one that is gone is a success. */
export async function deleteSession(run: Run, asked: Asked, id: string): Promise<void> {
  asked.mayEndFromMs ??= Date.now();
  await server(run, asked, 'fleet_delete', { id });
}

async function leave(run: Run, player: Player): Promise<void> {
  await answered(() => asPlayer(run, player, 'gameye_leave'), 'gameye_leave');
}

/** A player's own call, to any node that is up. */
async function asPlayer(run: Run, player: Player, rpc: string): Promise<RpcResult> {
  const nakama = await run.world.nodeFor(0);
  return nakama.rpc(rpc, undefined, { token: player.token });
}

/** More strangers than there are seats, each on the next node, all at once. */
async function letStrangersIn(run: Run, asked: Asked, id: string, joins: number): Promise<void> {
  const book: NonNullable<Asked['joins']> = { granted: [], lost: 0, fromMs: Date.now(), untilMs: 0 };
  asked.joins = book;
  const join = async (_: unknown, i: number): Promise<void> => {
    const userId = randomUUID();
    try {
      const nakama = await run.world.nodeFor(i);
      const { status } = await nakama.rpc('fleet_join', { id, user_ids: [userId], notify: false });
      if (status === 200) book.granted.push(userId);
      if (status >= 500) book.lost++;
    } catch {
      book.lost++;
    }
  };
  await Promise.all(Array.from({ length: joins }, join));
  book.untilMs = Date.now();
}

/** A call of another server, to a node that is up. */
async function server(
  run: Run,
  asked: Asked,
  rpc: string,
  payload: { id: string; user_ids?: string[] },
): Promise<void> {
  const { ledger } = run.world.stack.simulator;
  const call = async (): Promise<RpcResult> => {
    const nakama = await run.world.nodeFor(asked.planned.ordinal);
    return nakama.rpc(rpc, payload);
  };
  const runs = () => {
    const entry = ledger.get(payload.id);
    return entry !== undefined && (entry.stopRequestedAtMs ?? entry.endedAtMs) === undefined;
  };
  await answered(call, `${rpc} for ${asked.label}`, runs);
}

/** Calls again until the answer is success, or that there is no such thing, and nothing runs. */
async function answered(call: () => Promise<RpcResult>, what: string, runs = () => false): Promise<void> {
  let last: RpcResult | undefined;
  const done = async (): Promise<boolean> => {
    last = await call();
    return last.status === 200 || (last.code === NOT_FOUND && !runs());
  };
  await until(done, ANSWERED_MS, () => `${what}; last answer: ${JSON.stringify(last)}`, 300);
}
