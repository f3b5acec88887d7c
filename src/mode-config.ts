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

/** The request with the metadata and the environment of its mode, where it has none of its own. */
export function withModeMetadata(config: Config, request: AllocationRequest): AllocationRequest {
  if (!config.metadata && !config.env) return request;
  const env = { ...config.env, ...(request.metadata[ENV_KEY] as object | undefined) };
  const metadata = { ...config.metadata, ...request.metadata };
  return { ...request, metadata: config.env ? { ...metadata, [ENV_KEY]: env } : metadata };
}
