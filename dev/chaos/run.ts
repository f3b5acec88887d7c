import type { NakamaRuntime } from '../stack/runtimes.ts';
import { until } from '../stack/until.ts';
import type { Run } from './ask.ts';
import { attribute } from './attribution.ts';
import { answersOf, Books } from './books.ts';
import type { Evidence, PlayerAnswer, Session, Snapshot } from './evidence.ts';
import { judge } from './judge.ts';
import { differences, wantedSessions } from './judge-fleet.ts';
import { Havoc } from './kills.ts';
import type { Lane } from './lane.ts';
import { carryOut } from './load.ts';
import type { Plan } from './plan.ts';
import { searchSecrets } from './secrets.ts';
import type { Verdict } from './verdict.ts';
import { World } from './world.ts';

export interface ChaosOptions {
  runtime: NakamaRuntime;
  plan: Plan;
  limits: Evidence['limits'];
  /** Groups of players at a time. */
  width: number;
  modulePath?: string;
  postgres?: string;
  /** Hears how many allocations are over. */
  progress?: (done: number, world: World) => void;
}

export interface ChaosResult {
  evidence: Evidence;
  verdicts: Verdict[];
  /** What each process of a node printed, in the order of their starts. */
  logs: string[];
}

/** Longer than anything that the module may still have to wait for: leases, seats, requests whose answer was lost. */
const CALM_MS = 150_000;
const END_MS = 60_000;

/** Lets a plan happen and judges what came of it. No process is left when it settles. */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const world = await World.start(options);
  try {
    const evidence = await happen(world, options);
    const logs = world.stack.nodes.map((node) => node.logText());
    return { evidence, verdicts: judge(evidence), logs };
  } finally {
    await world.stop();
  }
}

async function happen(world: World, options: ChaosOptions): Promise<Evidence> {
  const { plan, limits, width, progress } = options;
  const { simulator } = world.stack;
  const startedAtMs = Date.now();
  const books = new Books();
  const run: Run = { world, books, seed: plan.seed, limits };
  const havoc = new Havoc(world, plan);
  for (const rule of plan.faults) simulator.faults.add(rule);
  const lanes = await carryOut(run, plan, havoc, width, (done) => progress?.(done, world));
  await havoc.calm();
  const faults = faultCounts(world);
  simulator.faults.clear();
  const { asked, stored, miscounted } = books;
  const base = { limits, asked, stored, miscounted, nodes: world.events, kills: havoc.killed, faults, startedAtMs };
  const seen = await becomeCalm(world, await wantedOf(books, world, lanes));
  const end = await stopAll(world);
  for (const lane of lanes) if (!lane.isTogether()) await lane.connect();
  const answers = await allAnswers(lanes);
  const ledger = sessionsOf(world, books);
  const searched = await searchSecrets(world, { answers, ledger });
  for (const lane of lanes) lane.leave();
  return { ...base, ...seen, ...searched, answers, ledger, end, endedAtMs: Date.now() };
}

/** Waits, without faults, until only what is wanted runs and the records say so; not for ever. */
async function becomeCalm(
  world: World,
  wanted: Set<string>,
): Promise<Pick<Evidence, 'calm' | 'calmFromMs' | 'tidyAtMs'>> {
  const calmFromMs = Date.now();
  let tidyAtMs: number | undefined;
  let calm = await world.snapshot();
  const isCalm = async (): Promise<boolean> => {
    calm = await world.snapshot();
    const isTidy = calm.running.every(({ id }) => wanted.has(id));
    if (isTidy) tidyAtMs ??= Date.now();
    return isTidy && differences(calm).length === 0;
  };
  await until(isCalm, CALM_MS, 'calm', 500).catch(() => {}); // The judge says what was missing.
  return { calm, calmFromMs, ...(tidyAtMs === undefined ? {} : { tidyAtMs }) };
}

/** Deletes what still runs, and waits until nothing is left of it. */
async function stopAll(world: World): Promise<Snapshot> {
  let last = await world.snapshot();
  for (const { id } of last.running) {
    const nakama = await world.nodeFor(0);
    await nakama.rpc('fleet_delete', { id }).catch(() => {}); // What does not end is a breach that the judge sees.
  }
  const isOver = async (): Promise<boolean> => {
    last = await world.snapshot();
    return last.running.length === 0 && differences(last).length === 0;
  };
  await until(isOver, END_MS, 'the end', 500).catch(() => {}); // Likewise.
  return last;
}

async function wantedOf(books: Books, world: World, lanes: Lane[]): Promise<Set<string>> {
  for (const lane of lanes) if (!lane.isTogether()) await lane.connect();
  const { asked, stored } = books;
  const ledger = sessionsOf(world, books);
  return wantedSessions({ asked }, attribute({ asked, stored, ledger, answers: await allAnswers(lanes) }));
}

async function allAnswers(lanes: Lane[]): Promise<PlayerAnswer[]> {
  const answers: PlayerAnswer[] = [];
  for (const { players, listed } of lanes) {
    for (const player of players) answers.push(...(await answersOf(player, listed.get(player))));
  }
  return answers;
}

function sessionsOf(world: World, books: Books): Session[] {
  const { simulator } = world.stack;
  const arrived = new Map(simulator.requests().map(({ ordinal, atMs }) => [ordinal, atMs]));
  return simulator.ledger.entries.map((entry) => {
    const askedAtMs = arrived.get(entry.requestOrdinal) ?? entry.requestedAtMs;
    return structuredClone({ ...entry, madeAtMs: books.madeAtMs.get(entry.id) ?? askedAtMs });
  });
}

function faultCounts(world: World): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { action, hit } of world.stack.simulator.faults.list()) {
    const detail = 'status' in action && action.status !== undefined ? ` ${action.status}` : '';
    const when = 'when' in action && action.when !== undefined ? ` ${action.when}` : '';
    const name = `${action.kind}${detail}${when}`;
    counts[name] = (counts[name] ?? 0) + hit;
  }
  return counts;
}
