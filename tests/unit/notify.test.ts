import { createHmac } from 'node:crypto';
import { describe, expect, it, vi } from 'vitest';
import type { Instance } from '../../src/records';
import { addressOf } from '../../src/instances/instance';
import { notifyFailed, notifyMatch } from '../../src/told/notify';
import { configWith, SEAT_SECRET } from './support/config';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';

const NOW = 1_700_000_000_500;

function instance(
  metadata: { [key: string]: unknown } = {},
  host = '1.2.3.4',
  ports = { '7777/udp': 20001 },
): Instance {
  return {
    ...{
      id: 's1',
      status: 'running',
      region: 'eu',
      image: 'my-game',
      version: '',
      create_time: '2026-11-27T10:00:00.000Z',
    },
    ...{
      player_count: 1,
      max_players: 2,
      open_seats: 1,
      unseated: 0,
      seats: { u1: { state: 'joined' }, u2: { state: 'joined' } },
      metadata,
      ports,
    },
    connection_info: { ...addressOf(host), port: Object.values(ports)[0] ?? 0 },
  };
}

function told(fake: FakeNakama, one = instance(), config = configWith(), users = ['u1']) {
  const clock = vi.spyOn(Date, 'now').mockReturnValue(NOW);
  const { missed } = notifyMatch({ ctx: context(), logger: fake.logger, nk: fake.nk, config }, one, users);
  clock.mockRestore();
  return { missed, sent: fake.sent() };
}

describe('gameye_match', () => {
  it('tells each player the address, persistently, with code 7300', () => {
    const { missed, sent } = told(fakeNakama(), instance(), configWith(), ['u1', 'u2']);
    const seat = { seat_token: expect.stringMatching(/^v1\./) as string, exp: 1_700_000_120 };
    const content = { host: '1.2.3.4', port: 20001, session_id: 's1', ...seat };
    expect(missed).toEqual([]);
    expect(sent).toEqual([
      { subject: 'gameye_match', code: 7300, userId: 'u1', persistent: true, content },
      { subject: 'gameye_match', code: 7300, userId: 'u2', persistent: true, content },
    ]);
  });
  it('names the host by its name where it has one', () => {
    expect(told(fakeNakama(), instance({}, 'h.example')).sent[0]!.content['host']).toBe('h.example');
  });
  it('names all ports when there are several', () => {
    const ports = { '7777/udp': 1, '80/tcp': 2 };
    expect(told(fakeNakama(), instance({}, 'h', ports)).sent[0]!.content).toMatchObject({ ports });
  });
  it('brings metadata along, which cannot replace the address', () => {
    const extras = { map: 'dust', host: 'evil', port: 1, ports: { a: 1 }, session_id: 'x', seat_token: 'x', exp: 1 };
    const { content } = told(fakeNakama(), instance(extras), configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET })).sent[0]!;
    expect(content).toMatchObject({ map: 'dust', host: '1.2.3.4', port: 20001, session_id: 's1' });
    expect(content['seat_token']).toMatch(/^v1\./);
    expect(content).not.toHaveProperty('ports');
    expect(content['exp']).toBe(1_700_000_120);
  });
  it('has a seat token of its own for each player, and never the secret', () => {
    const { sent } = told(fakeNakama(), instance(), configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET }), ['u1', 'u2']);
    const [first, second] = sent.map((one) => String(one.content['seat_token']).split('.')[1]!);
    expect(JSON.parse(Buffer.from(first!, 'base64url').toString())).toMatchObject({ uid: 'u1', sid: 's1' });
    expect(JSON.parse(Buffer.from(second!, 'base64url').toString())).toMatchObject({ uid: 'u2', exp: 1_700_000_120 });
    expect(JSON.stringify(sent)).not.toContain(SEAT_SECRET);
  });
});

describe('a seat token', () => {
  const exp = (seats: Instance['seats']): unknown => {
    const one = { ...instance(), seats };
    return told(fakeNakama(), one, configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET })).sent[0]!.content['exp'];
  };
  it.each<[string, Instance['seats'], number]>([
    ['two minutes once the player has come', { u1: { state: 'joined' } }, 1_700_000_120],
    ['until the reservation runs out', { u1: { state: 'reserved', until_ms: NOW + 4700 } }, 1_700_000_005],
    ['two minutes of a long reservation', { u1: { state: 'reserved', until_ms: NOW + 3_600_000 } }, 1_700_000_120],
    ['no time for who has no seat', { u2: { state: 'joined' } }, 1_700_000_000],
  ])('admits a player for %s', (_how, seats, until) => expect(exp(seats)).toBe(until));
});

describe('gameye_failed', () => {
  it('tells the reason, not persistently, with code 7301', () => {
    const fake = fakeNakama();
    expect(notifyFailed(fake.nk, fake.logger, 'no_capacity', ['u1'])).toEqual([]);
    expect(fake.sent()).toEqual([
      { subject: 'gameye_failed', code: 7301, userId: 'u1', persistent: false, content: { reason: 'no_capacity' } },
    ]);
  });
  it('sends nothing to nobody', () => {
    const fake = fakeNakama();
    expect(notifyFailed(fake.nk, fake.logger, 'error', [])).toEqual([]);
    expect(fake.events).toEqual([]);
  });
});

