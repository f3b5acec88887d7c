import * as fleetManager from '../fleet/fleet-manager';
import { clearAssignment, readAssignment } from '../players/assignment';
import { cancelStart, standing } from '../players/standing';
import { joinFriend } from '../players/friend';
import { pingTargets as targetsFor } from '../players/ping-targets';
import { startSolo } from '../players/solo';
import type { Rpc } from './callers';
import { Code, rpcError } from '../refusal';
import { invalid, userIds } from '../fields';

/** `gameye_assignment {}` → `{state: none | starting | ready | failed, …}`; when ready with address and a fresh seat token. */
export const assignment: Rpc<string> = {
  fields: [],
  answer: (call, _payload, userId) => standing(call, userId),
};

/** `gameye_cancel {}` → `{cancelled}`; takes the player out of a session that is still being started. */
export const cancel: Rpc<string> = {
  fields: [],
  answer: (call, _payload, userId) => {
    const result = cancelStart(call, userId);
    if (result === 'started') {
      return rpcError(Code.FAILED_PRECONDITION, 'The session has started already. Use gameye_leave.');
    }
    return { cancelled: result === 'cancelled' };
  },
};

/** `gameye_leave {}` → `{left}`; frees the player's seat. Harmless when there is none. */
export const leave: Rpc<string> = {
  fields: [],
  answer: (call, _payload, userId) => {
    const found = readAssignment(call.nk, userId);
    if (!found || found.value.session_id === '' || found.value.state === 'failed') return { left: false };
    if (cancelStart(call, userId) === 'cancelled') return { left: true };
    const left = fleetManager.leaveIfThere(call, found.value.session_id, userId);
    clearAssignment(call.nk, userId, found.value.session_id, Date.now());
    return { left };
  },
};

/** `gameye_solo_match {resume?}` → `{status: starting}` or `{status: matched, match}`; a session for this player alone. */
export const soloMatch: Rpc<string> = {
  fields: ['resume'],
  answer: (call, payload, userId) => {
    const resume = payload['resume'] ?? false;
    if (typeof resume !== 'boolean') return invalid('resume', 'must be true or false.');
    return startSolo(call, userId);
  },
};

/** `gameye_join_friend {user_id}` → `{status: matched, match}`; a seat in the running session of a friend. */
export const friendMatch: Rpc<string> = {
  fields: ['user_id'],
  answer: (call, payload, userId) => {
    const [friendId = ''] = userIds({ user_id: [payload['user_id']] }, 'user_id', 1);
    return joinFriend(call, userId, friendId);
  },
};

/** `gameye_ping_targets {}` → `{targets: [{region, host, hosts, property}]}`; what a client measures before it queues. */
export const pingTargets: Rpc<string> = {
  fields: [],
  answer: (call) => ({ targets: targetsFor(call) }),
};
