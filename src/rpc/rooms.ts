import { modeIn, ownLatencies } from '../allocation/shape';
import { invalid, optionalFlag, flag, sessionId, userIds, wholeNumber, type Payload } from '../fields';
import { inMode, type Call } from '../nakama/caller';
import { partyMembers } from '../players/party';
import { createRoom, inviteToRoom, joinRoom, publicRooms, updateRoom } from '../players/rooms';
import { codeIn } from '../players/room-code';
import { watchAsPlayer } from '../players/spectators';
import { Code, rpcError } from '../refusal';

/* The players' RPCs about rooms, and about watching. */

/** Where GAMEYE_MAX_PLAYERS does not say how many a session takes. */
const MOST_PLAYERS = 100;

export function roomCreate(call: Call, payload: Payload, userId: string): object {
  const mode = ownMode(call, payload);
  const usual = inMode(call, mode).config.maxPlayers;
  const isUsual = payload['max_players'] === undefined && usual !== undefined;
  const asked = {
    public: optionalFlag(payload, 'public'),
    max_players: isUsual ? usual : wholeNumber(payload, 'max_players', 1, usual ?? MOST_PLAYERS),
    latencies: ownLatencies(payload, userId),
    ...mode,
  };
  return createRoom(call, userId, asked, comrades(call, payload, userId));
}

/** The other members of the party that `party_id` names; nobody when it names none. */
function comrades(call: Call, payload: Payload, userId: string): string[] {
  const partyId = payload['party_id'];
  if (partyId === undefined) return [];
  if (typeof partyId !== 'string' || !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[^\s]{1,128}$/i.test(partyId)) {
    return invalid('party_id', 'must be the id of a party, as Nakama gave it.');
  }
  return partyMembers(call, userId, partyId).slice(1);
}

export function roomList(call: Call, payload: Payload, userId: string): object {
  const limit = payload['limit'] === undefined ? 20 : wholeNumber(payload, 'limit', 1, 100);
  const latencies = ownLatencies(payload, userId);
  return { rooms: publicRooms(call, userId, { latencies, limit, ...ownMode(call, payload) }) };
}

function ownMode(call: Call, payload: Payload): { mode?: string } {
  return payload['mode'] === undefined ? {} : { mode: modeIn(call, payload) };
}

export function roomJoin(call: Call, payload: Payload, userId: string): object {
  return joinRoom(call, userId, roomMeant(payload), comrades(call, payload, userId));
}

function roomMeant(payload: Payload): { code: string } | { id: string } {
  const { code, id } = payload;
  if ((code === undefined) === (id === undefined)) {
    return rpcError(Code.INVALID_ARGUMENT, 'Send "code", or the "id" of a public room.');
  }
  if (code === undefined) return { id: sessionId(payload) };
  const read = typeof code === 'string' ? codeIn(code) : undefined;
  return read === undefined ? invalid('code', 'must be the code of a room, such as K7QM-2XPA.') : { code: read };
}

export function watchMeant(call: Call, payload: Payload, userId: string): object {
  const { user_id, code, id } = payload;
  if (user_id === undefined) return watchAsPlayer(call, userId, roomMeant(payload));
  if (code !== undefined || id !== undefined) {
    return rpcError(Code.INVALID_ARGUMENT, 'Send "user_id", "code" or "id", not several of them.');
  }
  return watchAsPlayer(call, userId, { friend: playerMeant(payload) });
}

export function roomUpdate(call: Call, payload: Payload, userId: string): object {
  if (payload['open'] === undefined && payload['public'] === undefined) {
    return invalid('open', 'or "public" must be there: nothing to change.');
  }
  return updateRoom(call, userId, {
    ...(payload['open'] === undefined ? {} : { open: flag(payload, 'open') }),
    ...(payload['public'] === undefined ? {} : { public: flag(payload, 'public') }),
  });
}

export function roomInvite(call: Call, payload: Payload, userId: string): object {
  return { invited: inviteToRoom(call, userId, playerMeant(payload)) };
}

/** The player whom `user_id` names. */
export function playerMeant(payload: Payload): string {
  return userIds({ user_id: [payload['user_id']] }, 'user_id', 1)[0] ?? '';
}
