import * as fleetManager from '../fleet/fleet-manager';
import { locateInstance, markReady } from '../allocation/locate';
import { ALLOCATION_VAR } from '../credentials/server-token';
import type { Rpc } from './callers';
import { Code, rpcError } from '../refusal';
import { updateFrom } from './fleet';
import { flag, userIds } from '../fields';

/** `update_instance_info {id?, player_count | playerCount?, metadata?}` → `{}`; name and payload as in Nakama's GameLift plugin. */
export const updateInstanceInfo: Rpc<string> = {
  fields: ['id', 'player_count', 'playerCount', 'metadata'],
  answer: (call, payload, session) => {
    updateFrom(call, payload, session);
    return {};
  },
};

/** `delete_instance_info {id?}` → `{}`; the game server says goodbye: its session is stopped and forgotten. */
export const deleteInstanceInfo: Rpc<string> = {
  fields: ['id'],
  answer: (call, _payload, session) => fleetManager.remove(call, session),
};

/** `gameye_server_join {id?, user_ids}` → `{player_count}` */
export const serverJoin: Rpc<string> = {
  fields: ['id', 'user_ids'],
  answer: (call, payload, session) => {
    const { instance_info } = fleetManager.confirm(call, session, userIds(payload, 'user_ids', 1));
    return { player_count: instance_info.player_count };
  },
};

/** `gameye_server_leave {id?, user_ids}` → `{player_count}` */
export const serverLeave: Rpc<string> = {
  fields: ['id', 'user_ids'],
  answer: (call, payload, session) => {
    const { instance_info } = fleetManager.leave(call, session, userIds(payload, 'user_ids', 1));
    return { player_count: instance_info.player_count };
  },
};

/** `gameye_server_backfill {id?, open}` → `{open}`; closes the door to backfill, or opens it again. Players keep their seats. */
export const serverBackfill: Rpc<string> = {
  fields: ['id', 'open'],
  answer: (call, payload, session) => ({ open: fleetManager.setDoor(call, session, flag(payload, 'open')) }),
};

/** `gameye_server_ready {id?}` → `{}`; with GAMEYE_READY=server the players are told now. Repeating it changes nothing. */
export const serverReady: Rpc<string> = {
  fields: ['id'],
  answer: (call, _payload, session) => {
    // The credential names the allocation, which has another id after a change of region.
    const allocationId = call.ctx.vars?.[ALLOCATION_VAR] ?? session;
    if (markReady(call, allocationId, session) || locateInstance(call, session)) return {};
    return rpcError(Code.NOT_FOUND, 'This session is not being started (any more).');
  },
};
