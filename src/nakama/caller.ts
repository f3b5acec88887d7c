import type { Context, Logger, Nakama } from './runtime';
import type { Config } from '../config';
import { configFor } from '../mode-config';
import type { AllocationRequest } from '../records';

/** What every verb needs of one call: who is asked, the server's APIs and this VM's configuration. */
export interface Call {
  ctx: Context;
  logger: Logger;
  nk: Nakama;
  config: Config;
}

/** The call with the configuration of a request: that of its mode, and what it says itself. */
export function inMode(call: Call, request: Pick<AllocationRequest, 'mode' | 'settings'>): Call {
  return { ...call, config: configFor(call.config, request) };
}
