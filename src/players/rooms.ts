import { newAllocation, refuseAtDoor, startAllocation } from '../allocation/create';
import { acceptableRegions, rankRegions } from '../allocation/regions';
import { readAllocation } from '../database/allocations';
import { changeRoom, findRoom, listRooms, type ListedRoom } from '../database/rooms';
import { readStanding, type Standing as Row } from '../database/standing';
import { welcomed } from '../fleet/join';
import { seat } from '../fleet/seats';
import { leastLeftMs, STARTING } from '../instances/instance';
import { inMode, type Call } from '../nakama/caller';
import type { AllocationRequest, Instance, Latency, Room } from '../records';
import { Code, rpcError } from '../refusal';
import type { MatchContent } from '../told/content';
import { notifyInvitation } from '../told/notify';
import { enter } from './enter';
import { areFriends } from './friend';
import { refuseTooOften, refuseWhenSpent, spend } from './per-minute';
import { requestLike } from './rematch';
import { codeFrom } from './room-code';
import { isWaiting } from './standing';

/*
 * Rooms: a player starts a session that others enter by its code, from the list, or by invitation, until its host closes it. A
 * room is an instance like any other, stopped when the last one has left it; nobody else is ever seated there.
 */

/** What a player may do within a minute. What starts a session counts as `gameye_solo_match` does. */
const LISTS_PER_MINUTE = 60;
const JOINS_PER_MINUTE = 30;
const WRONG_PER_MINUTE = 10;
const CHANGES_PER_MINUTE = 30;
const INVITATIONS_PER_MINUTE = 20;

const MOST_TRIES = 5;

/** A room as who is in it sees it. */
export interface ShownRoom extends Omit<Room, 'open'> {
  /** `starting`: its game server is. `closed`: nobody else gets in, because its host has started the game. */
  state: 'starting' | 'open' | 'closed';
  id: string;
  max_players: number;
  /** `joined`: in the game, as its game server says. */
  players: { user_id: string; state: 'starting' | 'reserved' | 'joined' }[];
}

export type OwnRoom = ShownRoom | { state: 'none' };

/** What a player says of the room that they make. */
export interface AskedRoom {
  public: boolean;
  max_players: number;
  latencies: Latency[];
  mode?: string;
}

/**
 * A room for a player and those who come along, who hear by `gameye_match` when it runs. While one is on its way for the player
 * it is the answer. Code 9 while one of several waits or plays elsewhere: nobody is taken out of a game by others.
 */
export function createRoom(call: Call, userId: string, asked: AskedRoom, others: string[] = []): ShownRoom {
  const { max_players, latencies, mode } = asked;
  const userIds = [userId, ...others];
  if (userIds.length > max_players) return rpcError(Code.RESOURCE_EXHAUSTED, 'So many do not fit into the room.');
  const own = mode === undefined ? {} : { mode };
  // Where, is for the one who asks to say: the others come along, whatever they measured.
  const regions = acceptableRegions(inMode(call, own).config, { user_ids: [userId], latencies });
  const request = { user_ids: userIds, max_players, latencies: [], regions, metadata: {}, ...own };
  return startRoom(call, request, asked.public, others.length > 0 ? 'playing' : 'waiting');
}

function startRoom(call: Call, asked: AllocationRequest, isPublic: boolean, unless: 'waiting' | 'playing'): ShownRoom {
  const { nk, config } = call;
  const [userId = ''] = asked.user_ids;
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readStanding(nk, config.fleet, userId);
    if (isWaiting(row)) return startingRoom(call, row) ?? busy('You wait for a match. Use gameye_cancel first.');
    const room = { code: codeFrom(nk.uuidv4()), public: isPublic };
    const request: AllocationRequest = { ...asked, backfill: false, solo: true, room };
    const allocation = newAllocation(call, request, false);
    refuseAtDoor(call, allocation);
    switch (startAllocation(call, allocation, { alone: { most: config.soloPerMinute, unless } })) {
      case 'started':
        return shownStarting(allocation.id, request, room);
      case 'too-often':
        return refuseTooOften(call);
      case 'busy':
      case 'exists':
      // Another request of one of them was faster, another room has this code, or one of them is busy.
    }
  }
  return busy('Somebody of you waits for a match or plays elsewhere. Ask again when they have left that.');
}

/**
 * The same group once more: a new session for everybody who sits in the room, with the same settings, in its region first. Its
 * host says so. What they leave is stopped.
 */
export function rematch(call: Call, userId: string): ShownRoom {
  const room = ownRoom(call, userId);
  if (room.state === 'starting') return room;
  const instance = readStanding(call.nk, call.config.fleet, userId)?.instance;
  if (room.state === 'none' || instance?.id !== room.id) return busy('You are in no room that runs.');
  if (room.host !== userId) return rpcError(Code.PERMISSION_DENIED, 'Only the host of the room may ask for a rematch.');
  const others = room.players.map(({ user_id }) => user_id).filter((id) => id !== userId);
  const request = { ...requestLike(call, instance), user_ids: [userId, ...others] };
  return startRoom(call, request, room.public, 'waiting');
}

function busy(why: string): never {
  return rpcError(Code.FAILED_PRECONDITION, why);
}

/** The room in which a player sits, or that is being started for them. */
export function ownRoom(call: Call, userId: string): OwnRoom {
  const row = readStanding(call.nk, call.config.fleet, userId);
  if (isWaiting(row)) return startingRoom(call, row) ?? { state: 'none' };
  const isThere = row?.state === 'reserved' || row?.state === 'joined';
  return (isThere && row.instance && shown(row.instance)) || { state: 'none' };
}

