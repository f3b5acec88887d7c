import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import type { Nakama } from '../stack/nakama.ts';
import { until } from '../stack/until.ts';
import { makeAccounts } from './accounts.ts';
import { hookRuns } from './hook-probe.ts';
import { BenchPlayer } from './player.ts';
import { machineMs, processorMs } from './processor.ts';
import type { SimulatorProcess } from './simulator-process.ts';
import { percentile } from './statistics.ts';

/** Groups of two, of players who have never played. */
const GROUP_SIZE = 2;
const ANSWER_DEADLINE_MS = 90_000;
/** What follows an answer (the API is told of the players, the allocation ends) belongs to the match, too. */
const AFTERWARDS_MS = 1000;

/** What a number of matches showed, in milliseconds. */
export interface LoadResult {
  matches: number;
  /** How long each hook kept the matchmaker. */
  hookMs: number[];
  /** From the hook's start to the notification at the group's last player, without what the API took for its session. */
  beyondApiMs: number[];
  /** Players without an address. */
  missed: number;
  /** Nakama's own processor time for a match, over the whole run. */
  nakamaMs: number;
  health: LoadHealth;
}

/** Whether the load itself, and not the server, was what took long. Shares are of one core. */
export interface LoadHealth {
  nakamaShare: number;
  /** This process: the players and the log. */
  loadShare: number;
  machineShare: number;
  /** p99 of how late this process gets to what is due. */
  eventLoopMs: number;
  /** p99 of how late a group queued. */
  lateMs: number;
}

/** So many groups that queue at this rate (per second; infinite: all at once), and everything that was seen of them. */
export async function runLoad(
  matches: number,
  rate: number,
  nakama: Nakama,
  simulator: Pick<SimulatorProcess, 'requests'>,
): Promise<LoadResult> {
  const players = await BenchPlayer.connect(nakama, await makeAccounts(nakama, matches * GROUP_SIZE));
  await pause(AFTERWARDS_MS); // What connecting has left to do is not what is measured.
  const run = `b${Date.now().toString(36)}`;
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const before = await usage(nakama);
  delay.enable();
  const late = await queueAll(players, run, rate);
  const answered = (): boolean => players.every(({ told }) => told);
  await until(answered, ANSWER_DEADLINE_MS, 'all answers').catch(() => {}); // The result counts who has none.
  await pause(AFTERWARDS_MS);
  delay.disable();
  const after = await usage(nakama);
  for (const player of players) player.close();
  const share = (what: keyof typeof before): number => (after[what] - before[what]) / (after.atMs - before.atMs);
  return {
    ...(await evaluate(matches, players, nakama, simulator)),
    nakamaMs: (after.nakama - before.nakama) / matches,
    health: {
      nakamaShare: share('nakama'),
      loadShare: share('load'),
      machineShare: share('machine'),
      eventLoopMs: delay.percentile(99) / 1e6,
      lateMs: percentile(late, 0.99),
    },
  };
}

/** One line about a run, for whoever doubts a figure. */
export function healthText({ health, missed, matches }: LoadResult): string {
  const share = (value: number): string => `${(value * 100).toFixed(0)} %`;
  return (
    `${matches} matches, ${missed} players missed; of one core: Nakama ${share(health.nakamaShare)}, ` +
    `the load ${share(health.loadShare)}, the machine ${share(health.machineShare)}; ` +
    `the load is late by ${health.lateMs.toFixed(0)} ms, its event loop by ${health.eventLoopMs.toFixed(0)} ms (p99)`
  );
}

async function usage(nakama: Nakama): Promise<Record<'atMs' | 'nakama' | 'load' | 'machine', number>> {
  const { user, system } = process.cpuUsage();
  const [ofNakama, machine] = [await processorMs(nakama.pid), await machineMs()];
  return { atMs: performance.now(), nakama: ofNakama, load: (user + system) / 1000, machine };
}

/** Answers by how much each group queued too late. */
async function queueAll(players: BenchPlayer[], run: string, rate: number): Promise<number[]> {
  const late: number[] = [];
  const startedAt = performance.now();
  for (let group = 0; group < players.length / GROUP_SIZE; group++) {
    const dueMs = (group * 1000) / rate;
    const aheadMs = startedAt + dueMs - performance.now();
    if (aheadMs > 1) await pause(aheadMs);
    late.push(performance.now() - startedAt - dueMs);
    for (const player of players.slice(group * GROUP_SIZE, (group + 1) * GROUP_SIZE)) {
      player.queue(`${run}g${group}`, GROUP_SIZE);
    }
  }
  return late;
}

async function evaluate(
  matches: number,
  players: BenchPlayer[],
  nakama: Nakama,
  simulator: Pick<SimulatorProcess, 'requests'>,
): Promise<Pick<LoadResult, 'matches' | 'hookMs' | 'beyondApiMs' | 'missed'>> {
  const apiMs = new Map<string, number>();
  for (const request of await simulator.requests()) {
    if (request.operation !== 'session-run' || request.sessionId === undefined) continue;
    apiMs.set(request.sessionId, (apiMs.get(request.sessionId) ?? 0) + (request.tookMs ?? 0));
  }
  const byUser = new Map(players.map((player) => [player.userId, player]));
  const hookMs: number[] = [];
  const beyondApiMs: number[] = [];
  for (const hook of hookRuns(nakama.logs)) {
    const group = hook.userIds.flatMap((userId) => byUser.get(userId) ?? []);
    if (group.length === 0) continue; // Of an earlier run.
    hookMs.push(hook.tookMs);
    const answers = group.flatMap(({ told }) => (told && told.sessionId !== '' ? [told] : []));
    const [first] = answers;
    if (!first || answers.length < hook.userIds.length) continue;
    const lastAtMs = Math.max(...answers.map(({ atMs }) => atMs));
    beyondApiMs.push(lastAtMs - hook.atMs - (apiMs.get(first.sessionId) ?? 0));
  }
  const missed = players.filter(({ told }) => (told?.sessionId ?? '') === '').length;
  return { matches, hookMs, beyondApiMs, missed };
}
