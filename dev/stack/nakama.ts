import path from 'node:path';
import { startChild, type Child, type ExitInfo } from './child.ts';
import { serverFlags, type ServerSettings } from './command-line.ts';
import { LogBook, type LogEntry, type LogMatch } from './log.ts';
import { buildDir, cacheDir, projectRoot } from './paths.ts';
import { freeNakamaPorts, type NakamaPorts } from './ports.ts';
import { callRpc, type RpcCaller, type RpcResult } from './rpc.ts';
import { describeRuntime, runtimeCommand, versionOf, type NakamaRuntime } from './runtimes.ts';
import { until } from './until.ts';

export interface NakamaOptions {
  runtime: NakamaRuntime;
  /** `user:password@host:port/dbname`; migrations are run first. */
  database: string;
  /** A folder with index.js, or a .js file; default the project's build folder. */
  modulePath?: string;
  /** The module's variables as `runtime.env`. `{nakama}` in a value becomes this node's address, here and below. */
  env: Record<string, string>;
  /** Variables of the server process itself, the other way to configure the module. */
  processEnv?: Record<string, string>;
  /** Node name, at most 16 characters; default `n1`. */
  name?: string;
  matchmakerIntervalSec?: number;
  /** How long `stop` lets matches and the shutdown hook finish; default 0 as in Nakama. */
  shutdownGraceSec?: number;
  /** More command line flags, as `['--match.max_empty_sec', '5']`. */
  flags?: string[];
  /** Fixed ports, for people who connect by hand; default: a free block for every start. */
  ports?: NakamaPorts;
  /** Called for every log line of the server. */
  onLog?: (entry: LogEntry) => void;
  /** How long it may take until /healthcheck answers; default 60 s. */
  startDeadlineMs?: number;
}

export interface Nakama {
  kind: NakamaRuntime['kind'];
  version: string;
  name: string;
  /** The server's process. */
  pid: number;
  port: number;
  url: string;
  httpKey: string;
  serverKey: string;
  /** Where a real Nakama has its console; the embedded runtime has none. */
  consoleUrl: string;
  /** Prometheus text. */
  metricsUrl: string;
  /** All log lines so far, migration included. */
  logs: LogEntry[];
  /** The same as printed. */
  logText(): string;
  waitForLog(match: LogMatch, deadlineMs: number): Promise<LogEntry>;
  rpc(id: string, payload?: unknown, caller?: RpcCaller): Promise<RpcResult>;
  exited: Promise<ExitInfo>;
  isRunning(): boolean;
  /** SIGTERM, and SIGKILL when it takes longer than its grace and 10 s. */
  stop(): Promise<void>;
  /** SIGKILL, as a crash would. */
  kill(): Promise<void>;
}

const PORT_ATTEMPTS = 5;
const HTTP_KEY = 'stack-http-key';
const SERVER_KEY = 'stack-server-key';

/**
 * Starts a Nakama, real or embedded, and resolves when it answers. Throws with the last log lines when it does not.
 * Shape of the command line: Nakama's `migrate up`, then the server itself.
 */
export async function startNakama(options: NakamaOptions): Promise<Nakama> {
  const name = options.name ?? 'n1';
  if (name.length < 1 || name.length > 16) throw new Error(`node name "${name}": Nakama wants 1 to 16 characters`);
  const settings = {
    runtime: options.runtime,
    name,
    database: options.database,
    modulePath: options.modulePath ?? buildDir,
    env: options.env,
    httpKey: HTTP_KEY,
    serverKey: SERVER_KEY,
    // Without telemetry Nakama only wants it to exist.
    dataDir: path.join(cacheDir, 'nakama-data'),
    matchmakerIntervalSec: options.matchmakerIntervalSec ?? 1,
    shutdownGraceSec: options.shutdownGraceSec ?? 0,
    flags: options.flags ?? [],
  };
  const processEnv = { ...inheritedEnv(), NAKAMA_TELEMETRY: '0', ...options.processEnv };
  await migrate(options.runtime, options.database, processEnv);
  for (let attempt = 1; ; attempt++) {
    const started = await tryStart(settings, processEnv, options);
    if (started !== 'ports taken') return started;
    if (attempt === PORT_ATTEMPTS) throw new Error(`${PORT_ATTEMPTS} blocks of ports were taken while Nakama started`);
  }
}

