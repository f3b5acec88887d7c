/*
 * The functions that InitModule registers, the drop-in's (index.ts) and that of a module that uses this as a library
 * (public.ts). Nakama wants each of them as a global, and every VM pays for each global: so they only call into the
 * library, which the build turns into the functions `library()` and `allocator()`; the first call of one in a VM loads it.
 */
import type { Context, Initializer, Logger, MatchmakerResult, MatchState, Nakama, Presence } from './nakama/runtime';
import type * as Allocator from './allocator';
import type * as Library from './library';

declare function library(): typeof Library;
declare function allocator(): typeof Allocator;

export function initializeGameye(ctx: Context, logger: Logger, nk: Nakama, _initializer: Initializer): void {
  library().initialize(ctx, logger, nk);
}
export function gameyeMatchmakerMatched(ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]): void {
  library().matchmakerMatched(ctx, logger, nk, entries);
}
export function gameyeBeforeMatchmakerAdd<T extends object>(ctx: Context, logger: Logger, nk: Nakama, envelope: T): T {
  return library().beforeMatchmakerAdd(ctx, logger, nk, envelope);
}
export function rpcFleetCreate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_create', ctx, logger, nk, payload);
}
export function rpcFleetFindOrCreate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_find_or_create', ctx, logger, nk, payload);
}
export function rpcFleetGet(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_get', ctx, logger, nk, payload);
}
export function rpcFleetList(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_list', ctx, logger, nk, payload);
}
export function rpcFleetJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_join', ctx, logger, nk, payload);
}
export function rpcFleetWatch(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_watch', ctx, logger, nk, payload);
}
export function rpcFleetLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_leave', ctx, logger, nk, payload);
}
export function rpcFleetUpdate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_update', ctx, logger, nk, payload);
}
export function rpcFleetDelete(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('fleet_delete', ctx, logger, nk, payload);
}
export function rpcUpdateInstanceInfo(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('update_instance_info', ctx, logger, nk, payload);
}
export function rpcDeleteInstanceInfo(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('delete_instance_info', ctx, logger, nk, payload);
}
export function rpcServerJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_join', ctx, logger, nk, payload);
}
export function rpcServerLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_leave', ctx, logger, nk, payload);
}
export function rpcServerKick(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_kick', ctx, logger, nk, payload);
}
export function rpcServerReady(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_ready', ctx, logger, nk, payload);
}
export function rpcServerHeartbeat(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_heartbeat', ctx, logger, nk, payload);
}
export function rpcServerResult(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_result', ctx, logger, nk, payload);
}
export function rpcServerBackfill(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_server_backfill', ctx, logger, nk, payload);
}
export function rpcGameyeAssignment(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_assignment', ctx, logger, nk, payload);
}
export function rpcGameyeCancel(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_cancel', ctx, logger, nk, payload);
}
export function rpcGameyeLeave(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_leave', ctx, logger, nk, payload);
}
export function rpcGameyeSoloMatch(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_solo_match', ctx, logger, nk, payload);
}
export function rpcGameyeJoinFriend(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_join_friend', ctx, logger, nk, payload);
}
export function rpcGameyeWatch(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_watch', ctx, logger, nk, payload);
}
export function rpcGameyeRematch(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_rematch', ctx, logger, nk, payload);
}
export function rpcGameyeRoomCreate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room_create', ctx, logger, nk, payload);
}
export function rpcGameyeRoom(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room', ctx, logger, nk, payload);
}
export function rpcGameyeRoomList(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room_list', ctx, logger, nk, payload);
}
export function rpcGameyeRoomJoin(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room_join', ctx, logger, nk, payload);
}
export function rpcGameyeRoomUpdate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room_update', ctx, logger, nk, payload);
}
export function rpcGameyeRoomRematch(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room_rematch', ctx, logger, nk, payload);
}
export function rpcGameyeRoomInvite(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_room_invite', ctx, logger, nk, payload);
}
export function rpcGameyePingTargets(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_ping_targets', ctx, logger, nk, payload);
}
export function rpcGameyeStatus(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_status', ctx, logger, nk, payload);
}
export function rpcGameyeHealth(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_health', ctx, logger, nk, payload);
}
export function rpcGameyeDrain(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_drain', ctx, logger, nk, payload);
}
export function rpcGameyeTerminate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_terminate', ctx, logger, nk, payload);
}
export function rpcGameyeSetVersion(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_set_version', ctx, logger, nk, payload);
}
export function rpcGameyeSetRegion(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_set_region', ctx, logger, nk, payload);
}
export function rpcGameyeChanges(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_changes', ctx, logger, nk, payload);
}
export function rpcGameyeUsage(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_usage', ctx, logger, nk, payload);
}
export function rpcGameyeLogs(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_logs', ctx, logger, nk, payload);
}
export function rpcGameyeArtifacts(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_artifacts', ctx, logger, nk, payload);
}
export function rpcGameyeResults(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_results', ctx, logger, nk, payload);
}
export function rpcGameyeUnityAllocate(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_unity_allocate', ctx, logger, nk, payload);
}
export function rpcGameyeUnityPoll(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  return library().answerRpc('gameye_unity_poll', ctx, logger, nk, payload);
}

// The matchmaker hook waits for this one, so it does without the library. A node's supervisor and reconciler are matches of
// this kind too; their first tick fills in the rest.
export function allocatorInit(_ctx: Context, _logger: Logger, _nk: Nakama, params: { [key: string]: string }) {
  const { allocation, from, supervisor, reconciler, follow_up, state } = params;
  const role = supervisor ? { supervisor: true } : reconciler ? { reconciler: true } : follow_up && { follow_up: true };
  return {
    // A successor has the state of the match before it (heartbeat.ts).
    state: state ? (JSON.parse(state) as object) : role || { allocation, from, wake_at_ms: 0 },
    tickRate: supervisor || reconciler ? 1 : 60,
    label: '',
  };
}
export function allocatorLoop(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  _dispatcher: unknown,
  tick: number,
  state: MatchState,
) {
  return 'allocation' in state
    ? allocator().allocatorLoop(ctx, logger, nk, state as never, tick)
    : library().keeperLoop(ctx, logger, nk, state as never, tick);
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
