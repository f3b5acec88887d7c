import type { Nakama } from '../nakama/runtime';
import type { ByMode } from '../mode-config';
import type { EndReason } from '../records';
import { FIND } from './instances';
import { answer, ask, json, msOfMode } from './sql';

/*
 * Statements about whether a game server lives, and about sessions whose end is decided. `silent_at` is when it will have been
 * silent for too long: from then on nobody is seated there. `dead_at` comes as much later: then its session is to be stopped.
 * Every sign of life moves both. `ending` says why a session is to be stopped; `dead_at` is then when that is tried next.
 */

const inMs = (milliseconds: string): string => `now() + (${milliseconds})::float8 * interval '1 millisecond'`;

/** True of an instance `i` that is not silent: others may be seated there. */
export const isHeardOf = (i: string): string => `coalesce(${i}.silent_at > now(), true)`;

const TIMEOUT = msOfMode('$4', '$3');

const HEAR = `
WITH heard AS (
  UPDATE gameye_instance i SET silent_at = ${inMs(TIMEOUT)}, dead_at = ${inMs(`2 * ${TIMEOUT}`)}
  WHERE ${FIND} AND i.ending IS NULL AND ${TIMEOUT} IS NOT NULL
)
${answer(`CASE WHEN EXISTS (SELECT 1 FROM gameye_instance i WHERE ${FIND}) THEN 'runs'
  WHEN EXISTS (SELECT 1 FROM gameye_allocation a WHERE a.fleet = $1::text AND a.session_id = $2::text AND a.state IN ('starting', 'started'))
  THEN 'starts' END`)}`;

/**
 * The game server of a session lives, and may be silent for so long from now on, as its mode has it. `starts`: there is no record
 * yet that could keep that. Undefined: no such session.
 */
export function hearServer(nk: Nakama, fleet: string, id: string, timeouts: ByMode): 'runs' | 'starts' | undefined {
  return ask<'runs' | 'starts' | null>(nk, HEAR, [fleet, id, timeouts.others, json(timeouts.ofMode)]) ?? undefined;
}

const SILENCE = `
WITH due AS (
  SELECT i.id FROM gameye_instance i
  WHERE i.fleet = $1::text AND i.dead_at <= now() AND i.ending IS NULL AND i.status NOT IN ('starting', 'lost', 'exited', 'dead')
  ORDER BY i.id LIMIT 100 FOR UPDATE SKIP LOCKED
), silent AS (
  UPDATE gameye_instance i SET ending = 'silent', status = 'draining' FROM due WHERE i.id = due.id RETURNING i.id, i.region
)
${answer(`(SELECT coalesce(json_agg(json_build_object('id', id, 'region', region)), '[]') FROM silent)`)}`;

/** Decides the end of sessions whose game servers have been silent for twice as long as they may, and answers which. */
export function endSilent(nk: Nakama, fleet: string): { id: string; region: string }[] {
  return ask(nk, SILENCE, [fleet]);
}

const DECIDE = `
WITH decided AS (
  UPDATE gameye_instance i SET ending = 'server', status = 'draining', dead_at = ${inMs('$3')}
  WHERE i.id = $2::text AND i.fleet = $1::text AND i.ending IS NULL AND i.status NOT IN ('starting', 'lost', 'exited', 'dead') RETURNING 1
)
${answer('EXISTS (SELECT 1 FROM decided)')}`;

/** A game server says that its session ends: who does not stop it within so many milliseconds leaves that to others. */
export function decideEnd(nk: Nakama, fleet: string, id: string, tryMs: number): void {
  ask<boolean>(nk, DECIDE, [fleet, id, tryMs]);
}

const DUE = `i.fleet = $1::text AND i.ending IS NOT NULL AND i.dead_at <= now()`;

const IS_DUE = answer(`EXISTS (SELECT 1 FROM gameye_instance i WHERE ${DUE})`);

/** Whether a session is to be stopped now. */
export function isEndDue(nk: Nakama, fleet: string): boolean {
  return ask<boolean>(nk, IS_DUE, [fleet]);
}

const CLAIM = `
WITH next AS (
  SELECT i.id FROM gameye_instance i WHERE ${DUE} ORDER BY i.dead_at LIMIT 1 FOR UPDATE SKIP LOCKED
), claimed AS (
  UPDATE gameye_instance i SET dead_at = ${inMs('$2')} FROM next WHERE i.id = next.id RETURNING i.id, i.region, i.ending
)
${answer(`(SELECT json_build_object('id', c.id, 'region', c.region, 'reason', c.ending, 'user_ids',
  (SELECT coalesce(json_agg(s.user_id ORDER BY s.user_id), '[]') FROM gameye_seat s
    WHERE s.session_id = c.id AND s.session_id <> '' AND s.state IN ('reserved', 'joined'))) FROM claimed c)`)}`;

/** Takes the next session that is to be stopped, and who has a seat there: nobody else tries for so long. Undefined: there is none. */
export function claimEnd(
  nk: Nakama,
  fleet: string,
  tryMs: number,
): { id: string; region: string; reason: EndReason; user_ids: string[] } | undefined {
  return (
    ask<{ id: string; region: string; reason: EndReason; user_ids: string[] } | null>(nk, CLAIM, [fleet, tryMs]) ??
    undefined
  );
}
