import { isIP } from 'node:net';

/** The scopes that the official document names; joining and leaving need a token but no scope. */
export const SCOPES = [
  'session:start',
  'session:read',
  'session:stop',
  'artifact:read',
  'regions:read',
  'logs:read',
] as const;

export interface RegionOptions {
  /** Sessions at the same time, warm ones included; default 1000. Full: 420. */
  capacity?: number;
  /** What /available-location answers; default ['127.0.0.1'], so that pings work. */
  ips?: string[];
  /** True: nothing starts there (420), what runs there is `server_unreachable`, and the region is not offered. */
  outage?: boolean;
}

export interface ImageOptions {
  /**
   * argv of the real process; '{7777/udp}' is replaced by the host port of that container port, and the request's
   * `args` are appended. `[]` is a session without a process: nothing listens, ports may repeat. For measurements only.
   */
  command: string[];
  /** Exposed container ports, e.g. ['7777/udp', '8080/tcp']. */
  ports: string[];
  /** Versions that exist, default ['latest']; the first one is used when a request names none. */
  tags?: string[];
  /** Regions that can run it; default all. */
  regions?: string[];
  /** Region -> how many sessions wait there, already started. */
  warmPool?: Record<string, number>;
}

export interface SimulatorOptions {
  /** Address the API listens on, default 127.0.0.1. */
  host?: string;
  /** 0, the default, takes a free one. */
  port?: number;
  /** API token -> scopes; default { 'sim-token': all scopes }. All tokens belong to the same customer. */
  tokens?: Record<string, string[]>;
  regions?: Record<string, RegionOptions>;
  images?: Record<string, ImageOptions>;
  /** Sessions at the same time over all regions, default unlimited. Exceeded: 402. */
  quota?: number;
  /** How long POST /session takes until 201, default 500. */
  startMs?: number;
  /** Range for host ports, default [20000, 30000]. */
  hostPorts?: [number, number];
  /** Address of the game servers as the API reports it, default 127.0.0.1. */
  gameHost?: string;
  /** Factor on every ttl, default 1; 0.001 makes a minute last 60 ms. */
  ttlScale?: number;
  /** Between SIGTERM and SIGKILL, default 3000. */
  killGraceMs?: number;
  /** False: until its start is over, a session is unknown to list, describe and stop (404). Default true. */
  visibleWhileStarting?: boolean;
}

/** What may change while the simulator runs; see `applyChange`. */
export interface SettingsChange {
  regions?: Record<string, RegionOptions>;
  /** null: unlimited again. */
  quota?: number | null;
  startMs?: number;
  ttlScale?: number;
  killGraceMs?: number;
  visibleWhileStarting?: boolean;
  /** Image -> region -> size. */
  warmPools?: Record<string, Record<string, number>>;
  /** Token -> scopes; an empty list keeps the token known but allows nothing. Tokens that are not named stay. */
  tokens?: Record<string, string[]>;
}

export interface Settings {
  host: string;
  port: number;
  gameHost: string;
  tokens: Map<string, { name: string; scopes: string[] }>;
  regions: Map<string, Required<RegionOptions>>;
  images: Map<string, Required<ImageOptions>>;
  quota: number;
  startMs: number;
  ttlScale: number;
  killGraceMs: number;
  hostPorts: [number, number];
  visibleWhileStarting: boolean;
}

/** The problems of a configuration, all at once. */
export class SettingsError extends Error {
  constructor(readonly problems: string[]) {
    super(`The simulator's settings have ${problems.length} problem(s):\n- ${problems.join('\n- ')}`);
  }
}