async function tryStart(
  base: Omit<ServerSettings, 'ports'>,
  env: Record<string, string>,
  options: NakamaOptions,
): Promise<Nakama | 'ports taken'> {
  const ports = options.ports ?? (await freeNakamaPorts());
  const url = `http://127.0.0.1:${ports.http}`;
  const flags = serverFlags({ ...base, ports, env: fillIn(base.env, url) });
  const { child, log } = await run(base.runtime, flags, fillIn(env, url), options.onLog);
  const state = await until(
    () => stateOf(url, child, log),
    options.startDeadlineMs ?? 60_000,
    '/healthcheck',
    50,
  ).catch((error: Error) => error);
  if (state !== 'up') {
    await child.kill();
    if (/address already in use|EADDRINUSE/i.test(log.tail(50))) return 'ports taken';
    const what = `${describeRuntime(base.runtime)} with the module in ${base.modulePath}`;
    const why = state === 'ended' ? 'ended while it started' : `did not start: ${state.message}`;
    throw new Error(`${what} ${why}. Its last log lines say why:\n${log.tail()}`);
  }
  return {
    kind: base.runtime.kind,
    version: versionOf(base.runtime),
    name: base.name,
    pid: child.pid,
    port: ports.http,
    url,
    httpKey: base.httpKey,
    serverKey: base.serverKey,
    consoleUrl: `http://127.0.0.1:${ports.console}`,
    metricsUrl: `http://127.0.0.1:${ports.metrics}/metrics`,
    logs: log.entries,
    logText: () => log.lines.join('\n'),
    waitForLog: (match, ms) => log.waitFor(match, ms),
    rpc: (id, payload, caller) => callRpc(url, id, payload, caller ?? { httpKey: base.httpKey }),
    exited: child.exited,
    isRunning: child.isRunning,
    async stop() {
      await child.stop(base.shutdownGraceSec * 1000 + 10_000);
    },
    async kill() {
      await child.kill();
    },
  };
}

/** Up when it answers and says so itself: another server may sit on the port when ours failed to get it. */
async function stateOf(url: string, child: Child, log: LogBook): Promise<'up' | 'ended' | undefined> {
  if (!child.isRunning()) {
    await child.exited; // The last lines come after the end.
    return 'ended';
  }
  if (!log.entries.some((entry) => entry.msg.startsWith('Startup done'))) return undefined;
  const response = await fetch(`${url}/healthcheck`, { signal: AbortSignal.timeout(2_000) });
  return response.ok ? 'up' : undefined;
}

const migrated = new Map<string, Promise<void>>();

/** Once per database and runtime: nodes that start together must not migrate at the same time. */
function migrate(runtime: NakamaRuntime, database: string, env: Record<string, string>): Promise<void> {
  const key = `${describeRuntime(runtime)} ${database}`;
  const known = migrated.get(key);
  if (known) return known;
  const done = (async () => {
    const { child, log } = await run(runtime, ['migrate', 'up', '--database.address', database], env);
    const { code } = await child.exited;
    if (code !== 0) throw new Error(`${describeRuntime(runtime)}: migrate up failed; is Postgres up?\n${log.tail()}`);
  })();
  migrated.set(key, done);
  done.catch(() => migrated.delete(key));
  return done;
}

async function run(
  runtime: NakamaRuntime,
  flags: string[],
  env: Record<string, string>,
  onLog?: (entry: LogEntry) => void,
) {
  const { command, args } = await runtimeCommand(runtime);
  const log = new LogBook();
  const onLine = (line: string): void => {
    const entry = log.add(line);
    if (entry) onLog?.(entry);
  };
  const child = await startChild({ command, args: [...args, ...flags], cwd: projectRoot, env, onLine });
  void child.exited.then(({ code, signal }) => log.close(`the server ended (${signal ?? `exit code ${code}`})`));
  return { child, log };
}

/** Only what programs need: a GAMEYE_ variable of the developer's shell must not decide what a test sees. */
function inheritedEnv(): Record<string, string> {
  const names = ['PATH', 'HOME', 'TMPDIR', 'LANG', 'SystemRoot', 'TEMP'];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}

function fillIn(env: Record<string, string>, url: string): Record<string, string> {
  return Object.fromEntries(Object.entries(env).map(([key, value]) => [key, value.replaceAll('{nakama}', url)]));
}
