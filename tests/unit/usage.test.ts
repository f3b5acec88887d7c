import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { newAllocation } from '../../src/allocation/create';
import { removeInstance } from '../../src/database/instances';
import { updateInstance } from '../../src/database/reports';
import { forgetUsage, minutesOfToday, readUsage, tellUsage } from '../../src/database/usage';
import { create } from '../../src/fleet/create';
import type { Call } from '../../src/nakama/caller';
import { usage } from '../../src/operations/usage';
import { showGauges } from '../../src/supervision/gauges';
import { noteUsage } from '../../src/supervision/usage';
import { loopAllocator, type AllocatorState } from '../../src/worker/allocator';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET, putInstance, rowsIn, seatOf } from './support/records';
import { refusal } from './support/refusal';

const MINUTE = 60_000;
const NOON = Date.UTC(2026, 5, 15, 12);
const REQUEST = { user_ids: [], max_players: 2, latencies: [], metadata: {} };

let fake: FakeNakama;
let call: Call;
let now: number;
/** What was counted and what gauges show, by name and labels. */
let shown: Map<string, number>;

const show = (name: string, labels: object, value: number, before = 0): void =>
  void shown.set(`${name} ${Object.values(labels).join(' ')}`, before + value);

function begin(variables: { [name: string]: string } = {}): void {
  now = NOON;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  fake = fakeNakama();
  shown = new Map();
  fake.nk.metricsGaugeSet = (name, labels, value) => show(name, labels, value);
  fake.nk.metricsCounterAdd = (name, labels, value) =>
    show(name, labels, value, shown.get(`${name} ${Object.values(labels).join(' ')}`));
  call = { ctx: context({ matchId: 'm1.n1' }), logger: fake.logger, nk: fake.nk, config: configWith(variables) };
}

beforeEach(() => begin());
afterEach(() => void vi.restoreAllMocks());

/** A session of a mode, in which a player is from the start. */
function runs(id: string, mode = '', seats: Parameters<typeof putInstance>[2] = { [`u-${id}`]: 'joined' }): void {
  putInstance(fake, { id }, seats);
  const empty = Object.keys(seats).length === 0;
  fake.query('UPDATE gameye_instance SET mode = $2, empty_since = CASE WHEN $3 THEN now() END WHERE id = $1', [
    ...[id, mode, empty],
  ]);
}
const used = (days = 7) => readUsage(fake.nk, FLEET, days);
const day = { day: '2026-06-15', mode: '', sessions: 0, minutes: 0, empty_minutes: 0, no_show_minutes: 0 };