describe('GAMEYE_RELAY_URL', () => {
  const relay = { GAMEYE_RELAY_URL: 'wss://relay.example/', GAMEYE_RELAY_SECRET: 'r'.repeat(32) };
  const contentWith = (variables: { [variable: string]: string }, one = instance({}, 'h.example')) =>
    told(fakeNakama(), one, configWith(variables)).sent[0]!.content;
  /** What a relay does with a token, written from the documentation: the payload, or undefined. */
  const verified = (token: unknown, secret: string): unknown => {
    const [version, payload, signature] = String(token).split('.');
    const expected = createHmac('sha256', secret).update(`${version}.${payload}`).digest('base64url');
    return signature === expected ? JSON.parse(Buffer.from(payload!, 'base64url').toString()) : undefined;
  };

  it('gives browsers the relay and a token that names the session’s address', () => {
    const content = contentWith(relay);
    expect(content).toMatchObject({ relay_url: 'wss://relay.example', exp: 1_700_000_120, host: 'h.example' });
    const payload = { t: 'relay', sid: 's1', host: 'h.example', port: 20001, exp: 1_700_000_120 };
    expect(verified(content['relay_token'], relay.GAMEYE_RELAY_SECRET)).toEqual(payload);
    expect(verified(content['relay_token'], SEAT_SECRET)).toBeUndefined();
    expect(JSON.stringify(content)).not.toContain(relay.GAMEYE_RELAY_SECRET);
  });
  it('goes beside the seat token, and both end together', () => {
    const content = contentWith({ ...relay, GAMEYE_SEAT_SECRET: SEAT_SECRET });
    const { exp } = verified(content['relay_token'], relay.GAMEYE_RELAY_SECRET) as { exp: number };
    expect(content['seat_token']).toMatch(/^v1\./);
    expect(content['exp']).toBe(exp);
  });
  it('cannot be replaced by metadata', () => {
    const liar = instance({ relay_url: 'wss://evil', relay_token: 'x', map: 'dust' });
    expect(contentWith({}, liar)).toMatchObject({ host: '1.2.3.4', map: 'dust' });
    expect(Object.keys(contentWith({}, liar)).filter((field) => field.startsWith('relay'))).toEqual([]);
    expect(contentWith(relay, liar)['relay_url']).toBe('wss://relay.example');
  });
});

describe('GAMEYE_NOTIFY', () => {
  const both = configWith({ GAMEYE_NOTIFY: 'gameye,connection-info' });
  const older = configWith({ GAMEYE_NOTIFY: 'connection-info' });
  const kinds = (fake: FakeNakama) => fake.sent().map(({ subject, code, persistent }) => [subject, code, persistent]);

  it('with connection-info sends the older notification, without metadata and not persistent', () => {
    const { sent } = told(fakeNakama(), instance({ map: 'dust' }, 'h.example'), older);
    const content = { IpAddress: 'h.example', DnsName: 'h.example', Port: 20001, SessionId: 's1' };
    expect(sent).toEqual([{ subject: 'connection-info', code: 111, userId: 'u1', persistent: false, content }]);
    expect(told(fakeNakama(), instance(), older).sent[0]?.content).toMatchObject({ IpAddress: '1.2.3.4', DnsName: '' });
  });
  it('sends both notifications when both are named', () => {
    const fake = fakeNakama();
    told(fake, instance(), both);
    expect(kinds(fake)).toEqual([
      ['gameye_match', 7300, true],
      ['connection-info', 111, false],
    ]);
  });
  it('sends the older notification only to those who could be told at all', () => {
    const fake = fakeNakama();
    fake.before = (event) => {
      if (event.kind !== 'notify') return;
      if (event.notifications.some(({ userId, persistent }) => userId === 'gone' && persistent)) {
        throw goError('failed to send notifications: violates foreign key constraint');
      }
    };
    expect(told(fake, instance(), both, ['u1', 'gone']).missed).toEqual(['gone']);
    const last = fake.events.at(-1);
    expect(last?.kind === 'notify' && last.notifications.map(({ userId, code }) => [userId, code])).toEqual([
      ['u1', 111],
    ]);
  });
  it.each([
    ['timeout', 'create-timeout', 112],
    ['no_capacity', 'create-failed', 113],
    ['error', 'create-failed', 113],
  ] as const)('%s is %s, code %i', (reason, subject, code) => {
    for (const { notify } of [older, both]) {
      const fake = fakeNakama();
      notifyFailed(fake.nk, fake.logger, reason, ['u1'], notify);
      const others = notify.includes('gameye') ? [['gameye_failed', 7301, false]] : [];
      expect(kinds(fake)).toEqual([...others, [subject, code, false]]);
      expect(fake.sent().at(-1)?.content).toEqual({});
    }
  });
});

describe('a batch of notifications that the database refuses', () => {
  it('is sent one by one, and to each once more when the database fails in between', () => {
    const fake = fakeNakama();
    let sends = 0;
    fake.before = (event) => {
      if (event.kind === 'notify' && sends++ < 2) throw goError('pq: terminating connection');
    };
    expect(told(fake, instance(), configWith(), ['u1', 'u2']).missed).toEqual([]);
    expect(fake.sent().map(({ userId }) => userId)).toEqual(['u1', 'u2', 'u1', 'u2', 'u1']);
    expect(fake.log).toEqual([]);
  });

  it('is sent one by one, so that a deleted user costs the others nothing', () => {
    const fake = fakeNakama();
    fake.before = (event) => {
      if (event.kind === 'notify' && event.notifications.some((one) => one.userId === 'gone')) {
        throw goError('failed to send notifications: violates foreign key constraint');
      }
    };
    const { missed } = told(fake, instance(), configWith(), ['u1', 'gone', 'u2']);
    expect(missed).toEqual(['gone']);
    const batches = fake.events.flatMap((one) =>
      one.kind === 'notify' ? [one.notifications.map((n) => n.userId)] : [],
    );
    expect(batches).toEqual([['u1', 'gone', 'u2'], ['u1'], ['gone'], ['u2'], ['gone']]);
    expect(fake.log).toMatchObject([{ level: 'warn', fields: { user_id: 'gone', subject: 'gameye_match' } }]);
  });
});
