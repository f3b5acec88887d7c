import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tagExists } from '../../src/gameye/session-api';
import type { Call } from '../../src/nakama/caller';
import { newAllocation } from '../../src/allocation/allocation';
import { decided } from '../../src/allocation/decide';
import { imageOf } from '../../src/allocation/launch';
import { changeOrders, ordersInForce, readOrders, type VersionRule } from '../../src/allocation/orders';
import { isServed, versionInForce, versionOrder, withVersion } from '../../src/allocation/version';
import { setRegion, setVersions, type VersionChange } from '../../src/operations/orders';
import type { AllocationRequest } from '../../src/records';
import { requireVersion } from '../../src/operations/version';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { DATABASE_GONE, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { config, NOTED, request, serverAt, storeVersion } from './support/operations';
import { refusal } from './support/refusal';

const NO_ORDERS = { count: 0, versions: {}, regions: {} };

let fake: FakeNakama;
let call: Call;
let now: number;
beforeEach(() => {
  now = 1_700_000_000_000;
  ({ fake, call } = serverAt(() => now));
});
afterEach(() => void vi.restoreAllMocks());

const reads = (): number => fake.events.filter((event) => event.kind === 'sql').length;
const set = (version: string, image?: string) => storeVersion(fake, version, image);
const inForce = (): string => versionInForce(ordersInForce(fake.nk, config), config);
const change = (rule: VersionRule | undefined, more: Partial<VersionChange> = {}, force = true) =>
  setVersions(call, { mode: '', ...(rule ? { rule } : {}), ...more }, force, now);

describe('the version in force', () => {
  it('is read once in two seconds for all workers of a process', () => {
    for (let i = 0; i < 200; i++) expect(inForce()).toBe('1.0');
    expect(reads()).toBe(1);
    set('2.0');
    now += 1999;
    expect(inForce()).toBe('1.0');
    now += 2;
    expect(inForce()).toBe('2.0');
    expect(inForce()).toBe('2.0');
    expect(reads()).toBe(2);
  });
  it('is that of its image only: after a change of GAMEYE_API_IMAGE the configured one counts again', () => {
    set('2.0', 'another-game');
    expect(inForce()).toBe('1.0');
  });
  it('changes at once on the node where it is set', () => {
    expect(inForce()).toBe('1.0');
    expect(change({ version: '2.0' })).toMatchObject({ version: '2.0', previous: '1.0' });
    expect(inForce()).toBe('2.0');
    expect(change({})).toMatchObject({ version: '1.0', previous: '2.0' });
    expect(inForce()).toBe('1.0');
  });
  it('is the one that was set last, whichever node that was', () => {
    set('1.20');
    expect(change({ version: '2.0' })).toMatchObject({ version: '2.0', previous: '1.20' });
    set('1.21');
    expect(versionInForce(readOrders(fake.nk, config), config)).toBe('1.21');
  });
  it('is an error of the database when that fails: nothing is started with a wrong version', () => {
    fake.before = () => {
      throw goError(DATABASE_GONE);
    };
    expect(refusal(inForce)).toMatchObject({ code: 14 });
  });
});

describe('the version of a request', () => {
  const REGIONS = ['eu', 'us'];
  const withOrders = (asked: AllocationRequest, chance = 0, on = config) =>
    withVersion(ordersInForce(fake.nk, on), on, asked, REGIONS, chance);
  it('is the one in force, unless the request has its own version or image', () => {
    set('2.0');
    expect(withOrders(request)).toEqual({ ...request, version: '2.0', versions: { eu: '2.0', us: '2.0' } });
    for (const own of [{ version: '3.0' }, { image: 'other' }, { image: 'my-game', version: '4' }]) {
      expect(withOrders({ ...request, ...own })).toEqual({ ...request, ...own });
    }
    expect(withVersion(NO_ORDERS, configWith(), request, REGIONS, 0), 'Gameye decides').toEqual(request);
  });
  it('is drawn by the weights, for every region alike', () => {
    change({ weights: { '1.4.0': 90, '1.4.1': 10 } });
    expect(withOrders(request, 0.89).versions).toEqual({ eu: '1.4.0', us: '1.4.0' });
    expect(withOrders(request, 0.9).versions).toEqual({ eu: '1.4.1', us: '1.4.1' });
    expect(withOrders(request, 0.999_999).version).toBe('1.4.1');
    expect(inForce()).toBe('1.4.0');
  });
  it('is that of the region where a region has its own', () => {
    change({ version: '2.0' }, { region: 'us-east-1' });
    const asked = withVersion(ordersInForce(fake.nk, config), config, request, config.regions, 0);
    expect(asked).toMatchObject({ version: '1.0', versions: { 'eu-central-1': '1.0', 'us-east-1': '2.0' } });
    expect(imageOf(config, asked, 'us-east-1')).toEqual({ image: 'my-game', version: '2.0' });
    change({}, { region: 'us-east-1' });
    expect(withVersion(ordersInForce(fake.nk, config), config, request, config.regions, 0).versions).toEqual({
      'eu-central-1': '1.0',
      'us-east-1': '1.0',
    });
  });
  it('follows the weights over many requests', () => {
    change({ weights: { a: 75, b: 25 } });
    const drawn = Array.from({ length: 1000 }, (_, i) => withOrders(request, i / 1000).version);
    expect(drawn.filter((version) => version === 'a')).toHaveLength(750);
  });
});

describe('what operators order', () => {
  it('lets tickets demand versions beside those in force, and none that drains', () => {
    change({ version: '2.0' }, { allow: ['1.9'], draining: ['1.8'] });
    const orders = ordersInForce(fake.nk, config);
    expect(['2.0', '1.9', '1.8', '1.0'].map((version) => isServed(orders, config, version))).toEqual([
      ...[true, true, false, false],
    ]);
  });
  it('is refused when a version would drain and be in force, and nothing changes', () => {
    change({ version: '2.0' });
    expect(refusal(() => change(undefined, { draining: ['2.0'] }))).toMatchObject({ code: 9 });
    expect(versionOrder(ordersInForce(fake.nk, config), config)?.draining).toBeUndefined();
  });
  it('is refused when Gameye does not know a version, and the old one stays', () => {
    fake.http = () => answer(200, { exists: false });
    expect(refusal(() => change({ version: '9.9' }, {}, false))).toMatchObject({ code: 9 });
    expect(refusal(() => change(undefined, { allow: ['9.9'] }, false))).toMatchObject({ code: 9 });
    expect(inForce()).toBe('1.0');
  });
  it('ends an allocation of a version that drains, whoever asked for it', () => {
    change(undefined, { draining: ['0.9'] });
    const a = newAllocation('id', { ...request, version: '0.9' }, ['eu'], 60_000, now);
    expect(decided(fake.nk, config, a)).toMatchObject({ state: 'failed', reason: 'misconfigured' });
  });
  it('keeps what two operators change at the same time', () => {
    const other = fakeNakama(fake);
    changeOrders(fake.nk, config, NOTED, (orders) => {
      if (orders.count === 0) setRegion({ ...call, nk: other.nk }, 'us-east-1', { state: 'off', set_at: '' });
      return { ...orders, versions: { '': { image: 'my-game', version: '2.0', set_at: '' } } };
    });
    expect(readOrders(fake.nk, config)).toMatchObject({
      ...{ versions: { '': { version: '2.0' } }, regions: { 'us-east-1': { state: 'off' } } },
    });
  });
});

describe('a closed region', () => {
  const asked = (regions: string[]) => newAllocation('id', request, regions, 60_000, now);
  it('is left out, and the next one comes first', () => {
    setRegion(call, 'eu-central-1', { state: 'off', set_at: '' });
    expect(decided(fake.nk, config, asked(config.regions))).toMatchObject({ regions: ['us-east-1'] });
    setRegion(call, 'eu-central-1', undefined);
    expect(decided(fake.nk, config, asked(config.regions))).toMatchObject({ regions: config.regions });
  });
  it('ends an allocation that has no other, with what its players are told', () => {
    setRegion(call, 'eu-central-1', { state: 'maintenance', reason: 'Back at noon.', set_at: '' });
    expect(decided(fake.nk, config, asked(['eu-central-1']))).toMatchObject({
      ...{ state: 'failed', reason: 'unavailable', message: 'Back at noon.' },
    });
  });
});

describe('the check of a version', () => {
  it('asks for the tag in every region, with every part escaped', () => {
    fake.http = () => answer(200, { exists: true });
    requireVersion(call, '1.2');
    expect(fake.requests.map(({ url }) => url)).toEqual([
      'http://gameye.test/tag/eu-central-1/my-game/1.2',
      'http://gameye.test/tag/us-east-1/my-game/1.2',
    ]);
    tagExists(fake.nk, config, 'a/b', 'c?d', 'e#f', 1000);
    expect(fake.requests[2]?.url).toBe('http://gameye.test/tag/a%2Fb/c%3Fd/e%23f');
  });
  it.each([
    [() => answer(200, { exists: false }), 9, 'eu-central-1, us-east-1'],
    [() => answer(404, {}), 9, 'my-game in eu-central-1'],
    [() => answer(403, {}), 9, '"force"'],
    [() => answer(401, {}), 9, 'GAMEYE_API_TOKEN'],
    [() => answer(500, {}), 14, 'GAMEYE_API_URL'],
    [() => answer(200, { exists: 'yes' }), 14, 'readably'],
  ])('refuses a version that the API does not confirm (answer %#)', (reply, code, words) => {
    fake.http = reply;
    const refused = refusal(() => requireVersion(call, '2.0'));
    expect(refused.code).toBe(code);
    expect(refused.message).toContain(words);
  });
  it('ends before Nakama cuts off the answer, however slow the API is', () => {
    const many = configWith({ GAMEYE_API_REGION: 'a,b,c,d,e' });
    fake.http = ({ timeoutMs }) => {
      now += timeoutMs;
      return answer(200, { exists: true });
    };
    const since = now;
    expect(refusal(() => requireVersion({ ...call, config: many }, '2.0'))).toMatchObject({ code: 14 });
    expect(now - since).toBeLessThan(9000);
  });
});
