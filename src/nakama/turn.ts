import type { Nakama } from './runtime';

/**
 * Queues behind all who write the same record, on every node, and returns when it is this caller's turn; the next one's is
 * `ms` later. The runtime has no timers, and a loop would burn what the others need; the database can wait: its lock lets
 * one after the other sleep (Postgres; CockroachDB has no such lock and lets all sleep at once). Each caller holds one of
 * the server's connections meanwhile, so this is only for those who have lost a race.
 */
export function waitForTurn(nk: Nakama, record: string, ms: number): void {
  try {
    nk.sqlQuery('SELECT pg_advisory_xact_lock($1::int8), pg_sleep($2::float8)', [lockNumber(record), ms / 1000]);
  } catch {
    // A cancelled call or another database: the caller goes on, and its next step says what is wrong.
  }
}

/** Two records with the same number only wait for each other. */
function lockNumber(text: string): number {
  let hash = 7;
  for (let i = 0; i < text.length; i++) hash = (hash * 31 + text.charCodeAt(i)) % 4_294_967_291;
  return hash;
}

/** Bounds of a turn: about what reading and writing takes on an idle and on a very busy server. */
const TURN_MS = { least: 4, most: 250 };
const TURNS_SECONDS = 10;

/**
 * The same for the matches that work on allocations, of which there may be hundreds: more than the server has connections.
 * Answers when it is this caller's turn, for it to look again then; a turn is as long as its last try took. Only this
 * node's callers know of each other, and not even they for certain: it makes losing again rare, not impossible.
 */
export function nextTurn(nk: Nakama, record: string, tookMs: number, now: number): number {
  const key = `gameye_turn:${record}`;
  const last = nk.localcacheGet(key);
  const turn = Math.max(now, Number(last ?? 0)) + Math.min(TURN_MS.most, Math.max(TURN_MS.least, tookMs));
  nk.localcachePut(key, String(turn), TURNS_SECONDS);
  return turn;
}
