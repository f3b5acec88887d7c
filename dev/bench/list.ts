import { randomUUID } from 'node:crypto';
import type { Nakama } from '../stack/nakama.ts';
import { until } from '../stack/until.ts';
import { fill } from './fill-probe.ts';
import { markdownTable, percentile } from './statistics.ts';

const REPEATS = 100;
const WARM_UP = 10;
const SEATS = 100;
// Nakama before 3.24 has no more than 100 pages of 100.
const PAGES = 80;

/** Stores `instances` and measures pages of them and joins at one, as another server sees them: HTTP included. */
export async function listTable(nakama: Nakama, instances: number): Promise<string> {
  const startedAt = performance.now();
  await fill(nakama, instances);
  const filledMs = Math.round(performance.now() - startedAt);
  const id = await startSession(nakama);
  let cursor = '';
  const next = async (): Promise<void> => {
    const page = await ask<{ cursor: string }>(nakama, 'fleet_list', { limit: 100, cursor });
    cursor = page.cursor;
  };
  // As src/allocation/openings.ts asks.
  const query = '+value.pool:p1 +value.region:/region-1|region-2/ +value.status:running +value.open_seats:>=2';
  const backfill = { query, limit: 5, order: ['open_seats'] };
  const rows = [
    await row('fleet_list, a first page of 100', 'p50 ≤ 50', () => ask(nakama, 'fleet_list', { limit: 100 })),
    await row('fleet_list, page after page of 100', '', next, PAGES),
    await row('the query of backfill, as fleet_list', 'p50 ≤ 10', () => ask(nakama, 'fleet_list', backfill)),
    await row(
      'fleet_join, one after the other',
      '',
      () => ask(nakama, 'fleet_join', { id, user_ids: [randomUUID()] }),
      SEATS,
    ),
  ];
  await ask(nakama, 'fleet_delete', { id });
  return `${instances} instances, stored in ${filledMs} ms\n\n${markdownTable(['call', 'ms p50 / p99 / max', 'goal'], rows)}`;
}

async function row(what: string, goal: string, call: () => Promise<unknown>, repeats = REPEATS): Promise<string[]> {
  const took: number[] = [];
  for (let i = -Math.min(WARM_UP, repeats / 10); i < repeats; i++) {
    const startedAt = performance.now();
    await call();
    if (i >= 0) took.push(performance.now() - startedAt);
  }
  const figures = [percentile(took, 0.5), percentile(took, 0.99), Math.max(...took)];
  return [what, figures.map((ms) => ms.toFixed(1)).join(' / '), goal];
}

async function startSession(nakama: Nakama): Promise<string> {
  const { session_id: id } = await ask<{ session_id: string }>(nakama, 'fleet_create', { max_players: SEATS * 2 });
  const runs = async () => (await ask<{ status: string }>(nakama, 'fleet_get', { id })).status === 'running';
  await until(runs, 20_000, 'a session to join', 100);
  return id;
}

async function ask<T>(nakama: Nakama, rpc: string, payload: object): Promise<T> {
  const answer = await nakama.rpc(rpc, payload);
  if (answer.status !== 200) throw new Error(`${rpc} failed: ${JSON.stringify(answer)}`);
  return answer.payload as T;
}
