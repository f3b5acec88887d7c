import { afterEach, describe, expect, it, vi } from 'vitest';
import { newAllocation, type Waiting } from '../../src/allocation/allocation';
import { coolDown, coolLast, inTryOrder, regionsAfter } from '../../src/allocation/failover';
import type { Failure, FailureKind } from '../../src/gameye/failure';
import { askLocations } from '../../src/gameye/locations';
import type { Call } from '../../src/nakama/caller';
import { configWith, TOKEN } from './support/config';
import { answer } from './support/gameye';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';

const REGIONS = ['eu', 'us', 'ap', 'sa'];
const config = configWith({ GAMEYE_API_REGION: REGIONS.join(',') });
const callWith = (fake: FakeNakama): Call => ({ ctx: context({}), logger: fake.logger, nk: fake.nk, config });
const failure = (kind: FailureKind, retry_after_ms?: number): Failure => ({
  kind,
  operation: 'session-run',
  message: 'm',
  ...(retry_after_ms === undefined ? {} : { retry_after_ms }),
});
const starting = (more: Partial<Waiting> = {}): Waiting => {
  const request = { user_ids: ['u1'], max_players: 1, latencies: [], metadata: {} };
  return { ...newAllocation('id-1', request, REGIONS, 60_000, Date.now()), attempts: 1, ...more };
};
const offering = (...ids: string[]) => answer(200, { locations: ids.map((id) => ({ id, ips: ['10.0.0.1'] })) });

let clock: ReturnType<typeof vi.spyOn> | undefined;
const later = (ms: number): void => {
  const now = Date.now() + ms;
  clock?.mockRestore();
  clock = vi.spyOn(Date, 'now').mockImplementation(() => now) as ReturnType<typeof vi.spyOn>;
};
afterEach(() => clock?.mockRestore());

describe('a region that refused a session', () => {
  it.each([
    ['full', failure('no-capacity'), 9, 11],
    ['full, with a time to wait', failure('no-capacity', 20_000), 19, 21],
    ['full, with a long time to wait', failure('no-capacity', 600_000), 59, 61],
    ['without the image', failure('not-found'), 29, 31],
    ['out of order', failure('unavailable'), 29, 31],
    ['silent', failure('unknown'), 29, 31],
    ['given up for no known reason', undefined, 29, 31],
  ])('because it is %s is tried last for some seconds, and then where it was', (_what, why, before, after) => {
    const { nk } = fakeNakama();
    coolDown(nk, 'eu', why);
    later(before * 1000);
    expect(coolLast(nk, REGIONS)).toEqual(['us', 'ap', 'sa', 'eu']);
    later((after - before) * 1000);
    expect(coolLast(nk, REGIONS)).toEqual(REGIONS);
  });
  it('keeps its order among those that refused, and is never left out', () => {
    const { nk } = fakeNakama();
    for (const region of ['ap', 'eu']) coolDown(nk, region, undefined);
    expect(coolLast(nk, REGIONS)).toEqual(['us', 'sa', 'eu', 'ap']);
    for (const region of REGIONS) coolDown(nk, region, undefined);
    expect(coolLast(nk, REGIONS)).toEqual(REGIONS);
    expect(coolLast(nk, ['eu'])).toEqual(['eu']);
  });
  it('changes the order of allocations that begin, and of no other', () => {
    const { nk } = fakeNakama();
    coolDown(nk, 'eu', undefined);
    expect(inTryOrder(nk, starting({ attempts: 0 })).regions).toEqual(['us', 'ap', 'sa', 'eu']);
    expect(inTryOrder(nk, starting({ attempts: 1 })).regions).toEqual(REGIONS);
  });
});

