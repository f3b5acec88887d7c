import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, inject } from 'vitest';
import { createDatabase } from '../../dev/stack/database.ts';
import { startNakama, type Nakama, type NakamaOptions } from '../../dev/stack/nakama.ts';
import { startPostgres, type Postgres } from '../../dev/stack/postgres.ts';

/** The folder of modules that tests load from disk. */
export const modules = path.join(import.meta.dirname, 'modules');

let own: Postgres | undefined;
let server: string | undefined;
const nodes: Nakama[] = [];
const folders: string[] = [];

/** A Postgres for the tests of one file: the one that the whole run shares, or else one of our own. */
export function usePostgres(): void {
  beforeAll(async () => {
    const common = inject('postgres') as string | undefined;
    if (common === undefined) own = await startPostgres();
    server = own?.address ?? common;
  }, 60_000);
  afterAll(async () => {
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await own?.stop();
    await Promise.all(folders.splice(0).map((folder) => rm(folder, { recursive: true, force: true })));
  }, 60_000);
}

/** An empty database. */
export function newDatabase(): Promise<string> {
  if (server === undefined) throw new Error('usePostgres() is missing in this test file');
  return createDatabase(server);
}

const shared = new Map<string, Promise<string>>();

/** The database that the nodes of one file share: migrations take longer than most tests. One for each runtime. */
function sharedDatabase(runtime: string): Promise<string> {
  if (!shared.has(runtime)) shared.set(runtime, newDatabase());
  return shared.get(runtime)!;
}

/** Writes JavaScript to a folder of its own and answers the folder, as `--runtime.path` wants it. */
export async function moduleOf(source: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'nakama-gameye-module-'));
  folders.push(folder);
  await writeFile(path.join(folder, 'index.js'), source);
  return folder;
}

/** Starts a node, the embedded one with few VMs unless told otherwise, on a new database unless one is given. */
export async function startNode(options: Partial<NakamaOptions> & { source?: string }): Promise<Nakama> {
  const { source, ...rest } = options;
  const runtime = rest.runtime ?? { kind: 'embedded' };
  const few = runtime.kind === 'embedded' ? ['--embedded.reserve', '2'] : [];
  const node = await startNakama({
    env: {},
    ...(source === undefined ? {} : { modulePath: await moduleOf(source) }),
    ...rest,
    runtime,
    database: rest.database ?? (await sharedDatabase(JSON.stringify(runtime))),
    flags: [...few, ...(rest.flags ?? [])],
  });
  nodes.push(node);
  return node;
}

/** The seven callbacks of a match that does nothing, by the names that `MATCH` registers; a test defines its own instead. */
export const CALLBACKS = {
  matchInit:
    'function matchInit(ctx, logger, nk, params) { return { state: { params: params }, tickRate: 20, label: "" }; }',
  matchJoinAttempt:
    'function matchJoinAttempt(ctx, logger, nk, d, tick, state) { return { state: state, accept: true }; }',
  matchJoin: 'function matchJoin(ctx, logger, nk, d, tick, state) { return { state: state }; }',
  matchLeave: 'function matchLeave(ctx, logger, nk, d, tick, state) { return { state: state }; }',
  matchLoop: 'function matchLoop(ctx, logger, nk, d, tick, state) { return { state: state }; }',
  matchTerminate: 'function matchTerminate(ctx, logger, nk, d, tick, state) { return { state: state }; }',
  matchSignal: 'function matchSignal(ctx, logger, nk, d, tick, state, data) { return { state: state, data: data }; }',
};

const NAMES = Object.keys(CALLBACKS);
/** Registers the callbacks as match "m". */
export const MATCH = `initializer.registerMatch('m', { ${NAMES.map((name) => `${name}: ${name}`).join(', ')} });`;

/** A module with match "m", whose callbacks can be replaced, and an RPC "create" that starts one. */
export function matchModule(callbacks: Partial<typeof CALLBACKS>, more = '', init = ''): string {
  return `${Object.values({ ...CALLBACKS, ...callbacks }).join('\n')}
function create(ctx, logger, nk, payload) { return nk.matchCreate('m', payload === '' ? {} : JSON.parse(payload)); }
${more}
function InitModule(ctx, logger, nk, initializer) {
  initializer.registerRpc('create', create);
  ${MATCH}
  ${init}
}`;
}

/** Calls an RPC with text as it is, and answers what came back as it is. */
export async function call(
  node: Nakama,
  id: string,
  payload = '',
): Promise<{ status: number; payload: string; message: string }> {
  const response = await fetch(`${node.url}/v2/rpc/${id}?http_key=${node.httpKey}`, {
    method: 'POST',
    body: JSON.stringify(payload),
  });
  const body = (await response.json()) as { payload?: string; message?: string };
  return { status: response.status, payload: body.payload ?? '', message: body.message ?? '' };
}
