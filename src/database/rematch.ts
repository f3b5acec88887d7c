import type { Nakama } from '../nakama/runtime';
import type { Instance } from '../records';
import { INSTANCE } from './instances';
import { answer, ask } from './sql';

/* The statement by which players say that they want to play with each other once more. */

/** The session that is to be played again, and which of its players want that so far, in the order in which they said so. */
export interface Again {
  instance: Instance;
  wanted_by: string[];
}

const WANT = `
WITH mine AS (
  SELECT s.session_id FROM gameye_seat s WHERE s.user_id = $2::text AND s.state IN ('reserved', 'joined')
), said AS (
  UPDATE gameye_instance i SET rematch = CASE WHEN i.rematch @> to_jsonb($2::text) THEN i.rematch ELSE i.rematch || to_jsonb($2::text) END
  FROM mine WHERE i.id = mine.session_id AND i.fleet = $1::text AND i.host = '' AND i.ending IS NULL
    AND EXISTS (SELECT 1 FROM gameye_seat o WHERE o.session_id = i.id AND o.user_id <> $2::text AND o.state IN ('reserved', 'joined'))
  RETURNING i.*
)
${answer(`(SELECT json_build_object('instance', ${INSTANCE}, 'wanted_by', (
    SELECT coalesce(json_agg(r.user_id ORDER BY r.place), '[]') FROM jsonb_array_elements_text(i.rematch) WITH ORDINALITY AS r(user_id, place)
    JOIN gameye_seat s ON s.user_id = r.user_id AND s.session_id = i.id AND s.state IN ('reserved', 'joined'))) FROM said i)`)}`;

/**
 * A player wants to play once more with those of the same session. Of two who say so at the same moment the second hears of
 * both. Who has left counts no more. Undefined: the player sits in no session, alone, or in a room, or its end
 * is decided.
 */
export function wantAgain(nk: Nakama, fleet: string, userId: string): Again | undefined {
  return ask<Again | null>(nk, WANT, [fleet, userId]) ?? undefined;
}
