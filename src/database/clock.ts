/*
 * The database's clock is the one that all nodes share: leases, deadlines and reservations are its times. Every statement
 * brings it along, so that what is computed here goes by it as well, however wrong this server's clock is.
 */

// A closure variable, so mutable although Nakama freezes globals; each VM has its own.
let aheadMs: number | undefined;

/** Takes over what the database's clock says now, in milliseconds since 1970. */
export function noteDatabaseTime(nowMs: number): void {
  aheadMs = nowMs - Date.now();
}

/** Now by the database's clock, in milliseconds since 1970; by this server's until the first statement. */
export function databaseNow(): number {
  return Math.round(Date.now() + (aheadMs ?? 0));
}
