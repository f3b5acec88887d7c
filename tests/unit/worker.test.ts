import { describe, expect, it } from 'vitest';
import { get } from '../../src/fleet/get';
import { remove } from '../../src/fleet/remove';
import { update } from '../../src/fleet/update';
import { configWith, SEAT_SECRET, TOKEN } from './support/config';
import { CALM, type Fault, type Turn } from './support/gameye';
import { live, rowsOf, thePost, theTelling, type Life } from './support/life';
import { goError, type Event } from './support/nakama';
import { instanceIn, seatOf } from './support/records';

const config = configWith();
const oneRegion = configWith({ GAMEYE_API_REGION: 'eu-central-1' });
const reporting = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' });
const turns = (...faults: Fault[]): Turn[] => faults.map((fault) => ({ ...CALM, fault }));

/** What the worker asked and told, in order. */
function story(life: Life): string[] {
  return life.fake.events.flatMap((event) => {
    if (event.kind === 'http') return [`${event.method} ${event.url.replace('http://gameye.test', '')}`];
    return event.kind === 'notify' ? [`notify ${event.notifications.map((one) => one.code).join(' ')}`] : [];
  });
}

describe('a worker', () => {
  it('starts a session, tells the players, and then tells Gameye who plays', () => {
    expect(story(live({ config }))).toEqual(['post /session', 'notify 7300 7300', 'put /session/player/join']);
  });

  it('needs three statements for a match: before the POST, after it, and at the end', () => {
    expect(live({ config }).kinds).toEqual(['sql', 'http', 'sql', 'notify', 'http', 'sql']);
  });

  it('leaves an instance with its players seated, and no allocation', () => {
    const { fake } = live({
      config: reporting,
      request: { max_players: 4, metadata: { map: 'dust', 'gameye.env': { A: 'b' } } },
    });
    expect(rowsOf(fake)).toEqual(['instance id-0']);
    expect(instanceIn(fake, 'id-0')).toMatchObject({
      id: 'id-0',
      status: 'running',
      region: 'eu-central-1',
      player_count: 2,
      open_seats: 2,
      metadata: { map: 'dust' },
      seats: { u1: { state: 'reserved' }, u2: { state: 'reserved' } },
    });
  });

  it('has the instance and the seats stored when the players are told', () => {
    let seen: unknown;
    live({
      config: reporting,
      meanwhile: { before: theTelling, act: ({ fake }) => (seen = [instanceIn(fake, 'id-0'), seatOf(fake, 'u1')]) },
    });
    expect(seen).toMatchObject([
      { player_count: 2, status: 'running' },
      { state: 'reserved', session_id: 'id-0' },
    ]);
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
    const bound = fake.events.filter((event): event is Extract<Event, { kind: 'sql' }> => event.kind === 'sql');
    const kept = JSON.stringify([bound, fake.log, fake.sent()]);
    for (const secret of [TOKEN, SEAT_SECRET, body.env['SEAT_SECRET']!, body.env['NAKAMA_SERVER_TOKEN']!]) {
      expect(kept).not.toContain(secret);
    }
  });

  it('adopts its session when the answer to the start was lost', () => {
    const life = live({ config, turns: turns('reply-lost') });
    expect(life.fake.requests.map((one) => one.method)).toEqual(['post', 'post', 'get', 'put']);
    expect(life.running).toEqual(['id-0']);
    expect(life.told.map((one) => one.sessionId)).toEqual(['id-0', 'id-0']);
  });

  it('asks the next region at once when one is full', () => {
    const life = live({ config, turns: [{ ...CALM, full: true }] });
    expect(instanceIn(life.fake, 'id-0')).toMatchObject({ region: 'us-east-1' });
    expect(life.told[0]!.atMs).toBeLessThan(life.deadlineMs - 59_000);
  });

  it('tells the players why there is no server, before it stops what may run', () => {
    const life = live({ config, turns: turns('request-lost', 'unauthorized') });
    const stop = 'delete /session/id-0'; // Absent; asked again when a POST on its way would have arrived.
    expect(story(life)).toEqual(['post /session', 'post /session', 'notify 7301 7301', stop, stop]);
    expect(rowsOf(life.fake)).toEqual([]);
    expect(seatOf(life.fake, 'u1')).toMatchObject({ state: 'failed', reason: 'misconfigured' });
  });

  it('keeps the session when Gameye does not answer the report of who plays', () => {
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
    expect(instanceIn(life.fake, 'id-0')).toMatchObject({ player_count: 0, open_seats: 8 });
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
    const life = live({ config, meanwhile: { before: () => true, act: ({ fake }) => breakNotifications(fake) } });
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

  it('stores no text that the database refuses from an API that fails', () => {
    const refusal = { code: 422, headers: {}, body: '{"message":"no \\u0000 \\ud800"}' };
    const act = ({ fake }: Life): void => void (fake.http = () => refusal);
    const life = live({ config, meanwhile: { before: () => true, act } });
    expect(life.fake.sent().map((one) => one.content)).toEqual([
      { reason: 'misconfigured' },
      { reason: 'misconfigured' },
    ]);
    expect(life.ended).toBe(true);
  });
});

function breakNotifications(fake: Life['fake']): void {
  const { before } = fake;
  fake.before = (event) => {
    before(event);
    if (event.kind !== 'notify' || !event.notifications[0]!.persistent) return;
    throw goError('violates foreign key constraint');
  };
}

describe('an allocation whose worker is disturbed', () => {
  const undisturbed = live({ config }).events;
  const moments = Array.from({ length: undisturbed }, (_, i) => i);
  it.each(moments.flatMap((at) => [['before', at] as const, ['after', at] as const]))(
    'by a crash %s step %i ends with one session, if it was stored',
    (when, at) => {
      const blows = [...moments.slice(0, at).map(() => 'none' as const), `crash-${when}` as const];
      const life = live({ config, blows });
      const lost = at === 0 && when === 'before';
      expect(life.crashes).toBe(1);
      expect(life.running).toEqual(lost ? [] : ['id-0']);
      expect(rowsOf(life.fake)).toEqual(lost ? [] : ['instance id-0']);
      expect(new Set(life.told.map((one) => one.code))).toEqual(new Set(lost ? [] : [7300]));
    },
  );

  it.each(moments.flatMap((at) => [['before', at] as const, ['after', at] as const]))(
    'by a database error %s step %i loses only time, and tells nobody twice',
    (when, at) => {
      const blows = [...moments.slice(0, at).map(() => 'none' as const), `error-${when}` as const];
      const life = live({ config, blows });
      expect(life.running).toEqual(['id-0']);
      expect(rowsOf(life.fake)).toEqual(['instance id-0']);
      expect(new Set(life.told.map((one) => one.code))).toEqual(new Set([7300]));
      expect(life.told[0]!.atMs).toBeLessThan(life.deadlineMs - 50_000);
    },
  );

  it('by a crash until its time is up has its session stopped', () => {
    const life = live({ config, createTimeoutMs: 20_000, blows: ['none', 'crash-after'] });
    expect(life.told.map((one) => one.code)).toEqual([7301, 7301]);
    expect(life.running).toEqual([]);
  });
});

describe('while a worker is at work,', () => {
  const deleted = ({ call }: Life): void => void remove(call, 'id-0');

  it('a deleted session is stopped, although its start was on its way', () => {
    const life = live({ config, meanwhile: { before: thePost, act: deleted } });
    expect(life.running).toEqual([]);
    expect(life.fake.sent().map((one) => one.code)).toEqual([7301, 7301]);
    expect(rowsOf(life.fake)).toEqual([]);
  });

  it('a session deleted as its players are told is stopped without telling them otherwise', () => {
    const life = live({ config, meanwhile: { before: theTelling, act: deleted } });
    expect(life.running).toEqual([]);
    expect(life.fake.sent().map((one) => one.code)).toEqual([7300, 7300]);
    expect(rowsOf(life.fake)).toEqual([]);
  });

  it('an instance is there for whoever asks or reports as its players are told', () => {
    for (const act of [
      ({ call }: Life) => void update(call, 'id-0', 2, { round: 1 }),
      ({ call }: Life) => void get(call, 'id-0'),
    ]) {
      const life = live({ config: reporting, meanwhile: { before: theTelling, act } });
      expect(rowsOf(life.fake)).toEqual(['instance id-0']);
      expect(instanceIn(life.fake, 'id-0')).toMatchObject({ seats: { u1: {}, u2: {} }, max_players: 2 });
      expect(life.fake.requests.filter((one) => one.method === 'put')).toHaveLength(1);
    }
  });

  it('another worker that took over is left alone', () => {
    const taken = ({ fake }: Life): void => {
      fake.query(
        `UPDATE gameye_allocation SET holder = 'm-other', lease_until = now() + interval '1 hour', version = version + 1`,
      );
    };
    const life = live({ config, meanwhile: { before: thePost, act: taken } });
    expect(life.told).toEqual([]);
    expect(life.fake.query('SELECT holder FROM gameye_allocation')).toEqual([{ holder: 'm-other' }]);
  });
});
