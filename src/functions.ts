/*
 * The functions that InitModule registers, the drop-in's (index.ts) and that of a module that uses this as a library
 * (public.ts). Nakama wants each of them as a global, and every VM pays for each global: so they only call into the
 * library, which the build turns into the function `library()`; its first call in a VM loads it.
 */
import type { Context, Initializer, Logger, MatchmakerResult, MatchState, Nakama, Presence } from './nakama/runtime';
import type * as Library from './library';

declare function library(): typeof Library;

export function initializeGameye(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  library().initialize(ctx, logger, nk, initializer);
}
export function gameyeMatchmakerMatched(ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]): void {
  library().matchmakerMatched(ctx, logger, nk, entries);
}
export function gameyeBeforeMatchmakerAdd<T extends object>(ctx: Context, logger: Logger, nk: Nakama, envelope: T): T {
  return library().beforeMatchmakerAdd(ctx, logger, nk, envelope);
}
export function rpcFleetCreate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetCreate(ctx, logger, nk, payload);
}
export function rpcFleetGet(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetGet(ctx, logger, nk, payload);
}
export function rpcFleetList(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetList(ctx, logger, nk, payload);
}
export function rpcFleetJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetJoin(ctx, logger, nk, payload);
}
export function rpcFleetLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetLeave(ctx, logger, nk, payload);
}
export function rpcFleetUpdate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetUpdate(ctx, logger, nk, payload);
}
export function rpcFleetDelete(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetDelete(ctx, logger, nk, payload);
}
export function rpcUpdateInstanceInfo(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().updateInstanceInfo(ctx, logger, nk, payload);
}
export function rpcDeleteInstanceInfo(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().deleteInstanceInfo(ctx, logger, nk, payload);
}
export function rpcServerJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().serverJoin(ctx, logger, nk, payload);
}
export function rpcServerLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().serverLeave(ctx, logger, nk, payload);
}
export function rpcServerReady(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().serverReady(ctx, logger, nk, payload);
}
export function rpcServerBackfill(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().serverBackfill(ctx, logger, nk, payload);
}
export function rpcGameyeAssignment(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().assignment(ctx, logger, nk, payload);
}
export function rpcGameyeCancel(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().cancel(ctx, logger, nk, payload);
}
export function rpcGameyeLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().leave(ctx, logger, nk, payload);
}
export function rpcGameyeSoloMatch(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().soloMatch(ctx, logger, nk, payload);
}
export function rpcGameyeJoinFriend(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().friendMatch(ctx, logger, nk, payload);
}
export function rpcGameyePingTargets(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().pingTargets(ctx, logger, nk, payload);
}
export function rpcGameyeStatus(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetStatus(ctx, logger, nk, payload);
}
export function rpcGameyeHealth(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetHealth(ctx, logger, nk, payload);
}
export function rpcGameyeDrain(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetDrain(ctx, logger, nk, payload);
}
export function rpcGameyeTerminate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetTerminate(ctx, logger, nk, payload);
}
export function rpcGameyeSetVersion(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().fleetSetVersion(ctx, logger, nk, payload);
}
export function rpcGameyeUnityAllocate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().unityAllocate(ctx, logger, nk, payload);
}
export function rpcGameyeUnityPoll(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().unityPoll(ctx, logger, nk, payload);
}

// The matchmaker hook waits for this one, so it does without the library. A node's supervisor and reconciler are matches of
// this kind too; their first tick fills in the rest.
export function allocatorInit(_ctx: Context, _logger: Logger, _nk: Nakama, params: { [key: string]: string }) {
  const { allocation, version, claim = '', supervisor, reconciler } = params;
  const role = supervisor ? { supervisor: true } : reconciler ? { reconciler: true } : undefined;
  return {
    state: role ?? { allocation, version, claim, wake_at_ms: 0 },
    tickRate: role ? 1 : 60,
    label: '',
  };
}
export function allocatorLoop(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  _dispatcher: unknown,
  _tick: number,
  state: MatchState,
) {
  return library().allocatorLoop(ctx, logger, nk, state as Library.WorkerState);
}
export function allocatorJoinAttempt(
  _c: Context,
  _l: Logger,
  _n: Nakama,
  _d: unknown,
  _tick: number,
  state: MatchState,
) {
  return { state, accept: false, rejectMessage: 'Nobody can join an allocator.' };
}
export function allocatorJoin(
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
export function allocatorLeave(
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
// The server shuts down and waits for its matches: what never ends on its own has to be told.
export function allocatorTerminate(_c: Context, _l: Logger, _n: Nakama, _d: unknown, _tick: number, state: MatchState) {
  return { state: { ...state, ending: true } };
}
export function allocatorSignal(_c: Context, _l: Logger, _n: Nakama, _d: unknown, _tick: number, state: MatchState) {
  return { state };
}
