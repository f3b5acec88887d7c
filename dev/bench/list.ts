import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { query } from '../stack/database.ts';
import type { Nakama } from '../stack/nakama.ts';
import { buildDir } from '../stack/paths.ts';
import { until } from '../stack/until.ts';
import { withAccounts } from './accounts.ts';
import { ask, measureCalls, withCallProbe, type CallCost } from './call-probe.ts';
import { fill, schemaOf } from './fill.ts';
import type { Figure } from './goals.ts';
import { withHookProbe } from './hook-probe.ts';
import { healthText, runLoad } from './load.ts';
import { BENCH_REGIONS, type Servers } from './servers.ts';
import { percentile } from './statistics.ts';
import { startStubApi } from './stub-api.ts';

const REPEATS = 100;
/** Groups that are seated by backfill, a few a second, so that none waits for another. */
const SEATED = { matches: 40, rate: 4 };

/** Pages of instances and seats in one, among so many: over HTTP, as another server sees it, and inside the VM. */
export async function listFigures(servers: Servers, sizes: number[], say: (text: string) => void): Promise<Figure[]> {
  const api = await startStubApi();
  servers.endsWith(() => api.stop());
  const hooked = await withHookProbe(path.join(buildDir, 'index.js'), 'list-hook');
  const module = await withCallProbe(await withAccounts(hooked, 'list-accounts'), 'list');
  const env = {
    GAMEYE_API_REGION: BENCH_REGIONS.join(','),
    GAMEYE_BACKFILL: 'on',
    GAMEYE_MAX_PLAYERS: '8',
    GAMEYE_RECONCILE_INTERVAL: '12h',
  };
  const { nakama, database } = await servers.nakama(module, api, { env });
  const schema = schemaOf(servers.runtime);
  const nobody = { requests: () => Promise.resolve([]) };
  // The first group starts a session, which shows the pool that all such groups share.
  await runLoad(1, Infinity, nakama, nobody);
  const found = await query<{ pool: string }>(database, `SELECT pool FROM ${schema}.gameye_instance`);
  const pool = found[0]?.pool;
  if (pool === undefined) throw new Error('the first match has left no instance');
  const figures: Figure[] = [];
  let filled = 0;
  for (const size of [...sizes].sort((a, b) => a - b)) {
    await fill(database, schema, filled, size, pool);
    filled = size;
    const page = await measureCalls(nakama, 'fleet_list', REPEATS, () => ({ limit: 100 }));
    figures.push(...callFigures(`list page of 100 among ${size}`, page, 20));
    const isArena = '+metadata.mode:arena +open_seats:>=2 +region:region-1';
    const asked = await measureCalls(nakama, 'fleet_list', REPEATS, () => ({ limit: 100, query: isArena }));
    figures.push(...callFigures(`the same with a query among ${size}`, asked));
    const id = await startSession(nakama);
    const join = await measureCalls(nakama, 'fleet_join', REPEATS, () => ({
      id,
      user_ids: [randomUUID()],
      notify: false,
    }));
    figures.push(...callFigures(`seats in a running session among ${size}`, join, 10));
    await runLoad(SEATED.matches, SEATED.rate, nakama, nobody); // Another pool of seats has to be looked up for the first time.
    const seated = await runLoad(SEATED.matches, SEATED.rate, nakama, nobody);
    say(`seated by backfill among ${size}: ${healthText(seated)}`);
    const what = `a group seated by backfill among ${size}, hook → players, p50`;
    figures.push({ what, unit: 'ms', ours: percentile(seated.beyondApiMs, 0.5) });
  }
  await nakama.stop();
  return figures;
}

async function startSession(nakama: Nakama): Promise<string> {
  const { session_id: id } = await ask<{ session_id: string }>(nakama, 'fleet_create', { max_players: 4 * REPEATS });
  const runs = async () => (await ask<{ status: string }>(nakama, 'fleet_get', { id })).status === 'running';
  await until(runs, 20_000, 'a session to join', 100);
  return id;
}

function callFigures(what: string, cost: CallCost, goal?: number): Figure[] {
  return [
    { what: `${what}, p50`, unit: 'ms', ours: cost.p50, ...(goal === undefined ? {} : { goal: { atMost: goal } }) },
    { what: `${what}, p99`, unit: 'ms', ours: cost.p99 },
    { what: `${what}, inside the VM`, unit: 'ms', ours: cost.inVm },
  ];
}
