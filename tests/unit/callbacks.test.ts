import { afterEach, describe, expect, it } from 'vitest';
import { configure, type CallbackResult, type Extension } from '../../src/extension/extension';
import type { AllocationRequest } from '../../src/records';
import { configWith } from './support/config';
import { CALM, type Fault, type Turn } from './support/gameye';
import { live, rowsOf, type Life, type Plan } from './support/life';
import { instanceIn } from './support/records';

const config = configWith();
const turns = (...faults: Fault[]): Turn[] => faults.map((fault) => ({ ...CALM, fault }));
afterEach(() => configure({}));

/** Lives through an allocation whose callback is `ended`; answers what it was called with, too. */
function lived(
  plan: Partial<Plan> & { request?: Partial<AllocationRequest> },
  more: Pick<Extension, 'extras'> & { notify?: boolean; fails?: boolean } = {},
): { life: Life; calls: CallbackResult[] } {
  const calls: CallbackResult[] = [];
  const run = (_ctx: unknown, _logger: unknown, _nk: unknown, result: CallbackResult): void => {
    calls.push(JSON.parse(JSON.stringify(result)) as CallbackResult);
    result.request.metadata['map'] = 'changed by the callback';
    if (more.fails) throw new Error('the callback is broken');
  };
  configure({ callbacks: { ended: more.notify === undefined ? run : { run, notify: more.notify } } });
  const life = live({ config, ...plan, request: { callback: 'ended', metadata: { map: 'dust' }, ...plan.request } });
  return { life, calls };
}

describe('the callback of a request', () => {
  it('hears of a success once, after its players, in the words of Nakama’s Go interface', () => {
    const metadata = { map: 'dust', 'gameye.env': { SECRET: 'env' } };
    const { life, calls } = lived({ request: { metadata } });
    expect(calls).toEqual([
      {
        status: 'success',
        code: 0,
        id: 'id-0',
        instance: expect.objectContaining({ id: 'id-0', status: 'running', region: 'eu-central-1' }),
        session_info: [
          { user_id: 'u1', session_id: 'id-0' },
          { user_id: 'u2', session_id: 'id-0' },
        ],
        metadata: { map: 'dust' },
        error: null,
        request: { user_ids: ['u1', 'u2'], max_players: 2, metadata: { map: 'dust' } },
      },
    ]);
    expect(life.told.map(({ code }) => code)).toEqual([7300, 7300]);
    expect(instanceIn(life.fake, 'id-0')).toMatchObject({ metadata: { map: 'dust' } });
  });
  it('is told no seats when the request named no players', () => {
    expect(lived({ request: { user_ids: [] } }).calls).toMatchObject([{ status: 'success', session_info: null }]);
  });
  it('hears of a timeout and of an error, with the reason and what was asked for', () => {
    const late = Array.from({ length: 50 }, () => 'request-lost' as const);
    const failed = { instance: null, session_info: null, metadata: null };
    expect(lived({ turns: turns(...late) }).calls).toEqual([
      expect.objectContaining({ status: 'timeout', code: 1, id: 'id-0', error: 'timeout', ...failed }),
    ]);
    expect(lived({ turns: turns('unauthorized') }).calls).toEqual([
      expect.objectContaining({
        ...{ status: 'error', code: 2, id: 'id-0', error: 'misconfigured', ...failed },
        request: { user_ids: ['u1', 'u2'], max_players: 2, metadata: { map: 'dust' } },
      }),
    ]);
  });
  it('that throws is logged and costs nothing', () => {
    const { life, calls } = lived({}, { fails: true });
    expect(calls).toHaveLength(1);
    expect(rowsOf(life.fake)).toEqual(['instance id-0']);
    const fields = expect.objectContaining({ callback: 'ended', error: 'the callback is broken' });
    expect(life.fake.log).toContainEqual(expect.objectContaining({ level: 'error', fields }));
  });
  it('that is async is logged, and costs nothing', () => {
    configure({ callbacks: { ended: (() => Promise.resolve()) as () => void } });
    const { fake, told } = live({ config, request: { callback: 'ended' } });
    expect(told.map(({ code }) => code)).toEqual([7300, 7300]);
    const fields = expect.objectContaining({ callback: 'ended', problem: expect.stringContaining('async') as string });
    expect(fake.log).toContainEqual(expect.objectContaining({ level: 'error', fields }));
  });
  it('with notify: false is all that players have, also of a failure', () => {
    const success = lived({}, { notify: false });
    expect([success.life.told, success.calls.length]).toEqual([[], 1]);
    const failure = lived({ turns: turns('unauthorized') }, { notify: false });
    expect([failure.life.told, failure.calls.length]).toEqual([[], 1]);
  });
  it('with notify: true leaves it to the module to tell the players', () => {
    expect(lived({}, { notify: true }).life.told).toHaveLength(2);
  });
  it('that is gone from the module is logged, and the players are told all the same', () => {
    const { life, calls } = lived({ request: { callback: 'was-renamed' } }, { notify: false });
    expect(calls).toEqual([]);
    expect(life.told).toHaveLength(2);
    const fields = expect.objectContaining({ callback: 'was-renamed' });
    expect(life.fake.log).toContainEqual(expect.objectContaining({ level: 'error', fields }));
  });
  it('is called at least once, whenever the server crashes, and always with the same id', () => {
    for (let event = 0; event < 14; event++) {
      for (const blow of ['crash-before', 'crash-after'] as const) {
        const blows = [...Array.from({ length: event }, () => 'none' as const), blow];
        const { life, calls } = lived({ blows });
        if (life.told.length === 0) continue; // It crashed before anything was stored.
        expect(calls.length, `${blow} at event ${event}`).toBeGreaterThanOrEqual(1);
        expect(calls.length, `${blow} at event ${event}`).toBeLessThanOrEqual(2);
        expect(new Set(calls.map(({ id, status }) => `${id} ${status}`)).size).toBe(1);
      }
    }
  });
});

describe('a request with an image of its own', () => {
  const started = (request: Partial<AllocationRequest>) => {
    const { fake } = live({ config: configWith({ GAMEYE_API_IMAGE_VERSION: '1.0' }), request });
    const { image, version } = fake.requests[0]!.body as { image: string; version?: string };
    return { image, version, stored: instanceIn(fake, 'id-0') };
  };
  it('starts that image, not with the version of the configured one', () => {
    expect(started({})).toMatchObject({ image: 'my-game', version: '1.0' });
    expect(started({ image: 'other' })).toMatchObject({
      image: 'other',
      version: undefined,
      stored: { image: 'other', version: '' },
    });
    expect(started({ image: 'other', version: '2.0' })).toMatchObject({
      image: 'other',
      version: '2.0',
      stored: { image: 'other', version: '2.0' },
    });
    expect(started({ version: '3.0' })).toMatchObject({ image: 'my-game', version: '3.0', stored: { version: '3.0' } });
  });
});
