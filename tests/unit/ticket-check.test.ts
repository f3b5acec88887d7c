import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { agreeOnRegions, agreeOnVersion, demandsOf, type Tickets } from '../../src/matchmaker/demands';
import { forgetOrders } from '../../src/allocation/orders';
import { storeVersion } from './support/operations';
import type { Allocation } from '../../src/allocation/allocation';
import { beforeMatchmakerAdd, configure, matchmakerMatched } from '../../src/library';
import type { MatchmakerResult } from '../../src/nakama/runtime';
import { FIVE } from './support/config';
import { context, fakeNakama, goError } from './support/nakama';
import { refusal } from './support/refusal';

type Properties = { [name: string]: string };

// The configuration is kept per VM: one for this file.
const env = { ...FIVE, GAMEYE_API_IMAGE_VERSION: '1.2', GAMEYE_MATCH_PROPERTY: 'mode' };
const ctx = context({ env, executionMode: 'before' });
const ours = (properties: Properties): Properties => ({ mode: 'duel', ...properties });
const add = (stringProperties: Properties, numericProperties: object = {}) => ({
  cid: '7',
  matchmakerAdd: { minCount: 2, maxCount: 2, query: '*', stringProperties, numericProperties },
});

describe('the ticket check', () => {
  it.each([
    ['demands nothing', add(ours({}))],
    ['has the version in force', add(ours({ gameye_version: '1.2' }))],
    ['has a region that is served', add(ours({ gameye_region: 'us-east-1' }))],
    ['has one region of several that is served', add(ours({ gameye_region: 'mars, us-east-1' }))],
    ['has empty demands', add(ours({ gameye_version: '', gameye_region: ' , ' }))],
    ['is not ours', add({ gameye_version: '0.9', gameye_region: 'mars' })],
    ['has no properties, as in Nakama 3.22', { cid: '7', matchmakerAdd: { minCount: 2, maxCount: 2 } }],
    ['has null for what it may demand', add(ours({}), { gameye_version: null, gameye_region: null })],
    ['has null for properties', { matchmakerAdd: { stringProperties: null, numericProperties: null } }],
    ['is another message', { cid: '7', statusUpdate: {} }],
  ])('lets a ticket pass that %s, exactly as it came', (_what, envelope) => {
    const fake = fakeNakama();
    const before = JSON.stringify(envelope);
    const after = beforeMatchmakerAdd(ctx, fake.logger, fake.nk, envelope);
    expect(after).toBe(envelope);
    expect(JSON.stringify(after)).toBe(before);
    expect(fake.log).toEqual([]);
  });

  const version = (there: string) => `gameye_version_mismatch: this version is not served, but ${there} is.`;
  const region = 'gameye_region_mismatch: no such region is served. There are: eu-central-1, us-east-1.';
  it.each([
    ['an old version', ours({ gameye_version: '1.1' }), {}, 9, version('1.2')],
    ['a version that only looks alike', ours({ gameye_version: '1.20' }), {}, 9, version('1.2')],
    ['a region that is not served', ours({ gameye_region: 'mars' }), {}, 9, region],
    ['the prefix of a region', ours({ gameye_region: 'us-east' }), {}, 9, region],
    ['a number as version', ours({}), { gameye_version: 1.2 }, 3, 'gameye_version must be a string property.'],
    ['a number as region', ours({}), { gameye_region: 1 }, 3, 'gameye_region must be a string property.'],
  ])('refuses %s, a party’s as well', (_what, strings, numbers, code, message) => {
    const fake = fakeNakama();
    const envelope = add(strings, numbers);
    const { matchmakerAdd } = envelope;
    const party = { cid: '7', partyMatchmakerAdd: { partyId: 'p', ...matchmakerAdd } };
    for (const one of [envelope, party]) {
      expect(refusal(() => beforeMatchmakerAdd(ctx, fake.logger, fake.nk, one))).toEqual({ code, message });
    }
    expect(fake.events.filter(({ kind }) => kind !== 'sql')).toEqual([]);
  });
  it('follows the version that an operator has set, and asks the database for it only once in a while', () => {
    const fake = fakeNakama();
    storeVersion(fake, '2.0');
    fake.events.length = 0;
    const old = add(ours({ gameye_version: '1.2' }));
    const ticket = add(ours({ gameye_version: '2.0' }));
    for (let i = 0; i < 5; i++) {
      expect(refusal(() => beforeMatchmakerAdd(ctx, fake.logger, fake.nk, old)).message).toBe(version('2.0'));
      expect(beforeMatchmakerAdd(ctx, fake.logger, fake.nk, ticket)).toBe(ticket);
    }
    expect(fake.events).toHaveLength(1);
  });
  it('asks to try again when the database fails, and does not keep others out', () => {
    const fake = fakeNakama();
    fake.before = () => {
      throw goError('failed to read storage objects: no connection');
    };
    const ticket = add(ours({ gameye_version: '1.2' }));
    expect(refusal(() => beforeMatchmakerAdd(ctx, fake.logger, fake.nk, ticket))).toMatchObject({ code: 14 });
    const other = add(ours({ gameye_region: 'us-east-1' }));
    expect(beforeMatchmakerAdd(ctx, fake.logger, fake.nk, other)).toBe(other);
  });
});

