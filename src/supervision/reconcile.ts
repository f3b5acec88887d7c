import { OWNER_LABEL } from '../allocation/owner';
import { SECOND, type Config } from '../config';
import { isLive, readListed, statusOf, type ListedSession, type Listing } from '../gameye/wire';
import { LOST, refreshed, withSeats, type Instance } from '../instances/instance';
import { retirement, type RetireReason } from './retire';
import { fingerprint, quietUntil, type Unchanged } from './unchanged';

/*
 * What has to be done so that records and sessions agree: a pure function of the records, Gameye's list and the time. The
 * list is only a hint. It may be stale, incomplete or of another account, so no record is removed before its session was
 * asked for alone, and of a list that looks wrong only what it shows is looked into, never what it does not show.
 */

/** One thing to do, not before `at_ms`. Whoever does it looks again first: much may have happened meanwhile. */
export type Task =
  | { do: 'stop'; id: string; at_ms: number; reason: RetireReason; runs: boolean }
  /** The list does not show it, or as ended: ask for it alone. */
  | { do: 'confirm'; id: string; at_ms: number; young?: true }
  /** What the list shows beside the record; without it, only its seats are out of date. */
  | { do: 'repair'; id: string; at_ms: number; session?: Pick<ListedSession, 'host' | 'ports' | 'status'> }
  /** It runs, players are in it, and there is no record. */
  | { do: 'adopt'; id: string; at_ms: number }
  /** It runs for nobody, and there is no record. */
  | { do: 'stop-stray'; id: string; at_ms: number };

/** Since when sessions without a record were seen. */
export type Strays = { [sessionId: string]: number };

export interface Plan {
  tasks: Task[];
  /** Why the list was not used. */
  distrust?: 'failed' | 'unreadable_entries' | 'shows_none' | 'shows_few' | 'records_unread';
  strays: Strays;
  records: number;
  sessions: number;
  /** The list shows sessions that we know: it is of the right account. */
  showsAny: boolean;
  /** There is more to do than one plan holds: the next one is due when this one is done. */
  more: boolean;
  /** The records that need nothing, for the next comparison. */
  unchanged: Map<string, Unchanged>;
}

/** A plan holds no more than this, so that it stays small in memory and in time. */
const MOST_TASKS = 500;
/** Each asks the API: the rest waits for the next pass, because a wrong list would cost thousands. */
const MOST_CONFIRMED = 100;

/** A session younger than that may be missing in a list that was made a moment ago. */
const YOUNG_MS = 20 * SECOND;

/** From this many records on, a list that shows less than half of them is not believed. */
const FEW = 10;

export interface Comparison {
  /** Hears of every record, in any order; the record may be the runtime's own object. */
  visit(id: string, version: string, record: Instance): void;
  /** With the session ids of all open allocations; undefined when those or the records could not all be read. */
  finish(open: Set<string> | undefined, strays: Strays): Plan;
}

/**
 * Compares records with a list that was asked for before any of them was read; undefined when there is none. `horizonMs`
 * is when the next plan will be made: what is due later is left to it. `before`: what the last plan found unchanged;
 * `isKnownAccount`: an earlier list of this account showed sessions that we know.
 */
