import path from 'node:path';
import { query } from '../stack/database.ts';
import { buildDir } from '../stack/paths.ts';
import { until } from '../stack/until.ts';
import { fill, schemaOf } from './fill.ts';
import type { Figure } from './goals.ts';
import { memoryMb } from './processor.ts';
import type { Servers } from './servers.ts';
import { percentile } from './statistics.ts';
import { startStubApi } from './stub-api.ts';

const PASSES = 10;
/** Passes come so often here; the time of each is what the module says that it took. */
const INTERVAL = '2s';

interface Pass {
  at_ms: number;
  took_ms: number;
  records: number;
  sessions: number;
  tasks: number;
  distrust?: string;
}

/** The module compares so many records with a list of the same sessions: how long it takes, and what of Nakama's memory. */
export async function reconcileFigures(
  servers: Servers,
  instances: number,
  say: (text: string) => void,
): Promise<Figure[]> {
  const api = await startStubApi();
  servers.endsWith(() => api.stop());
  const module = path.join(buildDir, 'index.js');
  const schema = schemaOf(servers.runtime);
  // A first start makes the tables and the owner's id; what is measured has all of it from the beginning.
  const first = await servers.nakama(module, api, { env: { GAMEYE_RECONCILE_INTERVAL: '12h' } });
  const { database } = first;
  const owner = await until(() => ownerOf(database, schema), 30_000, 'the owner that the first comparison stores');
  await first.nakama.stop();
  await fill(database, schema, 0, instances);
  const body = await listOf(database, schema, owner);
  api.show(body);

  const { nakama } = await servers.nakama(module, api, { database, env: { GAMEYE_RECONCILE_INTERVAL: INTERVAL } });
  const idle = await memoryMb(nakama.pid);
  const passes: Pass[] = [];
  let writes: number | undefined;
  const collect = async (): Promise<boolean> => {
    const { payload } = await nakama.rpc('gameye_status', { limit: 1 });
    const last = (payload as { reconcile?: Pass }).reconcile;
    const isWhole = last && last.sessions === instances && last.records === instances;
    if (isWhole && last.at_ms !== passes.at(-1)?.at_ms) passes.push(last);
    if (passes.length === 1) writes ??= await changes(database, schema);
    return passes.length > PASSES;
  };
  await until(collect, 180_000, `${PASSES} comparisons`, 200);
  const wrong = passes.find(({ tasks, distrust }) => tasks > 0 || distrust);
  if (wrong) throw new Error(`a comparison found something to do: ${JSON.stringify(wrong)}`);
  const memory = await memoryMb(nakama.pid);
  const written = (await changes(database, schema)) - (writes ?? 0);
  await nakama.stop();
  await api.stop();
  // The first also loads the library.
  const took = passes.slice(1).map(({ took_ms }) => took_ms);
  say(
    `reconcile of ${instances}: a list of ${(body.length / 1e6).toFixed(1)} MB; ms of each pass: ${took.join(' ')}; ` +
      `Nakama had ${idle.now.toFixed(0)} MB before, ${memory.now.toFixed(0)} MB afterwards`,
  );
  const what = `reconcile ${instances} unchanged`;
  return [
    {
      what: `${what}, p50`,
      unit: 'ms',
      ours: percentile(took, 0.5),
      goal: { atMost: instances > 10_000 ? 4000 : 400 },
    },
    { what: `${what}, longest`, unit: 'ms', ours: Math.max(...took) },
    { what: `${what}, most memory of Nakama`, unit: 'MB', ours: memory.most, goal: { atMost: 400 } },
    { what: `${what}, rows written`, unit: '', ours: written, goal: { atMost: 0 } },
  ];
}

/** How many rows of instances, seats and allocations were ever written. */
async function changes(database: string, schema: string): Promise<number> {
  const [row] = await query<{ rows: string }>(
    database,
    `SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) AS rows FROM pg_stat_user_tables
     WHERE schemaname = $1 AND relname IN ('gameye_instance', 'gameye_seat', 'gameye_allocation')`,
    [schema],
  );
  return Number(row?.rows);
}

async function ownerOf(database: string, schema: string): Promise<string | undefined> {
  const sql = `SELECT value #>> '{}' AS id FROM ${schema}.gameye_control WHERE key = 'owner'`;
  return (await query<{ id: string }>(database, sql))[0]?.id;
}

interface Stored {
  id: string;
  region: string;
  image: string;
  version: string;
  joined: number;
  ip_address: string;
  ports: Record<string, number>;
}

/** What Gameye would list. */
async function listOf(database: string, schema: string, owner: string): Promise<string> {
  const columns = 'id, region, image, version, joined, ip_address, ports';
  const rows = await query<Stored>(database, `SELECT ${columns} FROM ${schema}.gameye_instance`);
  return JSON.stringify({ sessions: rows.map((row) => listed(row, owner)) });
}

function listed({ id, region, image, version, joined, ip_address: host, ports }: Stored, owner: string): object {
  // As much environment as a container of ours has.
  const env = JSON.stringify({
    GAMEYE_SESSION_ID: id,
    NAKAMA_SERVER_TOKEN: 'x'.repeat(300),
    SEAT_SECRET: 'y'.repeat(64),
  });
  const labels = { tags: JSON.stringify({ nakama_fleet: 'default', nakama_owner: owner, mode: 'duel' }), env };
  const rest = { host, created: Date.now(), port: ports, status: 'running', labels, playerCount: joined };
  return { id, image, tag: version, location: region, ...rest };
}
