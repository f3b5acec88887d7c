import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { tagExists } from '../../src/gameye/session-api';
import type { Call } from '../../src/nakama/caller';
import { overrideVersion, readVersion, versionInForce, withVersion } from '../../src/allocation/version';
import { requireVersion } from '../../src/operations/version';
import { configWith } from './support/config';
import { answer } from './support/gameye';
import { DATABASE_GONE, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { config, request, serverAt, storeVersion } from './support/operations';
import { refusal } from './support/refusal';

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

describe('the version in force', () => {
  it('is read once in two seconds for all workers of a process', () => {
    for (let i = 0; i < 200; i++) expect(versionInForce(fake.nk, config)).toBe('1.0');
    expect(reads()).toBe(1);
    set('2.0');
    now += 1999;
    expect(versionInForce(fake.nk, config)).toBe('1.0');
    now += 2;
    expect(versionInForce(fake.nk, config)).toBe('2.0');
    expect(versionInForce(fake.nk, config)).toBe('2.0');
    expect(reads()).toBe(2);
  });
  it('is that of its image only: after a change of GAMEYE_API_IMAGE the configured one counts again', () => {
    set('2.0', 'another-game');
    expect(versionInForce(fake.nk, config)).toBe('1.0');
  });
  it('changes at once on the node where it is set', () => {
    expect(versionInForce(fake.nk, config)).toBe('1.0');
    expect(overrideVersion(fake.nk, config, '2.0', now)).toEqual({ version: '2.0', previous: '1.0' });
    expect(versionInForce(fake.nk, config)).toBe('2.0');
    expect(overrideVersion(fake.nk, config, undefined, now)).toEqual({ version: '1.0', previous: '2.0' });
    expect(readVersion(fake.nk, config)).toEqual({ version: '1.0' });
    expect(versionInForce(fake.nk, config)).toBe('1.0');
  });
  it('is the one that was set last, whichever node that was', () => {
    set('1.20');
    expect(overrideVersion(fake.nk, config, '2.0', now)).toEqual({ version: '2.0', previous: '1.20' });
    set('1.21');
    expect(readVersion(fake.nk, config)).toMatchObject({ version: '1.21', override: { version: '1.21' } });
  });
  it('becomes part of a request, unless the request has its own version or image', () => {
    set('2.0');
    expect(withVersion(fake.nk, config, request)).toEqual({ ...request, version: '2.0' });
    for (const own of [{ version: '3.0' }, { image: 'other' }, { image: 'my-game', version: '4' }]) {
      expect(withVersion(fake.nk, config, { ...request, ...own })).toEqual({ ...request, ...own });
    }
    expect(withVersion(fakeNakama().nk, configWith(), request), 'Gameye decides').toEqual(request);
  });
  it('is an error of the database when that fails: nothing is started with a wrong version', () => {
    fake.before = () => {
      throw goError(DATABASE_GONE);
    };
    expect(refusal(() => versionInForce(fake.nk, config))).toMatchObject({ code: 14 });
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
  ])('refuses what it cannot confirm: %s', (reply, code, words) => {
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
