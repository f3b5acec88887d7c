import { loopAllocator, type AllocatorState } from './worker/allocator';
import { getConfig } from './config';
import { loopReconciler, type ReconcilerState } from './supervision/reconciler';
import { loopSupervisor, type SupervisorState } from './worker/supervisor';
import type { Context, Logger, Nakama } from './nakama/runtime';
import { gameServer, player as playerDoor, serverToServer } from './rpc/callers';
import * as fleet from './rpc/fleet';
import * as operator from './rpc/operators';
import * as player from './rpc/players';
import * as server from './rpc/servers';
import * as unity from './rpc/unity';

export { initialize } from './initialize';
export { matchmakerMatched } from './matchmaker/hook';
export { beforeMatchmakerAdd } from './matchmaker/tickets';
export { configure } from './extension/extension';
export { fleetManager } from './rpc/verbs';

export type WorkerState = AllocatorState | SupervisorState | ReconcilerState;

type Door = (ctx: Context, logger: Logger, nk: Nakama, payload: string) => string;

const operators =
  (rpc: Parameters<typeof serverToServer>[4]): Door =>
  (ctx, logger, nk, payload) =>
    serverToServer(ctx, logger, nk, payload, rpc);

const gameServers =
  (rpc: Parameters<typeof gameServer>[4]): Door =>
  (ctx, logger, nk, payload) =>
    gameServer(ctx, logger, nk, payload, rpc);

const players =
  (rpc: Parameters<typeof playerDoor>[4]): Door =>
  (ctx, logger, nk, payload) =>
    playerDoor(ctx, logger, nk, payload, rpc);

export const fleetCreate = operators(fleet.fleetCreate);
export const fleetGet = operators(fleet.fleetGet);
export const fleetList = operators(fleet.fleetList);
export const fleetJoin = operators(fleet.fleetJoin);
export const fleetLeave = operators(fleet.fleetLeave);
export const fleetUpdate = operators(fleet.fleetUpdate);
export const fleetDelete = operators(fleet.fleetDelete);
export const updateInstanceInfo = gameServers(server.updateInstanceInfo);
export const deleteInstanceInfo = gameServers(server.deleteInstanceInfo);
export const serverJoin = gameServers(server.serverJoin);
export const serverLeave = gameServers(server.serverLeave);
export const serverReady = gameServers(server.serverReady);
export const serverBackfill = gameServers(server.serverBackfill);
export const fleetStatus = operators(operator.status);
export const fleetHealth = operators(operator.health);
export const fleetDrain = operators(operator.drainInstances);
export const fleetTerminate = operators(operator.terminateSessions);
export const fleetSetVersion = operators(operator.setVersion);
export const unityAllocate = operators(unity.unityAllocate);
export const unityPoll = operators(unity.unityPoll);
export const assignment = players(player.assignment);
export const cancel = players(player.cancel);
export const leave = players(player.leave);
export const soloMatch = players(player.soloMatch);
export const friendMatch = players(player.friendMatch);
export const pingTargets = players(player.pingTargets);

/**
 * The allocator's matchLoop; null ends the match. One that works on an allocation goes on while the server shuts down, as
 * long as that lets it; the others would only hold it up.
 */
export function allocatorLoop(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  state: WorkerState,
): { state: WorkerState } | null {
  const configured = getConfig(ctx, nk);
  if ('problems' in configured) return null;
  if ('ending' in state && !('allocation' in state)) return null;
  const call = { ctx, logger, nk, config: configured.config };
  const next =
    'supervisor' in state
      ? loopSupervisor(call, state)
      : 'reconciler' in state
        ? loopReconciler(call, state)
        : loopAllocator(call, state);
  return next ? { state: next } : null;
}
