import type { Context, Logger, Nakama } from './runtime';
import type { Config } from '../config';

/** What every verb needs of one call: who is asked, the server's APIs and this VM's configuration. */
export interface Call {
  ctx: Context;
  logger: Logger;
  nk: Nakama;
  config: Config;
}