describe('the minutes of a session', () => {
  it('are counted by mode while it runs, and once when its record goes, whoever asks for that how often', () => {
    runs('s1', 'duel');
    runs('s2');
    now += 3 * MINUTE;
    expect(used()).toEqual([
      { ...day, minutes: 3 },
      { ...day, mode: 'duel', minutes: 3 },
    ]);
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    now += MINUTE;
    for (let i = 0; i < 2; i++) removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(used()).toEqual([
      { ...day, minutes: 4 },
      { ...day, mode: 'duel', minutes: 3, sessions: 1 },
    ]);
    expect(minutesOfToday(fake.nk, FLEET)).toEqual({ day: '2026-06-15', minutes: 7 });
  });

  it('are counted once when the answer of the database is lost, and not at all when it did nothing', () => {
    runs('s1');
    now += MINUTE;
    const fails = (when: 'before' | 'after'): void => {
      fake[when] = (event) => {
        if (event.kind === 'sql' && event.statement.includes('gameye_usage')) throw new Error('connection reset');
      };
      expect(refusal(() => removeInstance(fake.nk, FLEET, 's1', 'gone', false)).code).toBe(14);
      fake[when] = () => undefined;
    };
    fails('before');
    expect(used()).toEqual([{ ...day, minutes: 1 }]);
    fails('after');
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(used()).toEqual([{ ...day, minutes: 1, sessions: 1 }]);
  });

  it('belong to the days on which they were, by UTC', () => {
    now = Date.UTC(2026, 5, 14, 23, 50);
    runs('s1');
    now = NOON - 11 * 60 * MINUTE;
    const split = [
      { ...day, minutes: 60 },
      { ...day, day: '2026-06-14', minutes: 10 },
    ];
    expect(used()).toEqual(split);
    expect(minutesOfToday(fake.nk, FLEET).minutes).toBe(60);
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(used()).toEqual([{ ...split[0], sessions: 1 }, split[1]]);
    expect(used(1)).toHaveLength(1);
  });

  it('are never more than its ttl, however late its end is noticed', () => {
    runs('s1');
    fake.query("UPDATE gameye_instance SET expires_at = now() + interval '30 minutes'");
    now += 10 * 60 * MINUTE;
    expect(used()).toEqual([{ ...day, minutes: 30 }]);
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(used()).toEqual([{ ...day, minutes: 30, sessions: 1 }]);
  });

  it('are wasted when nobody ever came, which is known at its end', () => {
    runs('s1', '', {});
    now += 2 * MINUTE;
    expect(used()).toEqual([{ ...day, minutes: 2 }]);
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(used()).toEqual([{ ...day, minutes: 2, no_show_minutes: 2, sessions: 1 }]);
  });

  it('are wasted while nobody is in it any more, also when somebody comes back', () => {
    runs('s1');
    const counts = (players: number): unknown => updateInstance(fake.nk, FLEET, 's1', players, {}, true);
    now += 10 * MINUTE;
    counts(0);
    now += 3 * MINUTE;
    expect(used()).toEqual([{ ...day, minutes: 13, empty_minutes: 3 }]);
    counts(1);
    now += 5 * MINUTE;
    counts(0);
    now += MINUTE;
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    expect(used()).toEqual([{ ...day, minutes: 19, empty_minutes: 4, sessions: 1 }]);
  });

  it('are told to the metrics once, in whole seconds, whichever node asks', () => {
    runs('s1', 'duel-2');
    now += 90_500;
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    noteUsage(call);
    expect(tellUsage(fakeNakama(fake).nk, FLEET)).toEqual([]);
    expect(shown).toEqual(new Map([['gameye_session_seconds duel_2 all', 90]]));
    runs('s2', 'duel-2', {});
    now += 1500;
    removeInstance(fake.nk, FLEET, 's2', 'gone', false);
    noteUsage(call);
    expect(shown.get('gameye_session_seconds duel_2 all')).toBe(92);
    expect(shown.get('gameye_session_seconds duel_2 no_show')).toBe(1);
  });
});

it('the usage of a day is forgotten when nobody may ask for it any more', () => {
  const add = (age: number) =>
    fake.query(
      `INSERT INTO gameye_usage (fleet, day, mode) VALUES ($1, (now() AT TIME ZONE 'UTC')::date - $2::int4, '')`,
      [FLEET, age],
    );
  add(400);
  add(401);
  expect([forgetUsage(fake.nk, FLEET), forgetUsage(fake.nk, FLEET)]).toEqual([1, 0]);
});

