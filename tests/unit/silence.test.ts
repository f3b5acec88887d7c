import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { get } from '../../src/fleet/get';
import { join } from '../../src/fleet/join';
import { leave } from '../../src/fleet/seats';
import type { Call } from '../../src/nakama/caller';
import { standing } from '../../src/players/standing';
import { callOn } from './support/fleet';
import { answer } from './support/gameye';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { instanceIn, putInstance } from './support/records';

let fake: FakeNakama;
let call: Call;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'] });
  fake = fakeNakama();
  call = callOn(fake);
  putInstance(fake, { max_players: 9 }, { u1: 'joined' });
});
afterEach(() => void vi.useRealTimers());

const pass = (ms: number): void => void vi.setSystemTime(Date.now() + ms);
const hangs = (): never => {
  pass(4000);
  throw goError('HTTP request error: Get "http://gameye.test/session/s1": context deadline exceeded');
};

describe('a Session API that kept an RPC waiting in vain', () => {
  beforeEach(() => {
    fake.http = hangs;
    join(call, 's1', ['u2']);
    fake.requests.length = 0;
  });

  it('is not waited for by the next ones, which do their work', () => {
    expect(join(call, 's1', ['u3']).instance_info.player_count).toBe(3);
    expect(leave(call, 's1', ['u2']).instance_info.player_count).toBe(2);
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready' });
    expect(get(call, 's1')).toMatchObject({ id: 's1' });
    expect(fake.requests).toEqual([]);
  });

  it('is asked again some seconds later', () => {
    pass(6000);
    fake.http = () => answer(200, {});
    join(call, 's1', ['u3']);
    expect(fake.requests).toHaveLength(1);
  });

  it('is waited for by workers, which hold no VM of the pool', () => {
    fake.http = () => answer(200, {});
    join({ ...call, ctx: context({ matchId: 'm1.n1' }) }, 's1', ['u3']);
    expect(fake.requests).toHaveLength(1);
  });
});

it('a Session API that fails at once is asked the next time', () => {
  fake.http = () => answer(503, {});
  join(call, 's1', ['u2']);
  join(call, 's1', ['u3']);
  expect(fake.requests).toHaveLength(2);
});

it('a Session API that keeps one RPC waiting is not asked for what can wait by other RPCs', () => {
  fake.http = () => {
    pass(400);
    fake.http = () => answer(404, {});
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready' });
    return answer(200, {});
  };
  join(call, 's1', ['u2']);
  expect(fake.requests).toHaveLength(1);
  standing(call, 'u1');
  expect(instanceIn(fake)).toMatchObject({ status: 'lost' });
});
