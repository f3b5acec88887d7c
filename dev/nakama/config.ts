/** The settings this runtime honours, by the names of Nakama's flags. */
export interface Config {
  name: string;
  embeddedVersion: string;
  databaseAddress: string;
  maxOpenConns: number;
  runtimePath: string;
  jsEntrypoint: string;
  env: Record<string, string>;
  httpKey: string;
  jsMinCount: number;
  jsMaxCount: number;
  /** VMs kept ready beyond the pool's, so that matches start quickly. */
  reserve: number;
  serverKey: string;
  port: number;
  address: string;
  maxRequestSizeBytes: number;
  /** An RPC over HTTP that takes longer loses its answer. */
  writeTimeoutMs: number;
  matchmakerIntervalSec: number;
  matchmakerMaxIntervals: number;
  matchmakerMaxTickets: number;
  matchMaxEmptySec: number;
  matchLabelUpdateIntervalMs: number;
  shutdownGraceSec: number;
  tokenExpirySec: number;
  refreshTokenExpirySec: number;
  encryptionKey: string;
  refreshEncryptionKey: string;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  prometheusPort: number;
}

type Kind = 'text' | 'number' | 'level' | 'env' | 'unused';

/** Every flag that is understood. "unused" ones are accepted because callers pass them to the real server. */
const FLAGS: Record<string, [kind: Kind, key?: keyof Config]> = {
  name: ['text', 'name'],
  config: ['unused'],
  'embedded.version': ['text', 'embeddedVersion'],
  'embedded.reserve': ['number', 'reserve'],
  'database.address': ['text', 'databaseAddress'],
  'database.max_open_conns': ['number', 'maxOpenConns'],
  'runtime.path': ['text', 'runtimePath'],
  'runtime.js_entrypoint': ['text', 'jsEntrypoint'],
  'runtime.env': ['env', 'env'],
  'runtime.http_key': ['text', 'httpKey'],
  'runtime.js_min_count': ['number', 'jsMinCount'],
  'runtime.js_max_count': ['number', 'jsMaxCount'],
  'socket.server_key': ['text', 'serverKey'],
  'socket.port': ['number', 'port'],
  'socket.address': ['text', 'address'],
  'socket.max_request_size_bytes': ['number', 'maxRequestSizeBytes'],
  'socket.write_timeout_ms': ['number', 'writeTimeoutMs'],
  'matchmaker.interval_sec': ['number', 'matchmakerIntervalSec'],
  'matchmaker.max_intervals': ['number', 'matchmakerMaxIntervals'],
  'matchmaker.max_tickets': ['number', 'matchmakerMaxTickets'],
  'match.max_empty_sec': ['number', 'matchMaxEmptySec'],
  'match.label_update_interval_ms': ['number', 'matchLabelUpdateIntervalMs'],
  shutdown_grace_sec: ['number', 'shutdownGraceSec'],
  'session.token_expiry_sec': ['number', 'tokenExpirySec'],
  'session.refresh_token_expiry_sec': ['number', 'refreshTokenExpirySec'],
  'session.encryption_key': ['text', 'encryptionKey'],
  'session.refresh_encryption_key': ['text', 'refreshEncryptionKey'],
  'logger.level': ['level', 'logLevel'],
  'metrics.prometheus_port': ['number', 'prometheusPort'],
  'logger.format': ['unused'],
  'logger.stdout': ['unused'],
  'console.port': ['unused'],
  'console.address': ['unused'],
  'console.username': ['unused'],
  'console.password': ['unused'],
  data_dir: ['unused'],
};

export function defaultConfig(): Config {
  return {
    name: 'nakama',
    embeddedVersion: '3.40.0',
    databaseAddress: 'root@localhost:26257',
    maxOpenConns: 100,
    runtimePath: 'data/modules',
    jsEntrypoint: '',
    env: {},
    httpKey: 'defaulthttpkey',
    jsMinCount: 16,
    jsMaxCount: 32,
    reserve: 8,
    serverKey: 'defaultkey',
    port: 7350,
    address: '127.0.0.1',
    maxRequestSizeBytes: 262_144,
    writeTimeoutMs: 10_000,
    matchmakerIntervalSec: 15,
    matchmakerMaxIntervals: 2,
    matchmakerMaxTickets: 3,
    matchMaxEmptySec: 0,
    matchLabelUpdateIntervalMs: 1000,
    shutdownGraceSec: 0,
    tokenExpirySec: 60,
    refreshTokenExpirySec: 3600,
    encryptionKey: 'defaultencryptionkey',
    refreshEncryptionKey: 'defaultrefreshencryptionkey',
    logLevel: 'debug',
    prometheusPort: 0,
  };
}

/** Sets one setting from text or from a YAML value. @throws Error that names the flag when it is unknown or malformed. */
export function setFlag(config: Config, flag: string, value: unknown): void {
  const known = FLAGS[flag];
  if (known === undefined)
    throw new Error(`unknown flag --${flag}: the embedded runtime understands ${Object.keys(FLAGS).join(', ')}`);
  const [kind, key] = known;
  if (key === undefined) return;
  const target = config as unknown as Record<string, unknown>;
  if (kind === 'env') {
    for (const pair of Array.isArray(value) ? (value as unknown[]) : [value]) {
      const text = String(pair);
      const at = text.indexOf('=');
      if (at < 0) throw new Error(`--${flag} ${text}: expected NAME=value`);
      config.env[text.slice(0, at)] = text.slice(at + 1);
    }
  } else if (kind === 'number') {
    const number = Number(value);
    if (value === '' || !Number.isFinite(number)) throw new Error(`--${flag} ${String(value)}: expected a number`);
    target[key] = number;
  } else {
    const text = String(value).toLowerCase();
    if (kind === 'level' && !['debug', 'info', 'warn', 'error'].includes(text))
      throw new Error(`--${flag} ${text}: expected debug, info, warn or error`);
    target[key] = kind === 'level' ? text : String(value);
  }
}

/** Problems that would only show later; empty when there are none. */
export function configProblems(config: Config): string[] {
  const problems: string[] = [];
  if (!/^\d+\.\d+\.\d+/.test(config.embeddedVersion))
    problems.push(`--embedded.version ${config.embeddedVersion}: expected a Nakama version such as 3.40.0`);
  else if (compareVersions(config.embeddedVersion, '3.21.1') < 0)
    problems.push(`--embedded.version ${config.embeddedVersion}: nothing before 3.21.1 is reproduced`);
  if (config.name.length < 1 || config.name.length > 16) problems.push('--name: 1 to 16 characters');
  if (config.jsMinCount < 0 || config.jsMaxCount < Math.max(1, config.jsMinCount))
    problems.push('--runtime.js_max_count: at least 1, and not below --runtime.js_min_count');
  if (config.matchmakerIntervalSec < 1) problems.push('--matchmaker.interval_sec: at least 1');
  return problems;
}

function compareVersions(a: string, b: string): number {
  const left = a.split('.').map(Number);
  const right = b.split('.').map(Number);
  return left.map((part, i) => part - right[i]!).find((difference) => difference !== 0) ?? 0;
}
