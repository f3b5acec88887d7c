import { describe, expect, it } from 'vitest';
import { get, remove, update } from '../../src/fleet/fleet-manager';
import { configWith, SEAT_SECRET, TOKEN } from './support/config';
import { CALM, type Fault, type Turn } from './support/gameye';
import { ALLOCATIONS, INSTANCES, live, type Life, isAssignment, rowsOf } from './support/life';
import { goError } from './support/nakama';

const config = configWith();
const oneRegion = configWith({ GAMEYE_API_REGION: 'eu-central-1' });
const reporting = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' });
const turns = (...faults: Fault[]): Turn[] => faults.map((fault) => ({ ...CALM, fault }));
const row = `${ALLOCATIONS}/id-0`;

/** What the worker did, in order: storage without reads, requests, notifications. */
function story(life: Life): string[] {
  return life.fake.events.flatMap((event) => {
    if (isAssignment(event)) return [];
    if (event.kind === 'http') return [`${event.method} ${event.url.replace('http://gameye.test', '')}`];
    if (event.kind === 'write' || event.kind === 'delete') return [`${event.kind} ${event.keys.join(' ')}`];
    return event.kind === 'notify' ? [`notify ${event.notifications.map((one) => one.code).join(' ')}`] : [];
  });
}

describe('a worker', () => {
  it('stores first, then asks, tells the players, and stores the instance last', () => {
    expect(story(live({ config }))).toEqual([
      `write ${row} gameye_assignment/current@u1 gameye_assignment/current@u2`,
      'post /session',
      `write ${row}`,
      'notify 7300 7300',
      `write ${row}`,
      `write ${INSTANCES}/id-0 ${row}`,
      'put /session/player/join',
    ]);
  });

  it('leaves an instance with its players seated, and no allocation', () => {
    const { fake } = live({
      config: reporting,
      request: { max_players: 4, metadata: { map: 'dust', 'gameye.env': { A: 'b' } } },
    });
    expect(rowsOf(fake)).toEqual([`${INSTANCES}/id-0`]);
    expect(fake.stored(INSTANCES, 'id-0')).toMatchObject({
      id: 'id-0',
      status: 'running',
      region: 'eu-central-1',
      player_count: 2,
      open_seats: 2,
      metadata: { map: 'dust' },
      seats: { u1: { state: 'reserved' }, u2: { state: 'reserved' } },
    });
  });

  it('sends what a container needs, and stores none of it', () => {
    const metadata = { map: 'dust', 'gameye.env': { GAME_MODE: 'ctf' }, 'gameye.external_id': 'x-1' };
    const { fake } = live({ config: reporting, request: { metadata } });
    const body = fake.requests[0]!.body as { env: { [key: string]: string } };
    expect(body).toMatchObject({
      id: 'id-0',
      location: 'eu-central-1',
      image: 'my-game',
      ttl: '30m',
      external_id: 'x-1',
      labels: { map: 'dust', nakama_fleet: 'default' },
      env: { GAME_MODE: 'ctf', NAKAMA_MATCH_USER_IDS: 'u1,u2', NAKAMA_URL: 'http://nakama:7350' },
    });
    expect(body.env['SEAT_SECRET']).toMatch(/^[0-9a-f]{64}$/);
    expect(body.env['NAKAMA_SERVER_TOKEN']).toContain('gameye_session_id');
    const kept = JSON.stringify([fake.stored(INSTANCES, 'id-0'), fake.log, fake.sent()]);
    for (const secret of [TOKEN, SEAT_SECRET, body.env['SEAT_SECRET']!, body.env['NAKAMA_SERVER_TOKEN']!]) {
      expect(kept).not.toContain(secret);
    }
  });

  it('adopts the session when the answer to its start got lost', () => {
    const life = live({ config, turns: turns('reply-lost') });
    expect(life.fake.requests.map((one) => one.method)).toEqual(['post', 'post', 'get', 'put']);
    expect(life.running).toEqual(['id-0']);
    expect(life.told.map((one) => one.sessionId)).toEqual(['id-0', 'id-0']);
  });

  it('goes to the next region at once when one is full', () => {
    const life = live({ config, turns: [{ ...CALM, full: true }] });
    expect(life.fake.stored(INSTANCES, 'id-0')).toMatchObject({ region: 'us-east-1' });
    expect(life.told[0]!.atMs).toBeLessThan(life.deadlineMs - 59_000);
  });

  it('tells the players why there is no server, before it stops what may run', () => {
    const life = live({ config, turns: turns('request-lost', 'unauthorized') });
    const steps = story(life).filter((step) => !step.startsWith('write'));
    const stop = 'delete /session/id-0'; // Absent; asked again when a POST on its way would have arrived.
    expect(steps).toEqual(['post /session', 'post /session', 'notify 7301 7301', stop, stop, `delete ${row}`]);
  });

  it('registers the players at Gameye also when it does not answer, without harm', () => {
    const life = live({ config, turns: turns('none', 'reply-late') });
    expect(life.running).toEqual(['id-0']);
    expect(life.fake.log).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'Gameye: a request failed.' }),
    );
  });

  it('needs no players', () => {
    const life = live({ config, request: { user_ids: [], max_players: 8 } });
    expect(life.told).toEqual([]);
    expect(story(life)).not.toContain('put /session/player/join');
    expect(life.fake.stored(INSTANCES, 'id-0')).toMatchObject({ player_count: 0, open_seats: 8 });
  });

  it('starts nothing when its time ran out before it began', () => {
    const life = live({ config, createTimeoutMs: 1 });
    expect(story(life)).toEqual(['notify 7301 7301']);
    expect(life.ended).toBe(true);
  });

  it('stops a session that does not expose the port that players need', () => {
    const life = live({ config: configWith({ GAMEYE_API_PORT: '9999/udp' }) });
    expect(life.fake.sent()[0]).toMatchObject({ code: 7301, content: { reason: 'misconfigured' } });
    expect(life.running).toEqual([]);
    expect(rowsOf(life.fake)).toEqual([]);
  });

  it('stops a session of which nobody could be told', () => {
    const life = live({ config, meanwhile: { event: 1, act: ({ fake }) => breakNotifications(fake) } });
    expect(life.told.map((one) => one.code)).toEqual([7301, 7301]);
    expect(life.running).toEqual([]);
    expect(rowsOf(life.fake)).toEqual([]);
  });

  it('keeps trying in a single region that stays full, until the time is up', () => {
    const full = Array.from({ length: 40 }, () => ({ ...CALM, full: true }));
    const life = live({ config: oneRegion, turns: full });
    expect(life.fake.sent()[0]).toMatchObject({ content: { reason: 'no_capacity' } });
    expect(life.fake.requests.length).toBeGreaterThan(10);
    expect(life.fake.requests.length).toBeLessThan(32);
    expect(new Set(life.fake.requests.map((one) => (one.body as { id: string }).id))).toEqual(new Set(['id-0']));
  });
});

