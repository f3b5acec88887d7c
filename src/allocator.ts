import { getConfig } from './config';
import type { Context, Logger, Nakama } from './nakama/runtime';
import { loopAllocator, type AllocatorState } from './worker/allocator';

/*
 * What a worker needs that brings one allocation to its end. Each is a match with a VM of its own, which loads what it uses:
 * the build makes a function of this file as it does of library.ts, without all the rest.
 */

export { configure } from './extension/extension';

/** The matchLoop of such a worker; null ends the match. It goes on while the server shuts down, as long as that lets it. */
export function allocatorLoop(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  state: AllocatorState,
  tick: number,
): { state: AllocatorState } | null {
  const configured = getConfig(ctx, nk);
  if ('problems' in configured) return null;
  const next = loopAllocator({ ctx, logger, nk, config: configured.config }, state, tick);
  return next ? { state: next } : null;
}
