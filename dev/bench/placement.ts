import { rankRegions } from '../../src/allocation/regions.ts';
import type { Latency } from '../../src/allocation/request.ts';
import { parseConfig, type Config } from '../../src/config.ts';
import { newInstance, withSeats, type Instance } from '../../src/instances/instance.ts';
import { fullest, hasRoomFor } from '../../src/instances/pool.ts';
import { leave, take } from '../../src/instances/seats.ts';
import { markdownTable, percentile } from './statistics.ts';

/*
 * Where groups are placed, with the module's own rules and no servers: the same people come at the same times, with and
 * without backfill, with and without ranking of regions.
 */
const GROUPS = 2000;
const SEATS = 8;
const MINUTE = 60_000;
/** One group every two seconds, which plays from four to twelve minutes; an empty session is stopped a minute later. */
const BETWEEN_MS = 2000;
const GRACE_MS = MINUTE;
const MOST_MS = 120;
const POOL = 'p0';

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

interface Placed {
  sessions: number;
  usedShare: number;
  worstPings: number[];
}

/** The table of all four ways, side by side. */
export function placementTable(): string {
  const groups = makeGroups(7);
  const rows = [false, true].flatMap((backfill) =>
    [false, true].map((ranking) => {
      const { sessions, usedShare, worstPings } = place(groups, backfill, ranking);
      const pings = [0.5, 0.9, 1].map((share) => Math.round(percentile(worstPings, share))).join(' / ');
      return [word(backfill), word(ranking), String(sessions), `${Math.round(usedShare * 100)} %`, pings];
    }),
  );
  const header = ['backfill', 'ranking', 'sessions started', 'seats used', 'worst ping of a group, ms p50 / p90 / max'];
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
export function place(groups: Group[], backfill: boolean, ranking: boolean): Placed {
  const config = configuration();
  let running: { value: Instance; emptyMs?: number }[] = [];
  const leaving: { atMs: number; id: string; users: string[] }[] = [];
  const placed: Placed = { sessions: 0, usedShare: 0, worstPings: [] };
  let [seatMs, usedMs] = [0, 0];

  /** Who has played enough leaves; sessions that stay empty end. */
  function passTo(nowMs: number): void {
    leaving.sort((a, b) => a.atMs - b.atMs);
    while (leaving[0] && leaving[0].atMs <= nowMs) {
      const { atMs, id, users } = leaving.shift() as (typeof leaving)[number];
      const session = running.find(({ value }) => value.id === id);
      if (!session) continue;
      session.value = withSeats(session.value, atMs, (seats) => leave(seats, users));
      if (session.value.player_count === 0) session.emptyMs = atMs;
    }
    running = running.filter(({ value, emptyMs }) => {
      if (emptyMs === undefined || emptyMs + GRACE_MS > nowMs) return true;
      seatMs += SEATS * (emptyMs + GRACE_MS - Date.parse(value.create_time));
      return false;
    });
  }

  for (const [i, { atMs, leavesMs, users, latencies }] of groups.entries()) {
    passTo(atMs);
    const regions = ranking ? rankRegions(REGIONS, users, latencies, MOST_MS) : REGIONS;
    const seeker = { pool: POOL, regions, user_ids: users };
    let session = backfill
      ? fullest(
          running.filter(({ value }) => hasRoomFor(value, seeker, config.ttlMs, atMs)),
          users,
        )
      : undefined;
    if (!session) {
      session = { value: started(config, `s${i}`, regions[0] ?? '', atMs) };
      running.push(session);
      placed.sessions++;
    }
    session.value = withSeats(session.value, atMs, (seats) => take(seats, users, undefined));
    delete session.emptyMs;
    leaving.push({ atMs: leavesMs, id: session.value.id, users });
    usedMs += users.length * (leavesMs - atMs);
    const { region } = session.value;
    placed.worstPings.push(Math.max(...latencies.filter((one) => one.region === region).map(({ ms }) => ms)));
  }
  passTo(Infinity);
  placed.usedShare = usedMs / seatMs;
  return placed;
}

function started(config: Config, id: string, region: string, startedAtMs: number): Instance {
  const session = { id, region, maxPlayers: SEATS, metadata: {}, startedAtMs };
  const instance = newInstance(config, session, { host: '10.0.0.1', ports: { '7777/udp': 20_000 } }, {});
  if (!instance) throw new Error('an instance needs a port');
  return { ...instance, pool: POOL };
}

function configuration(): Config {
  const five = { API_TOKEN: 't', API_URL: 'http://gameye.test', API_IMAGE: 'game', API_REGION: REGIONS.join(',') };
  const values = Object.fromEntries(Object.entries(five).map(([name, value]) => [`GAMEYE_${name}`, value]));
  const configured = parseConfig({ values, names: Object.keys(values), problems: [] });
  if ('problems' in configured) throw new Error(JSON.stringify(configured.problems));
  return configured.config;
}

function word(on: boolean): string {
  return on ? 'on' : 'off';
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
