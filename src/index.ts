/*
 * What Nakama loads. It finds registered functions by parsing this file (runtime_javascript_init.go): InitModule is a
 * declaration with flat statements, names are string literals, functions are declarations.
 */
import type { Context, Initializer, Logger, Nakama } from './nakama/runtime';
import {
  initializeGameye,
  gameyeMatchmakerMatched,
  gameyeBeforeMatchmakerAdd,
  rpcFleetCreate,
  rpcFleetFindOrCreate,
  rpcFleetGet,
  rpcFleetList,
  rpcFleetJoin,
  rpcFleetWatch,
  rpcFleetLeave,
  rpcFleetUpdate,
  rpcFleetDelete,
  rpcUpdateInstanceInfo,
  rpcDeleteInstanceInfo,
  rpcServerJoin,
  rpcServerLeave,
  rpcServerKick,
  rpcServerReady,
  rpcServerHeartbeat,
  rpcServerResult,
  rpcServerBackfill,
  rpcGameyeAssignment,
  rpcGameyeCancel,
  rpcGameyeLeave,
  rpcGameyeSoloMatch,
  rpcGameyeJoinFriend,
  rpcGameyeWatch,
  rpcGameyeRematch,
  rpcGameyeRoomCreate,
  rpcGameyeRoom,
  rpcGameyeRoomList,
  rpcGameyeRoomJoin,
  rpcGameyeRoomUpdate,
  rpcGameyeRoomRematch,
  rpcGameyeRoomInvite,
  rpcGameyePingTargets,
  rpcGameyeStatus,
  rpcGameyeHealth,
  rpcGameyeDrain,
  rpcGameyeTerminate,
  rpcGameyeSetVersion,
  rpcGameyeSetRegion,
  rpcGameyeChanges,
  rpcGameyeUsage,
  rpcGameyeLogs,
  rpcGameyeArtifacts,
  rpcGameyeResults,
  rpcGameyeUnityAllocate,
  rpcGameyeUnityPoll,
  allocatorInit,
  allocatorLoop,
  allocatorJoinAttempt,
  allocatorJoin,
  allocatorLeave,
  allocatorTerminate,
  allocatorSignal,
} from './functions';

function InitModule(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  initializer.registerRpc('fleet_create', rpcFleetCreate);
  initializer.registerRpc('fleet_find_or_create', rpcFleetFindOrCreate);
  initializer.registerRpc('fleet_get', rpcFleetGet);
  initializer.registerRpc('fleet_list', rpcFleetList);
  initializer.registerRpc('fleet_join', rpcFleetJoin);
  initializer.registerRpc('fleet_watch', rpcFleetWatch);
  initializer.registerRpc('fleet_leave', rpcFleetLeave);
  initializer.registerRpc('fleet_update', rpcFleetUpdate);
  initializer.registerRpc('fleet_delete', rpcFleetDelete);
  initializer.registerRpc('update_instance_info', rpcUpdateInstanceInfo);
  initializer.registerRpc('delete_instance_info', rpcDeleteInstanceInfo);
  initializer.registerRpc('gameye_server_join', rpcServerJoin);
  initializer.registerRpc('gameye_server_leave', rpcServerLeave);
  initializer.registerRpc('gameye_server_kick', rpcServerKick);
  initializer.registerRpc('gameye_server_ready', rpcServerReady);
  initializer.registerRpc('gameye_server_heartbeat', rpcServerHeartbeat);
  initializer.registerRpc('gameye_server_result', rpcServerResult);
  initializer.registerRpc('gameye_server_backfill', rpcServerBackfill);
  initializer.registerRpc('gameye_assignment', rpcGameyeAssignment);
  initializer.registerRpc('gameye_cancel', rpcGameyeCancel);
  initializer.registerRpc('gameye_leave', rpcGameyeLeave);
  initializer.registerRpc('gameye_solo_match', rpcGameyeSoloMatch);
  initializer.registerRpc('gameye_join_friend', rpcGameyeJoinFriend);
  initializer.registerRpc('gameye_watch', rpcGameyeWatch);
  initializer.registerRpc('gameye_rematch', rpcGameyeRematch);
  initializer.registerRpc('gameye_room_create', rpcGameyeRoomCreate);
  initializer.registerRpc('gameye_room', rpcGameyeRoom);
  initializer.registerRpc('gameye_room_list', rpcGameyeRoomList);
  initializer.registerRpc('gameye_room_join', rpcGameyeRoomJoin);
  initializer.registerRpc('gameye_room_update', rpcGameyeRoomUpdate);
  initializer.registerRpc('gameye_room_rematch', rpcGameyeRoomRematch);
  initializer.registerRpc('gameye_room_invite', rpcGameyeRoomInvite);
  initializer.registerRpc('gameye_ping_targets', rpcGameyePingTargets);
  initializer.registerRpc('gameye_status', rpcGameyeStatus);
  initializer.registerRpc('gameye_health', rpcGameyeHealth);
  initializer.registerRpc('gameye_drain', rpcGameyeDrain);
  initializer.registerRpc('gameye_terminate', rpcGameyeTerminate);
  initializer.registerRpc('gameye_set_version', rpcGameyeSetVersion);
  initializer.registerRpc('gameye_set_region', rpcGameyeSetRegion);
  initializer.registerRpc('gameye_changes', rpcGameyeChanges);
  initializer.registerRpc('gameye_usage', rpcGameyeUsage);
  initializer.registerRpc('gameye_logs', rpcGameyeLogs);
  initializer.registerRpc('gameye_artifacts', rpcGameyeArtifacts);
  initializer.registerRpc('gameye_results', rpcGameyeResults);
  initializer.registerRpc('gameye_unity_allocate', rpcGameyeUnityAllocate);
  initializer.registerRpc('gameye_unity_poll', rpcGameyeUnityPoll);
  initializer.registerMatchmakerMatched(gameyeMatchmakerMatched);
  initializer.registerRtBefore('MatchmakerAdd', gameyeBeforeMatchmakerAdd);
  initializer.registerRtBefore('PartyMatchmakerAdd', gameyeBeforeMatchmakerAdd);
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