function startingRoom(call: Call, row: Row | undefined): ShownRoom | undefined {
  const found = readAllocation(call.nk, call.config.fleet, row?.allocation_id ?? '');
  const request = (found?.doc as { request?: AllocationRequest } | undefined)?.request;
  return found && request?.room && shownStarting(found.id, request, request.room);
}

function shownStarting(id: string, request: AllocationRequest, room: { code: string; public: boolean }): ShownRoom {
  const { user_ids, max_players } = request;
  const players = user_ids.map((user_id) => ({ user_id, state: 'starting' as const }));
  return { state: 'starting', id, ...room, host: user_ids[0] ?? '', max_players, players };
}

/** Undefined: it is no room. */
function shown({ id, room, max_players, seats }: Instance): ShownRoom | undefined {
  if (!room) return undefined;
  const { open, ...rest } = room;
  const players = Object.entries(seats).map(([user_id, { state }]) => ({ user_id, state }));
  return { state: open ? 'open' : 'closed', id, ...rest, max_players, players };
}

/** Public rooms with a free seat: the nearest region first, by what the player measured or as configured; then the fullest. */
export function publicRooms(
  call: Call,
  userId: string,
  { latencies, limit, mode }: { latencies: Latency[]; limit: number; mode?: string },
): ListedRoom[] {
  spend(call, userId, 'room_list', LISTS_PER_MINUTE);
  const { config } = inMode(call, mode === undefined ? {} : { mode });
  const regions = rankRegions(config.regions, [userId], latencies);
  return listRooms(call.nk, config.fleet, { regions, mode: mode ?? null, least_left_ms: leastLeftMs(config), limit });
}

export type JoinedRoom = { status: 'starting' } | { status: 'matched'; match: MatchContent; room: ShownRoom };

/**
 * A seat in the room with this code, or in the public one with this id. `starting`: its game server is, ask again. Code 5 when
 * there is none, which is all that a guess learns; 8 when it is full, or after too many guesses; 9 when it is closed. `others`
 * come along and hear of it by `gameye_match`: all or nobody, and code 9 while one of them waits or plays elsewhere.
 */
export function joinRoom(
  call: Call,
  userId: string,
  by: { code: string } | { id: string },
  others: string[] = [],
): JoinedRoom {
  spend(call, userId, 'room_join', JOINS_PER_MINUTE);
  const found = lookForRoom(call, userId, by);
  if (found === 'starting') return { status: 'starting' };
  const { instance, match } =
    others.length === 0 ? enter(call, userId, found, { open: true }) : enterTogether(call, [userId, ...others], found);
  const room = shown(instance);
  return room ? { status: 'matched', match, room } : noRoom();
}

function enterTogether(call: Call, userIds: string[], place: Instance): { instance: Instance; match: MatchContent } {
  for (const id of userIds) {
    const row = readStanding(call.nk, call.config.fleet, id);
    const isSeated = row?.state === 'reserved' || row?.state === 'joined';
    if (isWaiting(row) || (isSeated && row?.instance && row.session_id !== place.id)) {
      return busy('Somebody of you waits for a match or plays elsewhere. Ask again when they have left that.');
    }
  }
  // Whoever is matched at this moment stays in that match.
  const { instance_info: instance, matches } = welcomed(
    call,
    seat(call, place.id, userIds, { open: true, idle: true }),
    {},
  );
  const mine = matches.find(({ user_id }) => user_id === userIds[0]);
  if (!mine) return noRoom();
  const { user_id: _userId, ...match } = mine;
  return { instance, match: match as MatchContent };
}

/** The room that runs and has this code, or is public and has this id. Code 5 when there is none, 9 while it is being started. */
export function runningRoom(call: Call, userId: string, by: { code: string } | { id: string }): Instance {
  const found = lookForRoom(call, userId, by);
  return found === 'starting' ? busy('The game server of this room is still being started.') : found;
}

function lookForRoom(call: Call, userId: string, by: { code: string } | { id: string }): Instance | 'starting' {
  refuseWhenSpent(call, userId, 'wrong_room', WRONG_PER_MINUTE);
  const { instance, starting } = findRoom(call.nk, call.config.fleet, by);
  if (instance && instance.status !== STARTING) return instance;
  if (starting) return 'starting';
  spend(call, userId, 'wrong_room', WRONG_PER_MINUTE);
  return noRoom();
}

function noRoom(): never {
  return rpcError(Code.NOT_FOUND, 'There is no such room (any more). Ask for its code again.');
}

/** What the host says of the room: `open: false` when the game starts. Code 7 for its other players, 9 for who is in none. */
export function updateRoom(call: Call, userId: string, change: { open?: boolean; public?: boolean }): ShownRoom {
  spend(call, userId, 'room_update', CHANGES_PER_MINUTE);
  const isHost = changeRoom(call.nk, call.config.fleet, userId, change);
  const room = ownRoom(call, userId);
  if (room.state === 'none' || room.state === 'starting') {
    return rpcError(Code.FAILED_PRECONDITION, 'You are in no room, or its game server is still being started.');
  }
  return isHost ? room : rpcError(Code.PERMISSION_DENIED, 'Only the host of the room may change it.');
}

/** Tells a mutual friend of the room in which the player sits. False: the friend could not be told. */
export function inviteToRoom(call: Call, userId: string, friendId: string): boolean {
  spend(call, userId, 'room_invite', INVITATIONS_PER_MINUTE);
  const room = ownRoom(call, userId);
  if (room.state !== 'open') return rpcError(Code.FAILED_PRECONDITION, 'You are in no room that is open.');
  if (!areFriends(call, userId, friendId)) {
    return rpcError(Code.NOT_FOUND, 'No friend of yours has this user id.');
  }
  const { id, code } = room;
  return notifyInvitation(call, friendId, { room_id: id, ...(code === undefined ? {} : { code }), user_id: userId });
}