export function compare(
  config: Config,
  owner: string,
  listing: Listing | undefined,
  before: Map<string, Unchanged>,
  isKnownAccount: boolean,
  now: number,
  horizonMs: number,
): Comparison {
  const listed = listing?.entries ?? new Map<string, never>();
  const unchanged = new Map<string, Unchanged>();
  const seen = new Set<string>();
  // What costs money comes first: sessions that run for nobody.
  const urgent: Task[] = [];
  const always: Task[] = [];
  const ifTrusted: Task[] = [];
  let records = 0;
  // Records that a list has to show, and those of them that it does; and whether it shows anything that we know of.
  let settled = 0;
  let shown = 0;
  let hasOld = false;
  let showsAny = false;
  let confirms = 0;
  let more = false;

  function add(to: Task[], task: Task): void {
    const planned = to === urgent ? urgent.length : always.length + ifTrusted.length;
    if (planned < MOST_TASKS) to.push(task);
    else more = true;
  }

  function visit(id: string, version: string, record: Instance): void {
    const entry = listed.get(id);
    const known = before.get(id);
    const alive = entry !== undefined && isLive(statusOf(entry));
    records++;
    seen.add(id);
    showsAny = showsAny || alive;
    if (
      alive &&
      known?.version === version &&
      known.quiet_until_ms > horizonMs &&
      known.listed === fingerprint(entry)
    ) {
      unchanged.set(id, known);
      note(known.created_ms, alive, true);
      return;
    }
    // The runtime's object is slow to read, so it is read once.
    const instance = JSON.parse(JSON.stringify(record)) as Instance;
    const created = Date.parse(instance.create_time);
    note(created, alive, isListed(instance));
    const planned = urgent.length + always.length + ifTrusted.length;
    examine(instance, entry && readListed(entry), created + YOUNG_MS);
    if (!alive || more || urgent.length + always.length + ifTrusted.length > planned) return;
    const quiet_until_ms = quietUntil(config, instance, now);
    unchanged.set(id, { version, listed: fingerprint(entry), quiet_until_ms, created_ms: created });
  }

  /** A session that runs and is older than a moment has to be in the list. */
  function note(createdMs: number, alive: boolean, isRunning: boolean): void {
    if (createdMs > now - YOUNG_MS) return;
    hasOld = true;
    if (isRunning) settled++;
    if (isRunning && alive) shown++;
  }

  function examine(instance: Instance, session: ListedSession | undefined, settledAtMs: number): void {
    const { id } = instance;
    const alive = session !== undefined && isLive(session.status);
    const end = retirement(config, instance, now);
    if (end && end.at_ms <= horizonMs) add(alive ? urgent : always, { do: 'stop', id, ...end, runs: alive });
    if (end && end.at_ms <= now) return;
    if (listing && !alive) {
      // One that was not found before is asked for again, at least when others of ours were seen with this account.
      const to = instance.status === LOST && !isKnownAccount ? ifTrusted : always;
      // Perhaps it started after the list was made: then it is asked for a moment later, and that it runs proves nothing.
      const when = settledAtMs > now ? { at_ms: settledAtMs, young: true as const } : { at_ms: now };
      if (confirms++ < MOST_CONFIRMED) add(to, { do: 'confirm', id, ...when });
    } else if (alive && refreshed(config, instance, session, now) !== instance) {
      const { host, ports, status } = session;
      add(ifTrusted, { do: 'repair', id, at_ms: now, session: { host, ports, status } });
      return;
    }
    if (withSeats(instance, now, (seats) => seats).player_count !== instance.player_count) {
      add(always, { do: 'repair', id, at_ms: now });
    }
  }

  function finish(open: Set<string> | undefined, strays: Strays): Plan {
    if (open) for (const id of listed.keys()) showsAny = showsAny || open.has(id);
    const distrust = whyNot(open !== undefined);
    // What it shows may be looked into when it shows others of ours; each is asked for alone before anything is done.
    const shows = distrust === undefined || distrust === 'shows_few' || distrust === 'unreadable_entries';
    const found = shows && open ? findStrays(open, strays) : strays;
    const rest = { strays: found, records, sessions: listed.size, showsAny, unchanged };
    const tasks = urgent.concat(always);
    if (distrust !== undefined) return { tasks, distrust, more, ...rest };
    return { tasks: tasks.concat(ifTrusted), more: more || confirms > MOST_CONFIRMED, ...rest };
  }

  function whyNot(isComplete: boolean): Plan['distrust'] {
    if (!listing) return 'failed';
    if (!isComplete) return 'records_unread';
    if (listing.unreadable > 0) return 'unreadable_entries';
    if (hasOld && !showsAny) return 'shows_none';
    return settled >= FEW && shown < settled / 2 ? 'shows_few' : undefined;
  }

  function findStrays(open: Set<string>, before: Strays): Strays {
    const strays: Strays = {};
    for (const [id, entry] of listed) {
      if (!isLive(statusOf(entry)) || seen.has(id) || open.has(id)) continue;
      const session = readListed(entry);
      if (session.labels[OWNER_LABEL] !== owner) continue;
      if ((session.playerCount ?? 0) > 0) {
        add(always, { do: 'adopt', id, at_ms: now });
        continue;
      }
      const since = before[id] ?? now;
      strays[id] = since;
      const at_ms = since + config.emptyGraceMs;
      if (at_ms <= horizonMs) add(urgent, { do: 'stop-stray', id, at_ms });
    }
    return strays;
  }

  return { visit, finish };
}

/** In which order tasks are done that are due: those that end what costs money first. */
export function byUrgency(a: Task, b: Task): number {
  return Number(isUrgent(b)) - Number(isUrgent(a)) || a.at_ms - b.at_ms;
}

function isUrgent(task: Task): boolean {
  return task.do === 'stop-stray' || (task.do === 'stop' && task.runs);
}

/** Gameye lists running sessions; our own `draining` says nothing else. */
function isListed({ status }: Instance): boolean {
  return status === 'running' || status === 'draining';
}
