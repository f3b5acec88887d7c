import { SECOND } from '../config';
import { databaseNow } from '../database/clock';
import { claimJob, keepJob, ownerId, readControl } from '../database/control';
import { markLost } from '../database/instances';
import { compareSessions } from '../database/reconcile';
import { describeSession, listSessions } from '../gameye/session-api';
import { isLive } from '../gameye/wire';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import { forgetSession } from './departure';
import { OWNER_LABEL } from './launch';

/*
 * A session that crashed counts in GAMEYE_MAX_SESSIONS until somebody notices. So whoever is refused because of that limit has
 * the sessions that count compared with Gameye's list, and those that it does not show asked for one by one.
 */

/** What the last one who looked leaves to the next. */
interface Looked {
  /** When it began, by the database's clock: sessions that died before that count no more. 0: nobody has looked yet. */
  at_ms: number;
  /** Nobody looks again before this: not more often than every few seconds, on all nodes, and less often when it takes long. */
  next_at_ms: number;
}

const LEAST_PAUSE_MS = 3 * SECOND;
const MOST_PAUSE_MS = 60 * SECOND;
/** A pause is so many times as long as the look before it. */
const PAUSES = 10;

/** A server's RPC waits for it as well, and has 10 s. */
const TOTAL_MS = 5 * SECOND;
const LIST_TIMEOUT_MS = 4 * SECOND;
const CALL_TIMEOUT_MS = 2 * SECOND;
/** Longer than it can take. */
const LEASE_MS = 20 * SECOND;
const MOST_ASKED = 50;

/**
 * True when the sessions that count were looked at after `since`: by this call, or by whoever did it before. False: somebody
 * is about to, or did so a moment too early.
 */
export function isRecounted(call: Call, since: number): boolean {
  const { nk, config } = call;
  const job = `recount:${config.fleet}`;
  const last = readControl<Looked>(nk, job) ?? { at_ms: 0, next_at_ms: 0 };
  if (last.at_ms >= since) return true;
  const began = databaseNow();
  if (began < last.next_at_ms) return false;
  const looker = nk.uuidv4();
  const held = claimJob<Looked>(nk, job, looker, LEASE_MS, last);
  if (!held || held.at_ms !== last.at_ms) return false;
  recount(call);
  const now = databaseNow();
  const pause = Math.min(MOST_PAUSE_MS, Math.max(LEAST_PAUSE_MS, PAUSES * (now - began)));
  keepJob<Looked>(nk, job, looker, 0, { at_ms: began, next_at_ms: now + pause });
  return true;
}

/** Nothing is concluded from the list alone, and a session that the API does not know is only marked as lost. */
function recount(call: Call): void {
  const { nk, config } = call;
  const until = Date.now() + TOTAL_MS;
  const owner = ownerId(nk);
  const list = listSessions(nk, config, { name: OWNER_LABEL, value: owner }, LIST_TIMEOUT_MS, false);
  if (list.kind !== 'done') return;
  const { confirms, stops } = compareSessions(nk, {
    fleet: config.fleet,
    owner,
    listing: list.value,
    strays: {},
    grace_ms: config.emptyGraceMs,
    horizon_ms: 0,
    most: MOST_ASKED,
  });
  const missing = [...confirms.filter(({ lost }) => !lost), ...stops.filter(({ runs }) => !runs)];
  const gone = missing.filter(({ id }) => Date.now() < until && hasEnded(call, id)).length;
  if (gone === 0) return;
  withFields(call.logger, { gone }).info('Gameye: GAMEYE_MAX_SESSIONS is reached; sessions that ended count no more.');
}

function hasEnded(call: Call, id: string): boolean {
  const { nk, config } = call;
  const outcome = describeSession(nk, config, id, CALL_TIMEOUT_MS);
  if (outcome.kind !== 'done') return outcome.failure.kind === 'not-found' && markLost(nk, config.fleet, id) > 0;
  if (isLive(outcome.value.status)) return false;
  forgetSession(call, id, 'gone');
  count(nk, 'gameye_reconciled', { change: 'removed' });
  return true;
}
