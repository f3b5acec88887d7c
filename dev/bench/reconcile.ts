import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { query } from '../stack/database.ts';
import type { Nakama } from '../stack/nakama.ts';
import { until } from '../stack/until.ts';
import { fill } from './fill-probe.ts';
import { markdownTable, percentile } from './statistics.ts';

const PASSES = 10;
/** Passes come so often here; the time of each is what the module says that it took. */
export const BENCH_INTERVAL = '2s';

/** A Session API that only lists, at once: what is measured is Nakama, its database and the module. */
export interface ListingApi {
  url: string;
  /** What it lists from now on. */
  show(body: string): void;
  stop(): Promise<void>;
}

export async function startListingApi(): Promise<ListingApi> {
  let body = '{"sessions":[]}';
  const server: Server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    show: (next) => void (body = next),
    stop: () => new Promise((resolve) => void server.close(() => resolve())),
  };
}

interface Last {
  at_ms: number;
  took_ms: number;
  records: number;
  sessions: number;
  tasks: number;
  distrust?: string;
}

/** Stores `instances`, lists the same as sessions, and measures how long the module compares them when nothing changed. */
export async function reconcileTable(
  nakama: Nakama,
  api: ListingApi,
  database: string,
  instances: number,
): Promise<string> {
  const table = nakama.kind === 'embedded' ? 'embedded_nakama.storage' : 'public.storage';
  const owner = await until(() => ownerOf(database, table), 30_000, 'the owner that the first comparison stores');
  await fill(nakama, instances);
  const rows = await query<{ value: StoredInstance }>(
    database,
    `SELECT value FROM ${table} WHERE collection = '_gameye_instances'`,
  );
  const body = JSON.stringify({ sessions: rows.map(({ value }) => listed(value, owner)) });
  api.show(body);
  const before = await lastChange(database, table);
  const passes: Last[] = [];
  const status = async (): Promise<Last | undefined> => {
    const { payload } = await nakama.rpc('gameye_status', { limit: 1 });
    return (payload as { reconcile?: Last }).reconcile;
  };
  const collect = async (): Promise<boolean> => {
    const last = await status();
    // The first comparisons read all records for the first time, and may take more than one go.
    const isWhole = last && last.sessions === instances && last.records === instances;
    if (isWhole && last.at_ms !== passes.at(-1)?.at_ms) passes.push(last);
    return passes.length > PASSES;
  };
  await until(collect, 120_000, `${PASSES} comparisons`, 200);
  const wrong = passes.find(({ tasks, distrust }) => tasks > 0 || distrust);
  if (wrong) throw new Error(`a comparison found something to do: ${JSON.stringify(wrong)}`);
  const took = passes.slice(1).map(({ took_ms }) => took_ms);
  const figures = [percentile(took, 0.5), Math.max(...took)].join(' / ');
  const writes = before === (await lastChange(database, table)) ? '0' : 'some';
  return markdownTable(
    ['reconcile', 'list', 'ms p50 / max', 'goal', 'records written'],
    [[`${instances} unchanged instances`, `${(body.length / 1e6).toFixed(1)} MB`, figures, '≤ 1000', writes]],
  );
}

interface StoredInstance {
  id: string;
  region: string;
  image: string;
  version: string;
  player_count: number;
  connection_info: { ip_address: string };
  ports: Record<string, number>;
}

function listed(instance: StoredInstance, owner: string): object {
  const { id, region, image, version, player_count: playerCount, connection_info: where, ports } = instance;
  // As much environment as a container of ours has.
  const env = JSON.stringify({
    GAMEYE_SESSION_ID: id,
    NAKAMA_SERVER_TOKEN: 'x'.repeat(300),
    SEAT_SECRET: 'y'.repeat(64),
  });
  const labels = { tags: JSON.stringify({ nakama_fleet: 'default', nakama_owner: owner, mode: 'duel' }), env };
  const rest = { host: where.ip_address, created: Date.now(), port: ports, status: 'running', labels, playerCount };
  return { id, image, tag: version, location: region, ...rest };
}

async function ownerOf(database: string, table: string): Promise<string | undefined> {
  const sql = `SELECT value FROM ${table} WHERE collection = '_gameye_control' AND key = 'owner'`;
  return (await query<{ value: { id: string } }>(database, sql).catch(() => []))[0]?.value.id;
}

/** When a record of an instance was last written. */
async function lastChange(database: string, table: string): Promise<string> {
  const sql = `SELECT max(update_time)::text AS at FROM ${table} WHERE collection = '_gameye_instances'`;
  return (await query<{ at: string }>(database, sql))[0]?.at ?? '';
}
