// One node: puts the parts together, starts them in Nakama's order, and shuts them down with or without grace.

import { Api } from './api.ts';
import { createCalls } from './calls.ts';
import type { Config } from './config.ts';
import { openDatabase } from './database.ts';
import { Friends } from './friends.ts';
import { Leaderboards } from './leaderboards.ts';
import { LocalCache } from './local-cache.ts';
import type { Log } from './log.ts';
import { Matches } from './matches.ts';
import { Matchmaker } from './matchmaker.ts';
import { Metrics } from './metrics.ts';
import { loadModule } from './module-file.ts';
import { Notifications } from './notifications.ts';
import { Parties } from './parties.ts';
import { Connections } from './presences.ts';
import { Realtime } from './realtime.ts';
import { RpcApi } from './rpc-api.ts';
import { Runtime } from './runtime.ts';
import { Sockets } from './sockets.ts';
import { Tokens } from './tokens.ts';
import { Users } from './users.ts';
import type { VmOwner } from './vm-thread.ts';

/** A running node. */
export interface NakamaServer {
  /** Resolves when everything is closed. Called a second time it cuts the grace short. */
  shutdown(): Promise<void>;
}

/**
 * Starts a node; it is ready when this resolves.
 * @param die ends the process as a Go panic or a fatal error would, after the explanation was logged.
 */
export async function startServer(config: Config, log: Log, die: (message: string) => void): Promise<NakamaServer> {
  const module = loadModule(config.runtimePath, config.jsEntrypoint, config.embeddedVersion);
  const database = await openDatabase(config, (error) =>
    log.warn('database connection lost', { error: error.message }),
  );
  const connections = new Connections();
  const metrics = new Metrics(config.name);
  const users = new Users(database, (id) => connections.isOnline(id));
  const friends = new Friends(database, users);
  const leaderboards = new Leaderboards(database);
  const tokens = new Tokens(config);
  const notifications = new Notifications(database, log, (user, envelope) => connections.sendToUser(user, envelope));

  const owner: VmOwner = {
    call: (vm, fn, args) => {
      const handler = calls.get(fn);
      if (handler === undefined) throw new Error(`the bridge does not know ${fn}`);
      return (handler as (...all: unknown[]) => unknown)(vm, ...args);
    },
    log: (_vm, { fields, level, message }) => log.write(level, message, fields),
    fatal: die,
  };
  const runtime = new Runtime(config, log, module, owner);
  const matches = new Matches(config, log, metrics, connections, () => runtime.reserve);
  const matchmaker = new Matchmaker(config, log, connections, runtime);
  const parties = new Parties(config.name, connections, matchmaker);
  const calls = createCalls({
    cache: new LocalCache(),
    database,
    friends,
    leaderboards,
    matches,
    metrics,
    notifications,
    parties,
    runtime,
    tokens,
    users,
  });
  const realtime = new Realtime(log, runtime, matches, matchmaker, parties, config.encryptionKey);
  const sockets = new Sockets(config.name, tokens, connections, realtime, config.maxRequestSizeBytes);
  const api = new Api(
    config,
    log,
    users,
    friends,
    tokens,
    notifications,
    leaderboards,
    new RpcApi(config, runtime, tokens),
    sockets,
  );

  await runtime.start();
  await api.listen();
  if (config.prometheusPort > 0) await metrics.listen(config.prometheusPort, config.address);
  matchmaker.start();
  log.info('Starting API server gateway for HTTP requests', { port: config.port });

  let hurry: () => void = () => undefined;
  const impatient = new Promise<void>((resolve) => {
    hurry = resolve;
  });
  let closing: Promise<void> | null = null;
  const close = async (): Promise<void> => {
    await shutdownMatches(config, log, runtime, matches, impatient);
    matchmaker.stop();
    sockets.close();
    api.close();
    metrics.close();
    runtime.stop();
    await database.end();
    log.info('Shutdown complete');
  };
  return {
    shutdown() {
      if (closing !== null) hurry();
      closing ??= close();
      return closing;
    },
  };
}

/** Nakama's shutdown.go: with grace the hook and every matchTerminate run side by side until all is done or time is up. */
async function shutdownMatches(
  config: Config,
  log: Log,
  runtime: Runtime,
  matches: Matches,
  impatient: Promise<void>,
): Promise<void> {
  const grace = config.shutdownGraceSec;
  if (grace === 0) {
    log.info('Shutdown started');
    await matches.stop(0);
    log.info('All authoritative matches stopped');
    return;
  }
  log.info('Shutdown started - use CTRL^C to force stop server', { grace_period_sec: grace });
  const hook = runtime.has('shutdown')
    ? runtime.hook('shutdown', 'shutdown', []).then(
        () => undefined,
        (error: Error) => log.error('Error running Shutdown hook.', { error: error.message }),
      )
    : Promise.resolve();
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<'expired'>((resolve) => {
    timer = setTimeout(() => resolve('expired'), grace * 1000);
  });
  const skipped = impatient.then((): 'skipped' => 'skipped');
  const ended = await Promise.race([matches.stop(grace).then((): 'done' => 'done'), over, skipped]);
  if (ended === 'done') {
    log.info('All authoritative matches stopped');
    const last = await Promise.race([hook.then((): 'done' => 'done'), over, skipped]);
    if (last === 'expired') log.info('Shutdown function grace period expired');
  } else {
    log.info(ended === 'expired' ? 'Shutdown grace period expired' : 'Skipping graceful shutdown');
    await matches.stop(0);
  }
  clearTimeout(timer);
}
