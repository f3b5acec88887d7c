import { acceptableRegions, nearRegions } from '../../src/allocation/regions.ts';
import type { Latency } from '../../src/records.ts';
import { markdownTable, percentile } from './statistics.ts';

/*
 * Where groups are placed, with the module's ranking of regions and without servers: the same people come at the same times,
 * with and without backfill, under several settings. Backfill is modelled: regions in the group's order, then the fullest.
 */
const GROUPS = 2000;
const SEATS = 8;
const MINUTE = 60_000;
/** One group every two seconds, which plays from four to twelve minutes; an empty session is stopped a minute later. */
const BETWEEN_MS = 2000;
const GRACE_MS = MINUTE;

/** What a studio may have set. Without measurements every group has the regions in the configured order. */
export interface Settings {
  measured: boolean;
  maxPingMs?: number;
}

export const DEFAULTS: Settings = { measured: true };
const WAYS: [string, Settings][] = [
  ['no measured latencies', { measured: false }],
  ['default settings', DEFAULTS],
  ['GAMEYE_MAX_PING=50', { measured: true, maxPingMs: 50 }],
  ['GAMEYE_MAX_PING=60000', { measured: true, maxPingMs: 60_000 }],
];

/** From each home to each region, in milliseconds: what people measure from London, New York, Tokyo and São Paulo. */
const REGIONS = ['eu-west', 'us-east', 'ap-east', 'sa-east'];
const PINGS = [
  [15, 80, 230, 190],
  [80, 15, 170, 120],
  [230, 170, 15, 280],
  [190, 120, 280, 15],
];

interface Group {
  atMs: number;
  leavesMs: number;
  users: string[];
  latencies: Latency[];
}

interface Session {
  region: string;
  startedMs: number;
  players: number;
  emptyMs?: number;
}

interface Placed {
  sessions: number;
  usedShare: number;
  worstPings: number[];
}

/** The table of all ways, side by side. */
export function placementTable(): string {
  const groups = makeGroups(7);
  const rows = WAYS.flatMap(([name, settings]) =>
    [false, true].map((backfill) => {
      const { sessions, usedShare, worstPings } = place(groups, backfill, settings);
      const pings = [0.5, 0.9, 1].map((share) => Math.round(percentile(worstPings, share))).join(' / ');
      return [name, backfill ? 'on' : 'off', String(sessions), `${Math.round(usedShare * 100)} %`, pings];
    }),
  );
  const header = [
    'settings',
    'backfill',
    'sessions started',
    'seats used',
    'worst ping of a group, ms p50 / p90 / max',
  ];
  return `${GROUPS} groups of 1 to 4 players over ${Math.round((GROUPS * BETWEEN_MS) / MINUTE)} minutes, sessions of ${SEATS} seats, ${REGIONS.length} regions\n\n${markdownTable(header, rows)}`;
}

/** Groups that are the same in every run: mostly friends from one place, some from two. */
export function makeGroups(seed: number): Group[] {
  const random = generator(seed);
  const pick = (count: number): number => Math.floor(random() * count);
  let atMs = 0;
  return Array.from({ length: GROUPS }, (_, i) => {
    atMs += -Math.log(1 - random()) * BETWEEN_MS;
    const home = pick(REGIONS.length);
    const users = Array.from({ length: 1 + pick(4) }, (_user, seat) => `g${i}-${seat}`);
    const latencies = users.flatMap((user_id) => {
      const from = random() < 0.9 ? home : pick(REGIONS.length);
      return REGIONS.map((region, to) => ({ user_id, region, ms: (PINGS[from]?.[to] ?? 0) * (0.9 + random() * 0.4) }));
    });
    return { atMs, leavesMs: atMs + (4 + 8 * random()) * MINUTE, users, latencies };
  });
}

/** Places groups one after the other; seats and sessions are there at once. */
export function place(groups: Group[], backfill: boolean, { measured, maxPingMs }: Settings): Placed {
  const config = { regions: REGIONS, ...(maxPingMs === undefined ? {} : { maxPingMs }) };
  let running: Session[] = [];
  const leaving: { atMs: number; session: Session; players: number }[] = [];
  const placed: Placed = { sessions: 0, usedShare: 0, worstPings: [] };
  let [seatMs, usedMs] = [0, 0];

  /** Who has played enough leaves; sessions that stay empty end. */
  function passTo(nowMs: number): void {
    leaving.sort((a, b) => a.atMs - b.atMs);
    while (leaving[0] && leaving[0].atMs <= nowMs) {
      const { atMs, session, players } = leaving.shift() as (typeof leaving)[number];
      session.players -= players;
      if (session.players === 0) session.emptyMs = atMs;
    }
    running = running.filter(({ emptyMs, startedMs }) => {
      if (emptyMs === undefined || emptyMs + GRACE_MS > nowMs) return true;
      seatMs += SEATS * (emptyMs + GRACE_MS - startedMs);
      return false;
    });
  }

  for (const { atMs, leavesMs, users, latencies } of groups) {
    passTo(atMs);
    const request = { user_ids: users, latencies: measured ? latencies : [] };
    const regions = acceptableRegions(config, request);
    let session = backfill ? bestOf(running, nearRegions(config, { regions, request }), users.length) : undefined;
    if (!session) {
      session = { region: regions[0] ?? '', startedMs: atMs, players: 0 };
      running.push(session);
      placed.sessions++;
    }
    session.players += users.length;
    delete session.emptyMs;
    leaving.push({ atMs: leavesMs, session, players: users.length });
    usedMs += users.length * (leavesMs - atMs);
    const { region } = session;
    placed.worstPings.push(Math.max(...latencies.filter((one) => one.region === region).map(({ ms }) => ms)));
  }
  passTo(Infinity);
  placed.usedShare = usedMs / seatMs;
  return placed;
}

function bestOf(running: Session[], regions: string[], players: number): Session | undefined {
  const rank = ({ region }: Session): number => regions.indexOf(region);
  return running
    .filter((one) => rank(one) >= 0 && one.players + players <= SEATS)
    .sort((a, b) => rank(a) - rank(b) || b.players - a.players)[0];
}

/** Numbers from 0 to 1 that a seed determines (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
