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
