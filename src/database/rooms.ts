import type { Nakama } from '../nakama/runtime';
import type { Instance } from '../records';
import { HOST, INSTANCE, PLAYER_COUNT } from './instances';
import { answer, ask, json } from './sql';

/* Statements about rooms: instances that players find by a code or in a list, beside those about their seats. */

const FIND = answer(`json_build_object(
  'instance', (SELECT ${INSTANCE} FROM gameye_instance i WHERE i.fleet = $1::text AND i.host <> ''
    AND (i.code = $2::text OR i.id = $3::text AND i.public)),
  'starting', EXISTS (SELECT 1 FROM gameye_allocation a WHERE a.fleet = $1::text AND a.code = $2::text AND NOT a.cancelled
    AND a.state IN ('queued', 'starting', 'started')))`);

/** The room with this code, or the public one with this id; `starting`: it will be there in a moment. */
export function findRoom(
  nk: Nakama,
  fleet: string,
  by: { code: string } | { id: string },
): { instance: Instance | null; starting: boolean } {
  return ask(nk, FIND, [fleet, 'code' in by ? by.code : null, 'id' in by ? by.id : null]);
}

/** A public room, as everybody may see it. */
export interface ListedRoom {
  id: string;
  region: string;
  /** Missing: it has none. */
  mode?: string;
  host: string;
  player_count: number;
  max_players: number;
  open_seats: number;
}

const LIST =
  answer(`(SELECT coalesce(json_agg(json_strip_nulls(json_build_object('id', x.id, 'region', x.region, 'mode', nullif(x.mode, ''), 'host', x.host, 'player_count', x.player_count,
    'max_players', x.max_players, 'open_seats', x.open_seats)) ORDER BY x.place, x.player_count DESC, x.id), '[]') FROM (
  SELECT near.place, r.* FROM jsonb_array_elements_text($2::text::jsonb) WITH ORDINALITY AS near(region, place), LATERAL (
    SELECT i.id, i.region, i.mode, ${HOST} AS host, ${PLAYER_COUNT} AS player_count, i.max_players, i.open_seats FROM gameye_instance i
    WHERE i.fleet = $1::text AND i.region = near.region AND ($5::text IS NULL OR i.mode = $5::text) AND i.public AND i.open AND i.open_seats > 0 AND i.status = 'running'
      AND (i.expires_at IS NULL OR i.expires_at > now() + $3::float8 * interval '1 millisecond')
    ORDER BY i.player_count DESC, i.id LIMIT $4::int4
  ) r ORDER BY near.place, r.player_count DESC, r.id LIMIT $4::int4
) x)`);

/** Public rooms that have room: regions in the order given, then the fullest. `mode`: null for any. */
export function listRooms(
  nk: Nakama,
  fleet: string,
  { regions, mode, least_left_ms, limit }: RoomQuestion,
): ListedRoom[] {
  return ask(nk, LIST, [fleet, json(regions), least_left_ms, limit, mode]);
}

export interface RoomQuestion {
  regions: string[];
  mode: string | null;
  /** None that ends sooner than this, in milliseconds. */
  least_left_ms: number;
  limit: number;
}

const CHANGE = `
WITH changed AS (
  UPDATE gameye_instance i SET open = coalesce($3::boolean, i.open), public = coalesce($4::boolean, i.public)
  FROM gameye_seat s
  WHERE s.user_id = $2::text AND s.state IN ('reserved', 'joined') AND i.id = s.session_id AND i.fleet = $1::text
    AND i.host <> '' AND ${HOST} = $2::text
  RETURNING 1
)
${answer('EXISTS (SELECT 1 FROM changed)')}`;

/** Changes the room in which a player sits, if they are its host; undefined fields stay. False: they are not. */
export function changeRoom(
  nk: Nakama,
  fleet: string,
  userId: string,
  { open, public: isPublic }: { open?: boolean; public?: boolean },
): boolean {
  return ask<boolean>(nk, CHANGE, [fleet, userId, open ?? null, isPublic ?? null]);
}
