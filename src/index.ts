/*
 * What Nakama loads. It finds registered functions by parsing this file (runtime_javascript_init.go): InitModule is a
 * declaration with flat statements, names are string literals, functions are declarations. Every VM pays for each global,
 * so all logic is in src/library.ts, which the build turns into the function `library()`; its first call in a VM loads it.
 */
import type { Context, Initializer, Logger, MatchmakerResult, MatchState, Nakama, Presence } from './nakama/runtime';
import type { AllocatorState } from './allocation/allocator';
import type * as Library from './library';

declare function library(): typeof Library;

function initializeGameye(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  library().initialize(ctx, logger, nk, initializer);
}
function gameyeMatchmakerMatched(ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]): void {
  library().matchmakerMatched(ctx, logger, nk, entries);
}
function rpcFleetCreate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetCreate(ctx, logger, nk, payload);
}
function rpcFleetGet(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetGet(ctx, logger, nk, payload);
}
function rpcFleetList(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetList(ctx, logger, nk, payload);
}
function rpcFleetJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetJoin(ctx, logger, nk, payload);
}
function rpcFleetLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetLeave(ctx, logger, nk, payload);
}
function rpcFleetUpdate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetUpdate(ctx, logger, nk, payload);
}
function rpcFleetDelete(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetDelete(ctx, logger, nk, payload);
}
function rpcUpdateInstanceInfo(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().updateInstanceInfo(ctx, logger, nk, payload);
}
function rpcDeleteInstanceInfo(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().deleteInstanceInfo(ctx, logger, nk, payload);
}
function rpcServerJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().serverJoin(ctx, logger, nk, payload);
}
function rpcServerLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().serverLeave(ctx, logger, nk, payload);
}

// The matchmaker hook waits for this one, so it does without the library.
function allocatorInit(_ctx: Context, _logger: Logger, _nk: Nakama, params: { [key: string]: string }) {
  return {
    state: { allocation: params['allocation'], version: params['version'], wake_at_ms: 0 },
    tickRate: 60,
    label: '',
  };
}
function allocatorLoop(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  _dispatcher: unknown,
  _tick: number,
  state: MatchState,
) {
  return library().allocatorLoop(ctx, logger, nk, state as AllocatorState);
}
function allocatorJoinAttempt(_c: Context, _l: Logger, _n: Nakama, _d: unknown, _tick: number, state: MatchState) {
  return { state, accept: false, rejectMessage: 'Nobody can join an allocator.' };
}
function allocatorJoin(
  _c: Context,
  _l: Logger,
  _n: Nakama,
  _d: unknown,
  _tick: number,
  state: MatchState,
  _p: Presence[],
) {
  return { state };
}
function allocatorLeave(
  _c: Context,
  _l: Logger,
  _n: Nakama,
  _d: unknown,
  _tick: number,
  state: MatchState,
  _p: Presence[],
) {
  return { state };
}
function allocatorTerminate(_c: Context, _l: Logger, _n: Nakama, _d: unknown, _tick: number, state: MatchState) {
  return { state };
}
function allocatorSignal(_c: Context, _l: Logger, _n: Nakama, _d: unknown, _tick: number, state: MatchState) {
  return { state };
}

function InitModule(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  initializer.registerRpc('fleet_create', rpcFleetCreate);
  initializer.registerRpc('fleet_get', rpcFleetGet);
  initializer.registerRpc('fleet_list', rpcFleetList);
  initializer.registerRpc('fleet_join', rpcFleetJoin);
  initializer.registerRpc('fleet_leave', rpcFleetLeave);
  initializer.registerRpc('fleet_update', rpcFleetUpdate);
  initializer.registerRpc('fleet_delete', rpcFleetDelete);
  initializer.registerRpc('update_instance_info', rpcUpdateInstanceInfo);
  initializer.registerRpc('delete_instance_info', rpcDeleteInstanceInfo);
  initializer.registerRpc('gameye_server_join', rpcServerJoin);
  initializer.registerRpc('gameye_server_leave', rpcServerLeave);
  initializer.registerMatchmakerMatched(gameyeMatchmakerMatched);
  initializer.registerMatch('gameye_allocator', {
    matchInit: allocatorInit,
    matchJoinAttempt: allocatorJoinAttempt,
    matchJoin: allocatorJoin,
    matchLeave: allocatorLeave,
    matchLoop: allocatorLoop,
    matchTerminate: allocatorTerminate,
    matchSignal: allocatorSignal,
  });
  initializeGameye(ctx, logger, nk, initializer);
}

// Never called: it keeps the bundler from dropping InitModule, which nothing here calls.
!InitModule && InitModule.bind(null);
