import { getConfig } from './config';
import type { Context, Logger, Nakama } from './nakama/runtime';
import { loopFollowUp, type FollowUpState } from './supervision/follow-up';
import { isHandedOn } from './supervision/heartbeat';
import { loopReconciler, type ReconcilerState } from './supervision/reconciler';
import { loopSupervisor, type SupervisorState } from './worker/supervisor';

/* All that this module does, beside the work on one allocation (allocator.ts). The build makes a function of this file. */

export { initialize } from './initialize';
export { matchmakerMatched } from './matchmaker/hook';
export { beforeMatchmakerAdd } from './matchmaker/tickets';
export { configure } from './extension/extension';
export { answerRpc } from './rpc/callers';
export { fleetManager } from './rpc/verbs';
export { serverOf } from './rpc/callers';

export type KeeperState = SupervisorState | ReconcilerState | FollowUpState;

/** The matchLoop of all workers but allocators; null ends the match. They would only hold up a shutdown. */
export function keeperLoop(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  state: KeeperState & { ending?: boolean },
  tick: number,
): { state: KeeperState } | null {
  const configured = getConfig(ctx, nk);
  if ('problems' in configured || state.ending) return null;
  const call = { ctx, logger, nk, config: configured.config };
  if ('follow_up' in state) {
    const left = loopFollowUp(call, state);
    return left ? { state: left } : null;
  }
  const next = 'supervisor' in state ? loopSupervisor(call, state) : loopReconciler(call, state);
  return next && !isHandedOn(call, next, tick) ? { state: next } : null;
}
