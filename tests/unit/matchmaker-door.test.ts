import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { commonDemands, demandsOf, type Demands } from '../../src/matchmaker/demands';
import { writeControl } from '../../src/database/control';
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
const override = { image: FIVE['GAMEYE_API_IMAGE'], version: '2.0', set_at: '' };

describe('the door of the matchmaker', () => {
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
  it('knows the version that an operator has set, and asks the database for it once in a while only', () => {
    const fake = fakeNakama();
    writeControl(fake.nk, 'version', override);
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

describe('a matched group', () => {
  const group = (...tickets: Properties[]): MatchmakerResult[] =>
    tickets.map((properties, i) => ({
      presence: { userId: `u${i}`, sessionId: 's', username: 'n', node: 'n1' },
      properties: ours(properties),
    }));
  const matched = (fake: ReturnType<typeof fakeNakama>, ...tickets: Properties[]): Allocation | string => {
    fake.events.length = 0;
    matchmakerMatched(ctx, fake.logger, fake.nk, group(...tickets));
    const event = fake.events.find(({ kind }) => kind === 'match');
    if (event?.kind === 'match') return JSON.parse(event.params['allocation'] as string) as Allocation;
    return (fake.sent()[0]?.content as { reason: string }).reason;
  };

  it('gets the version that its tickets name, also when another came into force meanwhile', () => {
    const fake = fakeNakama();
    beforeMatchmakerAdd(ctx, fake.logger, fake.nk, add(ours({ gameye_version: '1.2' })));
    writeControl(fake.nk, 'version', override);
    fake.events.length = 0;
    fake.nk.localcachePut('gameye_version', JSON.stringify(override), 2);
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
  it.each([
    ['different versions', { gameye_version: '1.2' }, { gameye_version: '1.1' }, 'the versions 1.2 and 1.1'],
    [
      'no region in common',
      { gameye_region: 'us-east-1' },
      { gameye_region: 'eu-central-1' },
      'no region suits together',
    ],
  ])('with %s is told that this is a mistake', (_what, one, other, words) => {
    const fake = fakeNakama();
    expect(matched(fake, one, other)).toBe('misconfigured');
    expect(fake.log[0]?.fields['problem']).toContain(words);
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

describe('what a group demands together, whatever its tickets say,', () => {
  const regions = ['eu', 'us', 'ap'];
  const demands = fc.record(
    {
      version: fc.constantFrom('1', '2'),
      regions: fc.subarray([...regions, 'mars'], { minLength: 1 }),
    },
    { requiredKeys: [] },
  ) as fc.Arbitrary<Demands>;

  it('suits everybody, or is a conflict, and does not depend on their order', () => {
    fc.assert(
      fc.property(fc.array(demands, { maxLength: 5 }), (group) => {
        const common = commonDemands(regions, group);
        const suits = (region: string): boolean => group.every((one) => one.regions?.includes(region) ?? true);
        const versions = new Set(group.flatMap(({ version }) => version ?? []));
        if ('conflict' in common) {
          expect(versions.size > 1 || !regions.some(suits)).toBe(true);
        } else {
          expect([...versions]).toEqual(common.version === undefined ? [] : [common.version]);
          expect(common.regions ?? regions).toEqual(regions.filter(suits));
        }
        const turned = commonDemands(regions, group.slice().reverse());
        expect('conflict' in turned).toBe('conflict' in common);
        if (!('conflict' in common)) expect(turned).toEqual(common);
      }),
    );
  });
  it('is read from any properties', () => {
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