describe('after a region refused a session', () => {
  const after = (fake: FakeNakama, kind: FailureKind, a = starting(), sentAt = Date.now()) =>
    regionsAfter(callWith(fake), a, failure(kind), sentAt);

  it.each<FailureKind>(['no-capacity', 'not-found'])('(%s) the regions that Gameye offers now come first', (kind) => {
    const fake = fakeNakama();
    fake.http = () => offering('mars', 'sa', 'eu');
    expect(after(fake, kind)).toEqual(['eu', 'sa', 'us', 'ap']);
    expect(fake.requests).toMatchObject([{ method: 'get', url: 'http://gameye.test/available-location/my-game' }]);
    expect(coolLast(fake.nk, REGIONS)).toEqual(['us', 'ap', 'sa', 'eu']);
    // The regions that were tried stay where they were.
    expect(after(fake, kind, starting({ region_index: 1 }))).toEqual(['eu', 'us', 'sa', 'ap']);
    expect(fake.requests).toHaveLength(1);
  });
  it.each<[string, FailureKind, Partial<Waiting>, number]>([
    ['there is no choice any more', 'no-capacity', { region_index: 2 }, 0],
    ['only one of the others may have the image', 'not-found', { without_image: ['ap', 'sa'] }, 0],
    ['there is a single region', 'no-capacity', { regions: ['eu'] }, 0],
    ['the answer took so long that the lease has no time left', 'no-capacity', {}, 6000],
    ['nobody knows what happened', 'unknown', {}, 0],
    ['the API is out of order', 'unavailable', {}, 0],
  ])('Gameye is not asked for its regions when %s', (_what, kind, more, tookMs) => {
    const fake = fakeNakama();
    const a = starting(more);
    expect(after(fake, kind, a, Date.now() - tookMs)).toEqual(a.regions);
    expect(fake.requests).toEqual([]);
  });
  it('a token that may not list regions keeps the list from being asked for again for an hour, and costs nothing else', () => {
    const fake = fakeNakama();
    fake.http = () => answer(403, { message: `no scope for ${TOKEN}` });
    for (let i = 0; i < 3; i++) expect(after(fake, 'no-capacity')).toEqual(REGIONS);
    later(3_500_000);
    expect(after(fake, 'no-capacity')).toEqual(REGIONS);
    expect(fake.requests).toHaveLength(1);
    expect(fake.log).toMatchObject([{ level: 'warn', fields: { failure: 'forbidden' } }]);
    expect(JSON.stringify(fake.log)).not.toContain(TOKEN);
    later(200_000);
    after(fake, 'no-capacity');
    expect(fake.requests).toHaveLength(2);
  });
});

describe('the regions that can run an image', () => {
  const ask = (fake: FakeNakama, old?: 'usable') => askLocations(callWith(fake), 'my-game', 2000, old);

  it('are asked for once a minute', () => {
    const fake = fakeNakama();
    fake.http = () => offering('eu');
    for (let i = 0; i < 5; i++) expect(ask(fake)).toEqual({ value: [{ id: 'eu', ips: ['10.0.0.1'] }] });
    later(59_000);
    ask(fake);
    expect(fake.requests).toHaveLength(1);
    later(2000);
    ask(fake);
    expect(fake.requests).toHaveLength(2);
  });
  it('are asked for by one VM at a time; the others do without, or with what was last known', () => {
    const fake = fakeNakama();
    const meanwhile: unknown[] = [];
    fake.http = () => {
      meanwhile.push(ask(fake), ask(fake, 'usable'));
      return offering('eu');
    };
    ask(fake);
    expect(meanwhile).toEqual([{ refused: 'asking' }, { refused: 'asking' }]);
    meanwhile.length = 0;
    later(61_000);
    ask(fake);
    expect(meanwhile).toEqual([{ refused: 'asking' }, { value: [{ id: 'eu', ips: ['10.0.0.1'] }] }]);
    expect(fake.requests).toHaveLength(2);
  });
  it('are asked for again when the VM that asked has died', () => {
    const fake = fakeNakama();
    fake.before = () => {
      throw goError('context canceled');
    };
    expect(ask(fake)).toMatchObject({ refused: 'unknown' });
    fake.before = () => undefined;
    fake.http = () => offering('eu');
    later(6000);
    expect(ask(fake)).toHaveProperty('value');
  });
  it.each([
    [
      'does not answer',
      () => {
        throw goError('HTTP request error: Get "http://gameye.test/x": context deadline exceeded');
      },
      'unknown',
    ],
    ['fails', () => answer(503, {}), 'unavailable'],
    ['answers something else', () => answer(200, { regions: [] }), 'unknown'],
    ['knows no such image', () => answer(404, {}), 'not-found'],
  ] as const)(
    'stay those of before for a while when the API %s, which is asked every five seconds then',
    (_what, http, kind) => {
      const fake = fakeNakama();
      fake.http = () => offering('eu');
      ask(fake);
      later(61_000);
      fake.http = http;
      for (let i = 0; i < 3; i++) {
        expect(ask(fake)).toEqual({ refused: kind });
        expect(ask(fake, 'usable')).toHaveProperty('value');
      }
      expect(fake.requests).toHaveLength(2);
      later(6000);
      ask(fake);
      expect(fake.requests).toHaveLength(3);
      later(600_000);
      expect(ask(fake, 'usable')).toEqual({ refused: kind });
    },
  );
  it('are those of one image', () => {
    const fake = fakeNakama();
    fake.http = ({ url }) => offering(url.endsWith('other') ? 'us' : 'eu');
    expect(ask(fake)).toMatchObject({ value: [{ id: 'eu' }] });
    expect(askLocations(callWith(fake), 'other', 2000)).toMatchObject({ value: [{ id: 'us' }] });
  });
});
