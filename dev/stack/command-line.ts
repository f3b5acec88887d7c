import path from 'node:path';
import type { NakamaPorts } from './ports.ts';
import { DEFAULT_EMBEDDED_VERSION, type NakamaRuntime } from './runtimes.ts';

/** What the flags of a server are made from. */
export interface ServerSettings {
  runtime: NakamaRuntime;
  name: string;
  /** `user:password@host:port/dbname` */
  database: string;
  /** The folder with index.js, or another file to load as entry point. */
  modulePath: string;
  env: Record<string, string>;
  ports: NakamaPorts;
  httpKey: string;
  serverKey: string;
  dataDir: string;
  matchmakerIntervalSec: number;
  shutdownGraceSec: number;
  flags: string[];
}

/** How to sign in to the console of a real Nakama that we started. */
export const CONSOLE_LOGIN = { username: 'developer', password: 'stack-console' };

// Nakama warns about every default that must not be used in production.
const CONSOLE_FLAGS = {
  '--console.username': CONSOLE_LOGIN.username,
  '--console.password': CONSOLE_LOGIN.password,
  '--console.signing_key': 'stack-console-signing-key',
};

/**
 * The flags that start a server, the same for the real one and the embedded one except for what only one of them has.
 * `flags` come last, and the last value of a flag wins in both.
 */
export function serverFlags(settings: ServerSettings): string[] {
  const { runtime, ports } = settings;
  const module = moduleLocation(settings.modulePath);
  const values: Record<string, string | number> = {
    '--name': settings.name,
    '--database.address': settings.database,
    // Nakama opens up to 100, which is all that Postgres has: a second node or psql would be refused.
    '--database.max_open_conns': 40,
    '--runtime.path': module.folder,
    '--runtime.js_entrypoint': module.entrypoint,
    '--runtime.http_key': settings.httpKey,
    '--socket.server_key': settings.serverKey,
    '--socket.port': ports.http,
    '--console.port': ports.console,
    '--matchmaker.interval_sec': settings.matchmakerIntervalSec,
    '--shutdown_grace_sec': settings.shutdownGraceSec,
    // The client library warns about the defaults of a minute and an hour.
    '--session.token_expiry_sec': 7_200,
    '--session.refresh_token_expiry_sec': 14_400,
    '--session.encryption_key': 'stack-session-key',
    '--session.refresh_encryption_key': 'stack-refresh-key',
    '--socket.address': '127.0.0.1',
    '--console.address': '127.0.0.1',
    '--data_dir': settings.dataDir,
    '--metrics.prometheus_port': ports.metrics,
    '--logger.level': 'info',
    '--logger.format': 'json',
  };
  if (runtime.kind === 'real') Object.assign(values, CONSOLE_FLAGS);
  else values['--embedded.version'] = runtime.version ?? DEFAULT_EMBEDDED_VERSION;
  const flags = Object.entries(values).flatMap(([flag, value]) => [flag, String(value)]);
  for (const [key, value] of Object.entries(settings.env)) flags.push('--runtime.env', `${key}=${value}`);
  return [...flags, ...settings.flags];
}

function moduleLocation(modulePath: string): { folder: string; entrypoint: string } {
  if (!modulePath.endsWith('.js')) return { folder: path.resolve(modulePath), entrypoint: 'index.js' };
  return { folder: path.resolve(path.dirname(modulePath)), entrypoint: path.basename(modulePath) };
}