/** Options with every default filled in. Throws SettingsError. */
export function resolveSettings(options: SimulatorOptions): Settings {
  const settings: Settings = {
    host: options.host ?? '127.0.0.1',
    port: options.port ?? 0,
    gameHost: options.gameHost ?? '127.0.0.1',
    tokens: new Map(),
    regions: new Map(),
    images: new Map(),
    quota: Infinity,
    startMs: 500,
    ttlScale: 1,
    killGraceMs: 3000,
    hostPorts: options.hostPorts ?? [20000, 30000],
    visibleWhileStarting: true,
  };
  const problems: string[] = [];
  for (const [name, image] of Object.entries(options.images ?? {})) {
    settings.images.set(name, { tags: ['latest'], regions: [], ...image, warmPool: {} });
    checkImage(name, image, problems);
  }
  const [first, last] = settings.hostPorts;
  if (!(isCount(first) && isCount(last) && first >= 1 && last <= 65535 && first <= last)) {
    problems.push('hostPorts must be [first, last] with 1 <= first <= last <= 65535');
  }
  if (isIP(settings.host) !== 4) problems.push('host must be an IPv4 address');
  const regions = options.regions ?? { 'eu-central-1': {}, 'eu-west-1': {}, 'us-east-1': {} };
  for (const name of Object.keys(regions))
    settings.regions.set(name, { capacity: 1000, ips: ['127.0.0.1'], outage: false });
  const change: SettingsChange = { regions, tokens: options.tokens ?? { 'sim-token': [...SCOPES] } };
  for (const key of ['quota', 'startMs', 'ttlScale', 'killGraceMs'] as const) {
    if (options[key] !== undefined) change[key] = options[key];
  }
  if (options.visibleWhileStarting !== undefined) change.visibleWhileStarting = options.visibleWhileStarting;
  change.warmPools = {};
  for (const [name, image] of Object.entries(options.images ?? {})) change.warmPools[name] = image.warmPool ?? {};
  problems.push(...problemsOf(settings, change));
  for (const [name, image] of settings.images) {
    for (const region of image.regions) {
      if (!settings.regions.has(region)) problems.push(`images.${name}.regions names the unknown region "${region}"`);
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  applyChange(settings, change);
  return settings;
}

/** Changes running settings, or throws SettingsError and changes nothing. */
export function applyChange(settings: Settings, change: SettingsChange): void {
  const problems = problemsOf(settings, change);
  if (problems.length > 0) throw new SettingsError(problems);
  for (const [name, region] of Object.entries(change.regions ?? {})) Object.assign(settings.regions.get(name)!, region);
  for (const [name, pool] of Object.entries(change.warmPools ?? {})) {
    Object.assign(settings.images.get(name)!.warmPool, pool);
  }
  for (const [token, scopes] of Object.entries(change.tokens ?? {})) {
    // Named by number: ledger and logs say who asked without ever holding a token.
    const name = settings.tokens.get(token)?.name ?? `token-${settings.tokens.size + 1}`;
    settings.tokens.set(token, { name, scopes });
  }
  if (change.quota !== undefined) settings.quota = change.quota ?? Infinity;
  if (change.startMs !== undefined) settings.startMs = change.startMs;
  if (change.ttlScale !== undefined) settings.ttlScale = change.ttlScale;
  if (change.killGraceMs !== undefined) settings.killGraceMs = change.killGraceMs;
  if (change.visibleWhileStarting !== undefined) settings.visibleWhileStarting = change.visibleWhileStarting;
}

/** Can this image run in this region? */
export function canRun(image: Required<ImageOptions>, region: string): boolean {
  return image.regions.length === 0 || image.regions.includes(region);
}

function problemsOf(settings: Settings, change: SettingsChange): string[] {
  const problems: string[] = [];
  const known = 'regions quota startMs ttlScale killGraceMs visibleWhileStarting warmPools tokens'.split(' ');
  for (const key of Object.keys(change)) {
    if (!known.includes(key)) problems.push(`"${key}" cannot be changed; known: ${known.join(', ')}`);
  }
  for (const [name, region] of Object.entries(change.regions ?? {})) {
    if (!settings.regions.has(name)) problems.push(`unknown region "${name}": regions are fixed at start`);
    for (const key of Object.keys(region)) {
      if (!['capacity', 'ips', 'outage'].includes(key)) problems.push(`regions.${name}.${key} is not a setting`);
    }
    if (region.capacity !== undefined && !isCount(region.capacity))
      problems.push(`regions.${name}.capacity must be >= 0`);
    if (region.ips !== undefined && !(Array.isArray(region.ips) && region.ips.every((ip) => isIP(ip) === 4))) {
      problems.push(`regions.${name}.ips must be IPv4 addresses`);
    }
    if (region.outage !== undefined && typeof region.outage !== 'boolean')
      problems.push(`regions.${name}.outage must be true or false`);
  }
  if (change.quota !== undefined && change.quota !== null && !isCount(change.quota))
    problems.push('quota must be a whole number >= 0, or null');
  for (const key of ['startMs', 'ttlScale', 'killGraceMs'] as const) {
    const value = change[key];
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) problems.push(`${key} must be a number >= 0`);
  }
  if (change.visibleWhileStarting !== undefined && typeof change.visibleWhileStarting !== 'boolean') {
    problems.push('visibleWhileStarting must be true or false');
  }
  for (const [name, pool] of Object.entries(change.warmPools ?? {})) {
    if (!settings.images.has(name)) problems.push(`warmPools: unknown image "${name}"`);
    for (const [region, size] of Object.entries(pool)) {
      if (!settings.regions.has(region)) problems.push(`warm pool of ${name}: unknown region "${region}"`);
      if (!isCount(size)) problems.push(`warm pool of ${name} in ${region}: the size must be a whole number >= 0`);
    }
  }
  for (const scopes of Object.values(change.tokens ?? {})) {
    const unknown = Array.isArray(scopes)
      ? scopes.filter((scope) => !SCOPES.some((s) => s === scope))
      : [String(scopes)];
    if (unknown.length > 0) problems.push(`unknown scope ${unknown.join(', ')}; known: ${SCOPES.join(', ')}`);
  }
  return problems;
}

function checkImage(name: string, image: ImageOptions, problems: string[]): void {
  const strings = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (!strings(image.command)) problems.push(`images.${name}.command must be a list of strings (argv)`);
  if (!strings(image.ports) || !image.ports.every((port) => /^[1-9]\d{0,4}\/(udp|tcp)$/.test(port))) {
    problems.push(`images.${name}.ports must be like ["7777/udp"]`);
    return;
  }
  if (image.tags !== undefined && (!strings(image.tags) || image.tags.length === 0)) {
    problems.push(`images.${name}.tags must be a non-empty list of strings`);
  }
  for (const [, port] of image.command.join(' ').matchAll(/\{(\d+\/(?:udp|tcp))\}/g)) {
    if (!image.ports.includes(port!))
      problems.push(`images.${name}.command uses {${port}}, which ports does not expose`);
  }
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