describe('GAMEYE_MAX_MINUTES_PER_DAY', () => {
  beforeEach(() => {
    begin({ GAMEYE_MAX_MINUTES_PER_DAY: '10' });
    fake.http = ({ method, body }) =>
      method === 'post'
        ? answer(201, { ...(body as object), host: '5.6.7.8', ports: [{ type: 'udp', container: 7777, host: 9 }] })
        : answer(200, {});
    runs('s1');
  });
  const match = (userId: string): void => {
    const allocation = { ...newAllocation(call, { ...REQUEST, user_ids: [userId] }), created_at_ms: 0 };
    let state: AllocatorState | undefined = { allocation: JSON.stringify(allocation), wake_at_ms: 0 };
    for (let i = 0; state && i < 20; i++) state = loopAllocator(call, { ...state, wake_at_ms: 0 });
  };
  const warnings = () => fake.log.filter(({ message }) => message.includes('GAMEYE_MAX_MINUTES_PER_DAY'));

  it('is warned of once a day, at 80 %, by whichever node', () => {
    now += 7.9 * MINUTE;
    noteUsage(call);
    expect(warnings()).toEqual([]);
    now += 0.2 * MINUTE;
    for (let i = 0; i < 2; i++) noteUsage(call);
    expect(warnings()).toMatchObject([{ level: 'warn', fields: { minutes: '8', most: '10' } }]);
    now += 24 * 60 * MINUTE;
    noteUsage(call);
    expect(warnings()).toHaveLength(2);
  });

  it('lets sessions start until it is reached, and none after that: players hear a reason, servers code 8', () => {
    now += 9 * MINUTE;
    expect(create(call, REQUEST).session_id).toMatch(/-/);
    match('u1');
    expect(seatOf(fake, 'u1')?.['state']).toBe('joined');
    const before = { requests: fake.requests.length, instances: rowsIn(fake, 'instance') };
    now += 2 * MINUTE;
    expect(refusal(() => create(call, REQUEST))).toMatchObject({
      code: 8,
      message: expect.stringContaining('GAMEYE_MAX_MINUTES_PER_DAY') as string,
    });
    match('u2');
    expect(fake.sent().filter(({ userId }) => userId === 'u2')).toMatchObject([
      { content: { reason: 'quota_exceeded' } },
    ]);
    expect(seatOf(fake, 'u2')).toMatchObject({ state: 'failed', reason: 'quota_exceeded' });
    expect({ requests: fake.requests.length, instances: rowsIn(fake, 'instance') }).toEqual(before);
    expect(shown.get('gameye_refusals max_minutes')).toBe(2);
    expect(warnings()).toMatchObject([{ level: 'warn' }]);
  });

  it('begins anew at midnight UTC, and is shown beside what was used', () => {
    now += 11 * MINUTE;
    expect(usage(call, 1).today).toEqual({ day: '2026-06-15', minutes: 11, max: 10 });
    removeInstance(fake.nk, FLEET, 's1', 'gone', false);
    now += 12 * 60 * MINUTE;
    expect(usage(call, 1)).toEqual({ days: [], today: { day: '2026-06-16', minutes: 0, max: 10 } });
    expect(create(call, REQUEST).session_id).toMatch(/-/);
  });
});

describe('the gauges of the metrics', () => {
  const gauges = (labels: string): unknown[] =>
    ['gameye_running_sessions', 'gameye_running_players', 'gameye_open_seats'].map((name) =>
      shown.get(`${name} ${labels}`),
    );

  it('show sessions, players and open seats by mode, region and version, and zero for a group that is gone', () => {
    putInstance(fake, { id: 's1', version: '1.0', max_players: 4 }, { u1: 'joined', u2: now + 1000 });
    putInstance(fake, { id: 's2', version: '1-0', max_players: 4 });
    putInstance(fake, { id: 's3', region: 'us', status: 'draining' }, { u3: 'joined' });
    putInstance(fake, { id: 's4', region: 'us', status: 'lost' });
    showGauges(call);
    expect(gauges('none eu 1_0')).toEqual([2, 2, 6]);
    expect(gauges('none us none')).toEqual([1, 1, 0]);
    expect(shown.size).toBe(6);
    for (const id of ['s1', 's2']) removeInstance(fake.nk, FLEET, id, 'gone', false);
    showGauges(call);
    expect(gauges('none eu 1_0')).toEqual([0, 0, 0]);
    expect(gauges('none us none')).toEqual([1, 1, 0]);
  });

  it('show at most 200 groups in the life of a process, and all further ones as one', () => {
    for (let i = 0; i < 201; i++) putInstance(fake, { id: `s${i}`, version: `a${i}` });
    showGauges(call);
    expect(gauges('other other other')).toEqual([1, 0, 2]);
    for (let i = 0; i < 150; i++) removeInstance(fake.nk, FLEET, `s${i}`, 'gone', false);
    for (let i = 0; i < 3; i++) putInstance(fake, { id: `t${i}`, version: `b${i}` });
    showGauges(call);
    expect(shown.size).toBe(3 * 201);
    const total = [...shown].filter(([name]) => name.startsWith('gameye_running_sessions'));
    expect(total.reduce((sum, [, value]) => sum + value, 0)).toBe(54);
  });

  it('never stop the supervisor', () => {
    putInstance(fake);
    fake.nk.metricsGaugeSet = () => {
      throw new Error('refused');
    };
    expect(() => showGauges(call)).not.toThrow();
  });
});