function breakNotifications(fake: Life['fake'], at: () => void = () => undefined): void {
  const { before } = fake;
  fake.before = (event) => {
    before(event);
    if (event.kind !== 'notify' || !event.notifications[0]!.persistent) return;
    at();
    throw goError('violates foreign key constraint');
  };
}

describe('after a crash', () => {
  const undisturbed = live({ config }).fake.events.filter((event) => !isAssignment(event)).length;
  const moments = Array.from({ length: undisturbed }, (_, i) => i);
  it.each(moments.flatMap((at) => [['before', at] as const, ['after', at] as const]))(
    '%s step %i the next worker finishes with one session, if anything was stored',
    (when, at) => {
      const blows = [...moments.slice(0, at).map(() => 'none' as const), `crash-${when}` as const];
      const life = live({ config, blows });
      const lost = at === 0 && when === 'before';
      expect(life.crashes).toBe(1);
      expect(life.running).toEqual(lost ? [] : ['id-0']);
      expect(rowsOf(life.fake)).toEqual(lost ? [] : [`${INSTANCES}/id-0`]);
      expect(new Set(life.told.map((one) => one.code))).toEqual(new Set(lost ? [] : [7300]));
    },
  );

  it.each(moments.flatMap((at) => [['before', at] as const, ['after', at] as const]))(
    'a database error %s step %i only costs time',
    (when, at) => {
      const blows = [...moments.slice(0, at).map(() => 'none' as const), `error-${when}` as const];
      const life = live({ config, blows });
      expect(life.running).toEqual(['id-0']);
      expect(rowsOf(life.fake)).toEqual([`${INSTANCES}/id-0`]);
      expect(new Set(life.told.map((one) => one.code))).toEqual(new Set([7300]));
      expect(life.told[0]!.atMs).toBeLessThan(life.deadlineMs - 50_000);
    },
  );

  it('stops the session when the time is up', () => {
    const life = live({ config, createTimeoutMs: 20_000, blows: ['none', 'crash-after'] });
    expect(life.told.map((one) => one.code)).toEqual([7301, 7301]);
    expect(life.running).toEqual([]);
  });
});

