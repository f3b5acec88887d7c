import { SECOND } from '../config';
import type { Call } from './caller';
import { withFields } from './log';
import type { Nakama } from './runtime';

/** As long as a lease: with clocks that are farther apart, a node would take over from one that is alive. */
const MOST_APART_MS = 20 * SECOND;

const LOGGED = 'gameye_clock_logged';
const LOG_EVERY_SECONDS = 60;

/**
 * True when this server's clock must not decide about what other nodes started: leases, reservations and the ends of sessions
 * are times, and the database's clock is the one that all nodes share. Logged once a minute.
 */
export function isClockWrong(call: Call): boolean {
  const ahead = aheadMs(call.nk);
  if (Math.abs(ahead) <= MOST_APART_MS) return false;
  if (call.nk.localcacheGet(LOGGED) === undefined) {
    call.nk.localcachePut(LOGGED, 'yes', LOG_EVERY_SECONDS);
    withFields(call.logger, { ahead_ms: Math.round(ahead) }).error(
      'Gameye: the clocks of this server and of the database differ: until they agree, this node takes over no starts and stops no sessions.',
    );
  }
  return true;
}

/** How far this server's clock is ahead of the database's at least; 0 when that cannot be told. */
function aheadMs(nk: Nakama): number {
  const before = Date.now();
  const rows = nk.sqlQuery('SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds', []);
  const after = Date.now();
  const seconds = (rows as { seconds?: unknown }[])[0]?.seconds;
  if (typeof seconds !== 'number') return 0;
  const there = seconds * SECOND;
  if (there < before) return before - there;
  return there > after ? after - there : 0;
}