describe('a ticket for more players than GAMEYE_MAX_PLAYERS', () => {
  it('is warned of when it is added, once in a while, unless onMatched decides how many play', async () => {
    vi.resetModules();
    const library = await import('../../src/library');
    const small = context({ env: { ...env, GAMEYE_MAX_PLAYERS: '2' }, executionMode: 'before' });
    const ticket = (minCount: number) => ({ matchmakerAdd: { minCount, maxCount: 8, stringProperties: ours({}) } });
    const warnings = (...counts: number[]) => {
      const fake = fakeNakama();
      for (const count of counts) library.beforeMatchmakerAdd(small, fake.logger, fake.nk, ticket(count));
      return fake.log.map(({ level, fields }) => [level, fields['min_count'], fields['max_players']]);
    };
    expect(warnings(2)).toEqual([]);
    expect(warnings(3, 4)).toEqual([['warn', '3', '2']]);
    library.configure({ onMatched: () => ({ maxPlayers: 8 }) });
    expect(warnings(3)).toEqual([]);
  });
});

describe('a matched group', () => {
  const group = (...tickets: Properties[]): MatchmakerResult[] =>
    tickets.map((properties, i) => ({
      presence: { userId: `u${i}`, sessionId: 's', username: 'n', node: 'n1' },
      properties: ours(properties),
    }));
  /** What is started, and who is told what instead. */
  const outcome = (fake: ReturnType<typeof fakeNakama>, ...tickets: Properties[]) => {
    fake.events.length = 0;
    matchmakerMatched(ctx, fake.logger, fake.nk, group(...tickets));
    const event = fake.events.find(({ kind }) => kind === 'match');
    const started =
      event?.kind === 'match' ? (JSON.parse(event.params['allocation'] as string) as Allocation) : undefined;
    return { started, told: fake.sent().map(({ userId, content }) => [userId, content['reason']]) };
  };
  const matched = (fake: ReturnType<typeof fakeNakama>, ...tickets: Properties[]): Allocation | string => {
    const { started, told } = outcome(fake, ...tickets);
    return started ?? (told[0]?.[1] as string);
  };

  it('gets the version that its tickets name, also when another came into force meanwhile', () => {
    const fake = fakeNakama();
    beforeMatchmakerAdd(ctx, fake.logger, fake.nk, add(ours({ gameye_version: '1.2' })));
    storeVersion(fake, '2.0');
    forgetOrders(fake.nk);
    fake.events.length = 0;
    expect(matched(fake, { gameye_version: '1.2' }, {})).toMatchObject({ request: { version: '1.2' } });
    expect(matched(fake, { gameye_version: '2.0' })).toMatchObject({ request: { version: '2.0' } });
  });
  it('without demands gets no version and no regions of its own', () => {
    const { request } = matched(fakeNakama(), {}, {}) as Allocation;
    expect(Object.keys(request)).not.toEqual(expect.arrayContaining(['version']));
    expect(Object.keys(request)).not.toEqual(expect.arrayContaining(['regions']));
  });
  it('cannot have a version started that never was in force', () => {
    const fake = fakeNakama();
    expect(matched(fake, { gameye_version: 'debug' })).toBe('misconfigured');
    const [line] = fake.log;
    expect(line).toMatchObject({
      level: 'error',
      message: expect.stringContaining('what its tickets demand') as string,
    });
    expect(line?.fields['problem']).toContain('Register gameyeBeforeMatchmakerAdd');
  });
  it('plays where all its tickets want to play', () => {
    const fake = fakeNakama();
    const both = 'mars,us-east-1,eu-central-1';
    expect(matched(fake, { gameye_region: both }, { gameye_region: 'us-east-1' }, {})).toMatchObject({
      regions: ['us-east-1'],
      request: { regions: ['us-east-1'] },
    });
    expect(matched(fake, { gameye_region: both }, {})).toMatchObject({ regions: ['eu-central-1', 'us-east-1'] });
  });
  it('plays without the tickets that demand another version than the group plays', () => {
    const fake = fakeNakama();
    const { started, told } = outcome(fake, { gameye_version: '1.2' }, { gameye_version: '1.1' }, {});
    expect(started?.request).toMatchObject({ user_ids: ['u0', 'u2'], version: '1.2' });
    expect(told).toEqual([['u1', 'misconfigured']]);
    const { level, fields } = fake.log[0]!;
    expect([level, fields['refused']]).toEqual(['error', 'u1']);
    expect(fields['problem']).toContain('+properties.gameye_version');
  });
  it('is not moved to an older version by one ticket of three', () => {
    const fake = fakeNakama();
    beforeMatchmakerAdd(ctx, fake.logger, fake.nk, add(ours({ gameye_version: '1.2' })));
    storeVersion(fake, '2.0');
    forgetOrders(fake.nk);
    const { started, told } = outcome(fake, { gameye_version: '1.2' }, {}, {});
    expect(started?.request.user_ids).toEqual(['u1', 'u2']);
    expect(started?.request.version).toBeUndefined();
    expect(told).toEqual([['u0', 'misconfigured']]);
  });
  it('plays without the tickets that want another region than half of the group', () => {
    const fake = fakeNakama();
    const [us, eu] = [{ gameye_region: 'us-east-1' }, { gameye_region: 'eu-central-1' }];
    const { started, told } = outcome(fake, us, eu, us);
    expect(started).toMatchObject({ regions: ['us-east-1'], request: { user_ids: ['u0', 'u2'] } });
    expect(told).toEqual([['u1', 'misconfigured']]);
    expect(fake.log[0]?.fields['problem']).toContain('+properties.gameye_region');
    expect(outcome(fake, us, eu)).toMatchObject({
      started: { regions: ['eu-central-1'], request: { user_ids: ['u1'] } },
      told: [['u0', 'misconfigured']],
    });
  });
  it('is not moved to another region by one ticket of three, whose player plays there only', () => {
    const fake = fakeNakama();
    const { started, told } = outcome(fake, {}, { gameye_region: 'us-east-1' }, {});
    expect(started).toMatchObject({ regions: ['eu-central-1', 'us-east-1'] });
    expect(started?.request).toMatchObject({ user_ids: ['u0', 'u1', 'u2'], only_in: { u1: ['us-east-1'] } });
    expect(told).toEqual([]);
  });
  it('plays without a ticket whose region is served nowhere', () => {
    const { started, told } = outcome(fakeNakama(), {}, { gameye_region: 'mars' }, { gameye_region: 'us-east-1' });
    expect(started?.request).toMatchObject({ user_ids: ['u0', 'u2'], regions: ['us-east-1'] });
    expect(told).toEqual([['u1', 'misconfigured']]);
  });
  it('does not suffer from a ticket with an unknown version while the database is gone', () => {
    const fake = fakeNakama();
    fake.before = ({ kind }) => {
      if (kind === 'sql') throw goError('failed to connect');
    };
    const { started, told } = outcome(fake, {}, { gameye_version: 'debug' }, {});
    expect(started?.request.user_ids).toEqual(['u0', 'u2']);
    expect(told).toEqual([['u1', 'misconfigured']]);
  });
  it('gets what the module’s onMatched says, whatever its tickets demand', () => {
    const fake = fakeNakama();
    try {
      configure({ onMatched: () => ({ regions: ['ap-1'], image: 'other' }) });
      const { request } = matched(fake, { gameye_version: '1.1', gameye_region: 'mars' }) as Allocation;
      expect(request).toMatchObject({ regions: ['ap-1'], image: 'other' });
      expect(request.version).toBeUndefined();
      configure({ onMatched: () => false });
      fake.events.length = 0;
      matchmakerMatched(ctx, fake.logger, fake.nk, group({ gameye_version: 'debug' }));
      expect(fake.events).toEqual([]);
    } finally {
      configure({});
    }
  });
});