describe('meanwhile', () => {
  it('a deleted session is stopped, although its start was on its way', () => {
    // Event 2 is the POST.
    const life = live({ config, meanwhile: { event: 2, act: ({ call }) => void remove(call, 'id-0') } });
    expect(life.running).toEqual([]);
    expect(life.fake.sent().map((one) => one.code)).toEqual([7301, 7301]);
    expect(rowsOf(life.fake)).toEqual([]);
  });
  it('a session deleted after its players were told is stopped without telling them otherwise', () => {
    const life = live({ config, meanwhile: { event: 6, act: ({ call }) => void remove(call, 'id-0') } });
    expect(life.running).toEqual([]);
    expect(life.fake.sent().map((one) => one.code)).toEqual([7300, 7300]);
    expect(rowsOf(life.fake)).toEqual([]);
  });
  it('an instance that was asked for, or reported about, is stored once, and its players are registered', () => {
    for (const act of [
      ({ call }: Life) => void update(call, 'id-0', 2, { round: 1 }),
      ({ call }: Life) => void get(call, 'id-0'),
    ]) {
      const life = live({ config: reporting, meanwhile: { event: 5, act } });
      expect(rowsOf(life.fake)).toEqual([`${INSTANCES}/id-0`]);
      expect(life.fake.stored(INSTANCES, 'id-0')).toMatchObject({ seats: { u1: {}, u2: {} }, max_players: 2 });
      expect(life.fake.requests.filter((one) => one.method === 'put')).toHaveLength(1);
    }
  });
  it('an instance that was asked for goes with its session when nobody could be told', () => {
    let stored = false;
    const act = ({ call, fake }: Life) =>
      breakNotifications(fake, () => {
        update(call, 'id-0', 1, {});
        stored = fake.rows().includes(`${INSTANCES}/id-0`);
      });
    const life = live({ config: reporting, meanwhile: { event: 1, act } });
    expect(stored).toBe(true);
    expect(life.running).toEqual([]);
    expect(life.fake.rows()).not.toContain(`${INSTANCES}/id-0`);
  });
  it('another worker that took over is left alone', () => {
    const life = live({
      config,
      meanwhile: {
        event: 3,
        act: ({ fake, row: read, now }) => {
          fake.put(ALLOCATIONS, 'id-0', { ...read()!, lease: { holder: 'm-other', until_ms: now() + 1e9 } });
        },
      },
    });
    expect(story(life).slice(-1)).toEqual([`write ${row}`]); // The write that found the conflict.
    expect(life.told).toEqual([]);
    expect(life.row()?.lease.holder).toBe('m-other');
  });
});
