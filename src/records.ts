import type { Settings } from './settings';

/*
 * The shapes that are stored and shown, with the names that they have in JSON. What can be done with them stands in the rooms
 * above: instances, allocation and so on.
 */

/** What players are told when they get no server (`gameye_failed`). */
export type FailureReason = 'timeout' | 'no_capacity' | 'quota_exceeded' | 'misconfigured' | 'unavailable' | 'error';

/**
 * Why a session is no more: its game server said so; somebody asked for it; its players chose to go; nobody was in it for too
 * long, or nobody ever came; it drained; its time was over; its game server fell silent; or Gameye does not have it any more.
 */
export type EndReason = 'server' | 'deleted' | 'left' | 'empty' | 'no_show' | 'drained' | 'expired' | 'silent' | 'gone';

/** Container port to host port: `{'7777/udp': 23456}`. */
export type Ports = { [containerPort: string]: number };

/** Places in one instance, by user id. A reserved seat is held until `until_ms`; a joined one until the player leaves. */
export interface Seats {
  [userId: string]: { state: 'reserved'; until_ms: number } | { state: 'joined' };
}

/**
 * What we know about one running session. The first six fields are `InstanceInfo` of nakama-common (runtime.go), with its
 * JSON names; the others are ours.
 */
export interface Instance {
  id: string;
  connection_info: { ip_address: string; dns_name: string; port: number };
  /** RFC 3339, as Go writes a time. */
  create_time: string;
  /** Seats that are taken, or what the game server reported last plus the reservations it has not seen yet. */
  player_count: number;
  status: string;
  metadata: { [key: string]: unknown };
  region: string;
  image: string;
  version: string;
  /** The name of its mode; missing: what the variables say. */
  mode?: string;
  max_players: number;
  open_seats: number;
  ports: Ports;
  seats: Seats;
  /** Players that the game server counted beyond the joined seats; below zero when it counted fewer. */
  unseated: number;
  /** Places that spectators have, who count as no players. Missing: none. */
  spectators?: number;
  /** Since when nobody is in it. Missing while somebody is, and when nobody was ever expected. */
  empty_since_ms?: number;
  /** With GAMEYE_BACKFILL: which requests may be seated here (backfill/pool.ts). */
  pool?: string;
  /** Whether others are seated here. Missing where they may be by name only, because nothing ever closed it to them. */
  open?: boolean;
  /** Of a room: whom players join by name. */
  room?: Room;
  /** It was started for nobody yet, as one of the warm buffer, and nobody has a seat in it. */
  warm?: true;
  /** Somebody was in it at some time; missing while players are only expected. */
  visited?: true;
  /** When Gameye ends it at the latest: the end of its ttl. Missing for an adopted session, whose ttl nobody knows. */
  expires_at_ms?: number;
}

/** What makes a session a room: players find it by its code, or in a list when it is public, until its host closes it. */
export interface Room {
  /** Missing only when another room got the same one. */
  code?: string;
  public: boolean;
  open: boolean;
  /** The user id of the player who may change it. */
  host: string;
}

/** One player's measured latency to one region, in milliseconds. */
export interface Latency {
  user_id: string;
  region: string;
  ms: number;
}

/** What is asked for: a server for these players. Plain JSON, stored inside the allocation. */
export interface AllocationRequest {
  user_ids: string[];
  max_players: number;
  latencies: Latency[];
  /** Becomes the session's labels and the instance's metadata; `gameye.env` and `gameye.external_id` are taken out. */
  metadata: { [key: string]: unknown };
  /** Instead of the configured regions, in order of preference. */
  regions?: string[];
  /** Players who play in these regions only, and are too few to decide for the others. */
  only_in?: { [userId: string]: string[] };
  /** Instead of the configured image; without `version`, its tag with the highest priority. */
  image?: string;
  version?: string;
  /** The version in each region, when not the request but an operator or the configuration decided it. */
  versions?: { [region: string]: string };
  /** False: always a session of its own, in which nobody else is seated. */
  backfill?: boolean;
  /** The name of its mode; missing: what the variables say. */
  mode?: string;
  /** Instead of what its mode says. */
  settings?: Settings;
  /** Of a session for nobody: stopped when nobody has come after so many milliseconds. */
  empty_timeout_ms?: number;
  /** It is to be a room, whose host is the first of its players. */
  room?: { code: string; public: boolean };
  /** False: its players are not notified, because whoever asked tells them. */
  notify?: boolean;
  /** A player asked for it alone. */
  solo?: true;
  /** For nobody: one of the sessions that are kept started and empty. */
  warm?: true;
  /** The name of the module's function that is called when the allocation has ended. */
  callback?: string;
}

/** Groups that backfill added to an allocation while its session was being started; `id` is what they had asked under. */
export interface Guest {
  id: string;
  user_ids: string[];
}

/** A player's seat in a session. */
export interface SeatRef {
  user_id: string;
  session_id: string;
}

/** A seat that a player gave up. */
export interface LeftSeat extends SeatRef {
  /** Nobody needs that session any more: it drains, and is to be stopped. */
  ended?: true;
}
