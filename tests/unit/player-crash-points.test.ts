import { afterEach, describe, expect, it, vi } from 'vitest';
import { newAllocation, type Allocation } from '../../src/allocation/allocation';
import { afterStart } from '../../src/allocation/transitions';
import type { Call } from '../../src/nakama/caller';
import { assign, readAssignment } from '../../src/players/assignment';
import { cancelStart, standing } from '../../src/players/standing';
import { startSolo } from '../../src/players/solo';
import { configWith } from './support/config';
import { ALLOCATIONS } from './support/life';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';

/*
 * A player's request, one crash, at every single call of the server: just before the call is carried out and just after. The
 * player asks again, at another node.
 */
const config = configWith();
let now = 1_700_000_000_000;

interface Crash {
  fake: FakeNakama;
  call: Call;
  point: string;
}

/** The server after each crash that `act` can die of; `prepare` comes before, undisturbed. */
function* crashes(prepare: (call: Call, fake: FakeNakama) => void, act: (call: Call) => unknown): Generator<Crash> {
  for (let dies = 1; ; dies++) {
    for (const side of ['before', 'after'] as const) {
      const fake = fakeNakama();
      const call: Call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
      prepare(call, fake);
      let calls = 0;
      let dead = false;
      fake.before = () => {
        if (!dead && ++calls === dies && side === 'before') dead = true;
        if (dead) throw goError('context canceled');
      };
      fake.after = () => {
        if (calls === dies && side === 'after') dead = true;
        if (dead) throw goError('context canceled');
      };
      try {
        act(call);
      } catch {
        // Nobody hears of it.
      }
      if (!dead) return;
      fake.before = () => undefined;
      fake.after = () => undefined;
      yield { fake, call, point: `${side} call ${dies}` };
    }
  }
}

const allocations = ({ fake }: Crash): Allocation[] =>
  fake.rows().flatMap((row) => {
    const [collection = '', key = ''] = row.split('/');
    return collection === ALLOCATIONS ? [fake.stored(collection, key) as Allocation] : [];
  });

afterEach(() => void vi.restoreAllMocks());
const passTime = (): void => void vi.spyOn(Date, 'now').mockImplementation(() => now);

describe('a node that dies over the request of a player', () => {
  it('for a session alone leaves one session asked for when the player asks again, and the player assigned to it', () => {
    passTime();
    let points = 0;
    for (const crash of crashes(
      () => undefined,
      (call) => startSolo(call, 'u1'),
    )) {
      points++;
      // Right away the assignment alone may say that it starts; a moment later it does not count any more.
      expect(['none', 'starting'], crash.point).toContain(standing(crash.call, 'u1').state);
      now += 6_000;
      expect(startSolo(crash.call, 'u1'), crash.point).toEqual({ status: 'starting' });
      const [asked, ...more] = allocations(crash);
      expect(more, crash.point).toEqual([]);
      expect(asked, crash.point).toMatchObject({ state: 'queued', request: { user_ids: ['u1'] } });
      expect(readAssignment(crash.fake.nk, 'u1')?.value, crash.point).toMatchObject({ allocation_id: asked?.id });
    }
    expect(points).toBeGreaterThanOrEqual(6);
  });

  const request = { user_ids: ['u1', 'u2'], max_players: 2, latencies: [], metadata: {} };
  const prepare = (call: Call, fake: FakeNakama): void => {
    const a = newAllocation('s1', request, ['eu'], 'm1', 60_000, Date.now());
    fake.put(ALLOCATIONS, 's1', a);
    assign(call.nk, call.logger, a);
  };

  it('to cancel leaves the session to the others, and the player with none, when the player asks again', () => {
    let points = 0;
    for (const crash of crashes(prepare, (call) => cancelStart(call, 'u1'))) {
      points++;
      cancelStart(crash.call, 'u1');
      expect(standing(crash.call, 'u1'), crash.point).toEqual({ state: 'none' });
      expect(standing(crash.call, 'u2'), crash.point).toMatchObject({ state: 'starting', session_id: 's1' });
      expect(allocations(crash), crash.point).toMatchObject([{ state: 'starting', request: { user_ids: ['u2'] } }]);
    }
    expect(points).toBeGreaterThanOrEqual(8);
  });

  it('to cancel never leaves a player who is told nothing with the word that it is too late', () => {
    const where = { host: '1.2.3.4', ports: { '7777/udp': 20001 } };
    const seen = new Set<unknown>();
    for (const crash of crashes(prepare, (call) => cancelStart(call, 'u1'))) {
      const [left] = allocations(crash);
      const started = afterStart({ ...left!, attempts: 1 }, where, false, Date.now());
      crash.fake.put(ALLOCATIONS, 's1', started);
      const isTold = started.request.user_ids.includes('u1');
      const again = cancelStart(crash.call, 'u1');
      seen.add(isTold).add(again);
      expect(again === 'started', crash.point).toBe(isTold);
      if (!isTold) expect(standing(crash.call, 'u1'), crash.point).toEqual({ state: 'none' });
      expect(allocations(crash), crash.point).toEqual([started]);
    }
    expect(seen).toEqual(new Set([true, 'started', false, 'cancelled', 'nothing']));
  });
});
