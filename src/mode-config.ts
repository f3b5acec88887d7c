import type { Config } from './config';
import { ENV_KEY } from './metadata';
import type { AllocationRequest } from './records';
import type { Settings } from './settings';

/*
 * A mode of the game is a configuration that differs from that of the variables in what GAMEYE_MODES says of it. Matches, RPCs
 * and workers use it in place of the other; the mode without a name is the variables alone.
 */

/** The configuration of a mode; the variables' own when it has no such mode, as after a restart with other modes. */
export function modeConfig(config: Config, mode: string): Config {
  if (mode === config.mode) return config;
  // Warm sessions cost money: a mode has those that it asks for, not those of the variables.
  const { warm: _warm, ...rest } = config;
  return withSettings({ ...rest, mode }, config.modes[mode]);
}

/** The configuration for one request: that of its mode, and what it says itself. The same when it is applied again. */
export function configFor(config: Config, request: Pick<AllocationRequest, 'mode' | 'settings'>): Config {
  return withSettings(modeConfig(config, request.mode ?? ''), request.settings);
}

/** The version belongs to the image: another image has none unless it says one. */
function withSettings(config: Config, settings: Settings | undefined): Config {
  if (!settings) return config;
  const { version: _version, ...rest } = config;
  const isOther = settings.image !== undefined && settings.image !== config.image;
  return { ...(isOther ? rest : config), ...settings };
}

/** A duration that modes may set: that of each mode that does, and that of all others; null: there is none. */
export interface ByMode {
  ofMode: { [mode: string]: number };
  others: number | null;
}

/** Such a duration, in milliseconds. */
export function byMode(config: Config, setting: 'serverTimeoutMs' | 'reconnectMs'): ByMode {
  const own = Object.entries(config.modes).map(([mode, settings]) => [mode, settings[setting]] as const);
  return {
    ofMode: Object.fromEntries(own.filter((one): one is [string, number] => one[1] !== undefined)),
    others: config[setting] ?? null,
  };
}

/** Whether sessions of any mode have places for spectators. */
export function mayWatch(config: Config): boolean {
  return (
    config.maxSpectators !== undefined || Object.values(config.modes).some((mode) => mode.maxSpectators !== undefined)
  );
}

/** The shortest time for which a game server may be silent, whatever its mode; undefined: all may be for ever. */
export function shortestSilence(config: Config): number | undefined {
  const { ofMode, others } = byMode(config, 'serverTimeoutMs');
  const all = Object.values(ofMode).concat(others ?? []);
  return all.length > 0 ? Math.min(...all) : undefined;
}

/** The request with the metadata and the environment of its mode, where it has none of its own. */
export function withModeMetadata(config: Config, request: AllocationRequest): AllocationRequest {
  if (!config.metadata && !config.env) return request;
  const env = { ...config.env, ...(request.metadata[ENV_KEY] as object | undefined) };
  const metadata = { ...config.metadata, ...request.metadata };
  return { ...request, metadata: config.env ? { ...metadata, [ENV_KEY]: env } : metadata };
}