describe('a matched group with any tickets', () => {
  const served = ['eu', 'us', 'ap'];
  const demands = fc.record(
    {
      version: fc.constantFrom('1', '2', 'unknown'),
      regions: fc.subarray([...served, 'mars'], { minLength: 1 }),
    },
    { requiredKeys: [] },
  );
  const groups = fc
    .array(demands, { minLength: 1, maxLength: 6 })
    .map((list) => Object.fromEntries(list.map((one, i) => [`u${i}`, one])) as Tickets);
  const turned = (tickets: Tickets): Tickets => Object.fromEntries(Object.entries(tickets).reverse());
  const same = (one: object, other: object): void =>
    expect(JSON.parse(JSON.stringify(one, sorted))).toEqual(JSON.parse(JSON.stringify(other, sorted)));
  const sorted = (_key: string, value: unknown): unknown => (Array.isArray(value) ? value.slice().sort() : value);

  it('gives each player a region that suits them or refuses them, and refuses nobody who demands nothing', () => {
    fc.assert(
      fc.property(groups, (tickets) => {
        const { regions = served, refused, only_in = {} } = agreeOnRegions(served, tickets);
        expect(regions.length).toBeGreaterThan(0);
        for (const [userId, { regions: wanted }] of Object.entries(tickets)) {
          if (!wanted) expect([refused.includes(userId), only_in[userId]]).toEqual([false, undefined]);
          else if (!refused.includes(userId) && !only_in[userId])
            expect(wanted).toEqual(expect.arrayContaining(regions));
        }
        same(agreeOnRegions(served, turned(tickets)), { ...agreeOnRegions(served, tickets) });
      }),
    );
  });
  it('lets no minority of less than half decide for the others', () => {
    fc.assert(
      fc.property(groups, (tickets) => {
        const users = Object.keys(tickets);
        const few = (count: number): boolean => count * 2 < users.length;
        const { regions } = agreeOnRegions(served, tickets);
        const { version } = agreeOnVersion(
          tickets,
          (one) => one !== 'unknown',
          () => '2',
        );
        if (few(users.filter((userId) => tickets[userId]?.regions).length)) expect(regions).toBeUndefined();
        if (few(users.filter((userId) => tickets[userId]?.version).length)) expect([undefined, '2']).toContain(version);
      }),
    );
  });
  it('agrees on a version that is served, and refuses exactly those who demand another', () => {
    fc.assert(
      fc.property(groups, (tickets) => {
        const agree = (group: Tickets) =>
          agreeOnVersion(
            group,
            (one) => one !== 'unknown',
            () => '2',
          );
        const { version, refused } = agree(tickets);
        expect([undefined, '1', '2']).toContain(version);
        const others = Object.keys(tickets).filter((userId) => (tickets[userId]?.version ?? version) !== version);
        expect(refused).toEqual(others);
        same(agree(turned(tickets)), { ...agree(tickets) });
      }),
    );
  });
  it('is read whatever properties its tickets have', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.constantFrom('gameye_version', 'gameye_region', 'x'), fc.anything()),
        (properties) => {
          const { version = 'v', regions: wanted = ['r'] } = demandsOf(properties);
          expect(version).not.toBe('');
          expect(wanted.every((region) => region !== '' && region === region.trim())).toBe(true);
          expect(wanted.length).toBeGreaterThan(0);
        },
      ),
    );
  });
});
