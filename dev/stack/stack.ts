import { startSimulator, type Simulator, type SimulatorOptions } from '../gameye/simulator.ts';
import { buildGameServer } from '../demo/build-game-server.ts';
import { createDatabase } from './database.ts';
import { startNakama, type Nakama, type NakamaOptions } from './nakama.ts';
import { startPostgres } from './postgres.ts';
import type { NakamaRuntime } from './runtimes.ts';

export interface StackOptions {
  runtime: NakamaRuntime;
  /** The module's folder or file; default the project's build folder. */
  modulePath?: string;
  /** GAMEYE_ variables beside the five, or instead of one of them. `{nakama}` in a value becomes the node's address. */
  env?: Record<string, string>;
  /** How the module gets its variables: `runtime.env`, or the environment of the Nakama process. */
  envBy?: 'runtime' | 'process';
  simulator?: SimulatorOptions;
  /** A Postgres that runs already (`user:password@host:port/dbname`): a new database is made there. Default: our own. */
  postgres?: string;
  /** Arguments for the demo game server, as `['--no-show', '5']`. */
  gameServerArgs?: string[];
  matchmakerIntervalSec?: number;
  shutdownGraceSec?: number;
  flags?: string[];
  /** More for the first node only. */
  firstNode?: NodeOptions;
}

export type NodeOptions = Partial<Omit<NakamaOptions, 'runtime' | 'database'>>;

export interface Stack {
  runtime: NakamaRuntime;
  simulator: Simulator;
  /** The first node. */
  nakama: Nakama;
  /** All nodes ever started, stopped ones included. */
  nodes: Nakama[];
  /** Address of this stack's database. */
  database: string;
  /** Starts one more Nakama on the same database; the default name is the next free of n1, n2, … */
  startNode(options?: NodeOptions): Promise<Nakama>;
  stop(): Promise<void>;
}

export const API_TOKEN = 'sim-token';
export const IMAGE = 'demo-game';
export const REGIONS = ['eu-central-1', 'eu-west-1'];

/** The five variables that a module needs, for this simulator and its demo image. */
export function fiveVariables(simulator: Pick<Simulator, 'url'>): Record<string, string> {
  return {
    GAMEYE_API_URL: simulator.url,
    GAMEYE_API_TOKEN: API_TOKEN,
    GAMEYE_API_IMAGE: IMAGE,
    GAMEYE_API_IMAGE_VERSION: 'latest',
    GAMEYE_API_REGION: REGIONS.join(','),
  };
}

/** Starts what the module needs to live: Postgres, the Gameye simulator with real game servers, and Nakama with the module. */
export async function startStack(options: StackOptions): Promise<Stack> {
  const started: (() => Promise<void>)[] = [];
  const stop = async (): Promise<void> => {
    // Last started, first stopped; one that fails to stop must not keep the others alive.
    const results: PromiseSettledResult<void>[] = [];
    for (const end of started.splice(0).reverse()) results.push(...(await Promise.allSettled([end()])));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
  };
  try {
    return await start(options, started, stop);
  } catch (error) {
    await stop().catch(() => {}); // The first error is the one to show.
    throw error;
  }
}

async function start(
  options: StackOptions,
  started: (() => Promise<void>)[],
  stop: () => Promise<void>,
): Promise<Stack> {
  const [database, simulator] = await Promise.all([
    startDatabase(options.postgres, started),
    startSimulatorWithGame(options, started),
  ]);
  const nodes: Nakama[] = [];
  const startNode: Stack['startNode'] = async (more = {}) => {
    const variables = { ...fiveVariables(simulator), ...options.env, ...more.env };
    const byProcess = options.envBy === 'process';
    const node = await startNakama({
      ...definedOf(options, ['modulePath', 'matchmakerIntervalSec', 'shutdownGraceSec', 'flags']),
      name: `n${nodes.length + 1}`,
      ...more,
      runtime: options.runtime,
      database,
      env: byProcess ? {} : variables,
      processEnv: { ...(byProcess ? variables : {}), ...more.processEnv },
    });
    nodes.push(node);
    started.push(() => node.stop());
    return node;
  };
  const nakama = await startNode(options.firstNode);
  return { runtime: options.runtime, simulator, nakama, nodes, database, startNode, stop };
}

async function startDatabase(existing: string | undefined, started: (() => Promise<void>)[]): Promise<string> {
  if (existing !== undefined) return createDatabase(existing);
  const postgres = await startPostgres();
  started.push(() => postgres.stop());
  return postgres.address;
}

async function startSimulatorWithGame(options: StackOptions, started: (() => Promise<void>)[]): Promise<Simulator> {
  const command = [
    process.execPath,
    await buildGameServer(),
    '--port',
    '{7777/udp}',
    ...(options.gameServerArgs ?? []),
  ];
  const images = { [IMAGE]: { command, ports: ['7777/udp'] }, ...options.simulator?.images };
  const simulator = await startSimulator({ ...options.simulator, images });
  started.push(() => simulator.stop());
  return simulator;
}

function definedOf<T extends object, K extends keyof T>(from: T, keys: K[]): { [P in K]?: Exclude<T[P], undefined> } {
  return Object.fromEntries(keys.flatMap((key) => (from[key] === undefined ? [] : [[key, from[key]]]))) as never;
}
