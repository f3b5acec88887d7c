import { afterEach, describe, expect, it } from 'vitest';
import { configure, type CallbackResult } from '../../src/extension/extension';
import { configWith } from './support/config';
import { CALM } from './support/gameye';
import { live, rowsOf, type Life } from './support/life';
import { instanceIn, seatOf } from './support/records';

const config = configWith();
afterEach(() => configure({}));

/** What each player heard, in order. */
const heard = ({ fake }: Life) => fake.sent().map(({ userId, code, content }) => [userId, content['reason'] ?? code]);
const joined = ({ fake }: Life): unknown[] =>
  fake.requests.filter(({ method }) => method === 'put').map(({ body }) => (body as { players: unknown }).players);

describe('a player for whom extras fail', () => {
  const failFor = (...users: string[]): void => {
    const extras = (_ctx: unknown, _logger: unknown, _nk: unknown, _instance: unknown, userId: string) => {
      if (users.includes(userId)) throw new Error('no team');
      return { team: 'red' };
    };
    configure({ extras, callbacks: { ended } });
  };
  const calls: CallbackResult[] = [];
  const ended = (_ctx: unknown, _logger: unknown, _nk: unknown, result: CallbackResult): void => {
    calls.push(result);
  };
  afterEach(() => void (calls.length = 0));

  it('hears error and has no seat; the others play', () => {
    failFor('u1');
    const life = live({ config, request: { callback: 'ended' } });
    expect(heard(life).sort()).toEqual([
      ['u1', 'error'],
      ['u2', 7300],
    ]);
    expect(seatOf(life.fake, 'u1')).toMatchObject({ state: 'failed', reason: 'error', session_id: '' });
    expect(instanceIn(life.fake, 'id-0')).toMatchObject({ player_count: 1, open_seats: 1, seats: { u2: {} } });
    expect(joined(life)).toEqual([['u2']]);
    expect(life.running).toEqual(['id-0']);
    expect(calls).toMatchObject([{ status: 'success', request: { user_ids: ['u2'] } }]);
  });
  it('leaves a session for nobody, which is stopped', () => {
    failFor('u1', 'u2');
    const life = live({ config, request: { callback: 'ended' } });
    expect(heard(life)).toEqual([
      ['u1', 'error'],
      ['u2', 'error'],
    ]);
    expect([life.running, rowsOf(life.fake), joined(life)]).toEqual([[], [], []]);
    expect(calls).toMatchObject([{ status: 'error', error: 'error', request: { user_ids: ['u1', 'u2'] } }]);
  });
  it('hears error and nothing else, whenever the server crashes', () => {
    failFor('u1');
    for (let event = 0; event < 12; event++) {
      const blows = [...Array.from({ length: event }, () => 'none' as const), 'crash-after' as const];
      const life = live({ config, blows });
      // One that crashed before anything was stored.
      if (heard(life).length === 0) continue;
      const own = heard(life).flatMap(([userId, what]) => (userId === 'u1' ? [what] : []));
      expect(new Set(own), `crash after event ${event}`).toEqual(new Set(['error']));
      expect(seatOf(life.fake, 'u1'), `crash after event ${event}`).toMatchObject({ state: 'failed', reason: 'error' });
    }
  });
});

describe('a player who plays in some regions only, among others who do not', () => {
  const request = { user_ids: ['u1', 'u2', 'u3'], max_players: 3 };

  it('plays when the group comes to one of them', () => {
    const life = live({ config, request: { ...request, only_in: { u1: ['eu-central-1'] } } });
    expect(heard(life).map(([, what]) => what)).toEqual([7300, 7300, 7300]);
  });
  it('hears misconfigured when the group plays elsewhere, and the others play', () => {
    const life = live({ config, request: { ...request, only_in: { u1: ['us-east-1'] } } });
    expect(heard(life)).toEqual(
      expect.arrayContaining([
        ['u1', 'misconfigured'],
        ['u2', 7300],
        ['u3', 7300],
      ]),
    );
    expect(instanceIn(life.fake, 'id-0')).toMatchObject({ region: 'eu-central-1', player_count: 2 });
    expect(seatOf(life.fake, 'u1')).toMatchObject({ state: 'failed', reason: 'misconfigured' });
    expect(joined(life)).toEqual([['u2', 'u3']]);
  });
  it('hears no_capacity when the group had to leave that region, and costs nobody the next one', () => {
    const turns = [{ ...CALM, full: true }];
    const life = live({ config, turns, request: { ...request, only_in: { u1: ['eu-central-1'] } } });
    expect(heard(life)).toEqual(expect.arrayContaining([['u1', 'no_capacity']]));
    expect(instanceIn(life.fake, 'id-0')).toMatchObject({ region: 'us-east-1', player_count: 2 });
  });
});
