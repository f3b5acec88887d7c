import { problemsOfChange, problemsOfImage, problemsOfOptions } from './settings-problems.ts';

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
  const problems = problemsOfOptions(options, settings);
  for (const [name, image] of Object.entries(options.images ?? {})) {
    settings.images.set(name, { tags: ['latest'], regions: [], ...image, warmPool: {} });
    problems.push(...problemsOfImage(name, image));
  }
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
  problems.push(...problemsOfChange(settings, change));
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
  const problems = problemsOfChange(settings, change);
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
