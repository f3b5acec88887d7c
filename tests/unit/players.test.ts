import { beforeEach, describe, expect, it } from 'vitest';
import { newAllocation, type Allocation } from '../../src/allocation/allocation';
import { afterAnnouncement, afterStart, fail, withServerReady } from '../../src/allocation/transitions';
import { newInstance } from '../../src/instances/instance';
import type { Seats } from '../../src/instances/seats';
import type { Call } from '../../src/nakama/caller';
import {
  assign,
  clearAssignment,
  readAssignment,
  startingAssignments,
  type Assignment,
} from '../../src/players/assignment';
import { cancelStart, standing } from '../../src/players/standing';
import { joinFriend } from '../../src/players/friend';
import { startSolo } from '../../src/players/solo';
import { answer } from './support/gameye';
import { configWith, SEAT_SECRET } from './support/config';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

const config = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' });
const chance = { newId: () => 'id-1', random: () => 0 };
const request = { user_ids: ['u1', 'u2'], max_players: 3, latencies: [], metadata: {} };
const where = { host: '1.2.3.4', ports: { '7777/udp': 20001 } };

let fake: FakeNakama;
let call: Call;

beforeEach(() => {
  fake = fakeNakama();
  fake.http = () => answer(200, { count: 0, players: [] });
  call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
});

const starting = (): Allocation => newAllocation('s1', request, ['eu'], 'm1', 60_000, Date.now());
const started = (waits = false): Allocation => afterStart(starting(), where, waits, Date.now());

function storeAllocation(a: Allocation): Allocation {
  fake.put(ALLOCATIONS, a.id, a);
  return a;
}

function storeInstance(seats: Seats, more: object = {}): void {
  const session = { id: 's1', region: 'eu', maxPlayers: 3, metadata: {}, startedAtMs: 0 };
  fake.put(INSTANCES, 's1', { ...newInstance(config, session, where, seats), ...more });
}

const assignmentOf = (userId: string): Assignment | undefined => readAssignment(fake.nk, userId)?.value;

describe('where a player stands', () => {
  const situations: [string, () => void, object][] = [
    ['who never asked for anything: nowhere', () => undefined, { state: 'none' }],
    [
      'waiting for a session that is asked for',
      () => assign(fake.nk, fake.logger, storeAllocation(starting())),
      { state: 'starting', session_id: 's1' },
    ],
    [
      'the moment between the assignment and its allocation',
      () => assign(fake.nk, fake.logger, starting()),
      { state: 'starting', session_id: 's1' },
    ],
    [
      'the session runs, its players are just being told',
      () => {
        assign(fake.nk, fake.logger, starting());
        storeAllocation(started());
      },
      { state: 'ready', host: '1.2.3.4', port: 20001, session_id: 's1' },
    ],
    [
      'the session runs, its game server is not ready',
      () => {
        assign(fake.nk, fake.logger, starting());
        storeAllocation(started(true));
      },
      { state: 'starting', session_id: 's1' },
    ],
    [
      'the game server was ready and the players were told',
      () => {
        assign(fake.nk, fake.logger, starting());
        storeAllocation(afterAnnouncement(withServerReady(started(true)), Date.now(), chance));
      },
      { state: 'ready', session_id: 's1' },
    ],
    [
      'given up, and not told yet',
      () => {
        assign(fake.nk, fake.logger, starting());
        storeAllocation(fail(starting(), 'no_capacity', Date.now()));
      },
      { state: 'failed', reason: 'no_capacity' },
    ],
    [
      'given up and told',
      () => {
        assign(fake.nk, fake.logger, starting());
        assign(fake.nk, fake.logger, fail(starting(), 'quota_exceeded', Date.now()));
      },
      { state: 'failed', reason: 'quota_exceeded' },
    ],
    [
      'playing',
      () => {
        assign(fake.nk, fake.logger, starting());
        assign(fake.nk, fake.logger, started(), 20001);
        storeInstance({ u1: { state: 'joined' } });
      },
      { state: 'ready', host: '1.2.3.4', port: 20001 },
    ],
    [
      'the session is over',
      () => {
        assign(fake.nk, fake.logger, starting());
        assign(fake.nk, fake.logger, started(), 20001);
      },
      { state: 'none' },
    ],
    [
      'the seat was lost and everything is taken',
      () => {
        assign(fake.nk, fake.logger, starting());
        assign(fake.nk, fake.logger, started(), 20001);
        storeInstance({ a: { state: 'joined' }, b: { state: 'joined' }, c: { state: 'joined' } });
      },
      { state: 'none' },
    ],
  ];
  it.each(situations)('%s', (_situation, arrange, expected) => {
    arrange();
    expect(standing(call, 'u1')).toMatchObject(expected);
  });

  it('takes a seat again whose reservation ran out, and gives a token for it', () => {
    assign(fake.nk, fake.logger, starting());
    assign(fake.nk, fake.logger, started(), 20001);
    storeInstance({ u1: { state: 'reserved', until_ms: Date.now() - 1 } });
    expect(standing(call, 'u1')).toMatchObject({ state: 'ready', seat_token: expect.stringMatching(/^v1\./) });
    const { seats } = fake.stored(INSTANCES, 's1') as { seats: Seats };
    expect(seats['u1']).toMatchObject({ state: 'reserved' });
    expect((seats['u1'] as { until_ms: number }).until_ms).toBeGreaterThan(Date.now() + 50_000);
  });

  it('does not write an instance for a player whose seat is safe', () => {
    assign(fake.nk, fake.logger, starting());
    assign(fake.nk, fake.logger, started(), 20001);
    storeInstance({ u1: { state: 'reserved', until_ms: Date.now() + 59_000 } });
    const before = fake.events.filter((event) => event.kind === 'write').length;
    standing(call, 'u1');
    expect(fake.events.filter((event) => event.kind === 'write')).toHaveLength(before);
  });
});

describe('an assignment', () => {
  it('is replaced by a new allocation, not by news of an older one', () => {
    const old = starting();
    assign(fake.nk, fake.logger, old);
    const next = { ...starting(), id: 's2', session_id: 's2' };
    assign(fake.nk, fake.logger, next);
    assign(fake.nk, fake.logger, fail(old, 'timeout', Date.now()));
    expect(assignmentOf('u1')).toMatchObject({ state: 'starting', session_id: 's2' });
  });

  it('says that an allocation failed before it was assigned, unless the player has something newer or in use', () => {
    const failed = fail({ ...starting(), created_at_ms: Date.now() + 1000 }, 'error', Date.now());
    const use = { ...starting(), id: 's0', session_id: 's0' };
    assign(fake.nk, fake.logger, { ...use, request: { ...request, user_ids: ['u2'] } });
    assign(fake.nk, fake.logger, failed);
    expect(assignmentOf('u1')).toMatchObject({ state: 'failed', allocation_id: 's1', reason: 'error' });
    expect(assignmentOf('u2')).toMatchObject({ state: 'starting', allocation_id: 's0' });
    assign(fake.nk, fake.logger, { ...failed, id: 's2', created_at_ms: Date.now() - 1000 });
    expect(assignmentOf('u1')).toMatchObject({ allocation_id: 's1' });
  });

  it('tells which seats its players still have elsewhere', () => {
    assign(fake.nk, fake.logger, starting());
    assign(fake.nk, fake.logger, started(), 20001);
    const next = { ...starting(), id: 's2', session_id: 's2' };
    expect(startingAssignments(fake.nk, next).superseded).toEqual([
      { user_id: 'u1', session_id: 's1' },
      { user_id: 'u2', session_id: 's1' },
    ]);
  });

  it('is stored for the others when one account was deleted', () => {
    fake.before = (event) => {
      const isBatch = event.kind === 'write' && event.keys.some((key) => key.endsWith('@u2'));
      if (isBatch) throw goError('violates foreign key constraint "storage_user_id_fkey"');
    };
    assign(fake.nk, fake.logger, starting());
    expect(assignmentOf('u1')).toMatchObject({ state: 'starting' });
    expect(assignmentOf('u2')).toBeUndefined();
  });

  it('does not stop anything when the database fails', () => {
    fake.before = () => {
      throw goError('pq: the database system is shutting down');
    };
    expect(() => assign(fake.nk, fake.logger, starting())).not.toThrow();
  });

  it('ends only for the session that was left', () => {
    assign(fake.nk, fake.logger, starting());
    clearAssignment(fake.nk, 'u1', 'another', Date.now());
    expect(assignmentOf('u1')).toMatchObject({ state: 'starting' });
    clearAssignment(fake.nk, 'u1', 's1', Date.now());
    expect(assignmentOf('u1')).toBeUndefined();
  });
});

describe('cancelling', () => {
  it('takes the player out and leaves the session to the others', () => {
    assign(fake.nk, fake.logger, storeAllocation(starting()));
    expect(cancelStart(call, 'u1')).toBe('cancelled');
    expect(fake.stored(ALLOCATIONS, 's1')).toMatchObject({ state: 'starting', request: { user_ids: ['u2'] } });
    expect(cancelStart(call, 'u1')).toBe('nothing');
  });

  it('cancels the allocation when nobody is left, without a word to anybody', () => {
    assign(fake.nk, fake.logger, storeAllocation(starting()));
    cancelStart(call, 'u1');
    cancelStart(call, 'u2');
    expect(fake.stored(ALLOCATIONS, 's1')).toMatchObject({ state: 'cancelled', told: true, request: { user_ids: [] } });
    expect(fake.sent()).toEqual([]);
  });

  it('comes too late once the players were told', () => {
    assign(fake.nk, fake.logger, starting());
    storeAllocation(afterAnnouncement(started(), Date.now(), chance));
    expect(cancelStart(call, 'u1')).toBe('started');
  });

  it('comes too late while the players may just be told, but not while they wait for their game server', () => {
    assign(fake.nk, fake.logger, starting());
    storeAllocation(started());
    expect(cancelStart(call, 'u1')).toBe('started');
    storeAllocation(withServerReady(started(true)));
    expect(cancelStart(call, 'u1')).toBe('started');
    storeAllocation(started(true));
    expect(cancelStart(call, 'u1')).toBe('cancelled');
  });
});

describe('a session for one player', () => {
  it('is asked for once while it starts', () => {
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
    expect(fake.events.filter((event) => event.kind === 'match')).toHaveLength(1);
  });

  it('is not asked for by a player who plays', () => {
    assign(fake.nk, fake.logger, starting());
    assign(fake.nk, fake.logger, started(), 20001);
    storeInstance({ u1: { state: 'joined' } });
    expect(startSolo(call, 'u1')).toMatchObject({ status: 'matched', match: { session_id: 's1', port: 20001 } });
    expect(fake.events.filter((event) => event.kind === 'match')).toEqual([]);
  });

  it('is refused beyond the limit per minute, which leaving does not reset', () => {
    for (let i = 0; i < 6; i++) {
      startSolo(call, 'u1');
      clearAssignment(fake.nk, 'u1', assignmentOf('u1')?.session_id ?? '', Date.now());
    }
    expect(refusal(() => startSolo(call, 'u1'))).toMatchObject({ code: 8 });
    const later = assignmentOf('u1') as Assignment;
    fake.put('gameye_assignment', 'current@u1', { ...later, solo_at_ms: later.solo_at_ms.map((at) => at - 61_000) });
    expect(startSolo(call, 'u1')).toEqual({ status: 'starting' });
  });

  it('is never given where it is turned off', () => {
    const off = { ...call, config: configWith({ GAMEYE_SOLO_PER_MINUTE: '0' }) };
    expect(refusal(() => startSolo(off, 'u1'))).toMatchObject({ code: 8 });
  });
});

describe('joining a friend', () => {
  const befriend = (...ids: string[]): void => {
    fake.nk.friendsList = () => ({ friends: ids.map((userId) => ({ user: { userId } })), cursor: '' });
  };
  const hostPlays = (seats: Seats = { u1: { state: 'joined' } }): void => {
    assign(fake.nk, fake.logger, starting());
    assign(fake.nk, fake.logger, started(), 20001);
    storeInstance(seats);
  };

  it('takes a seat beside the friend', () => {
    befriend('u1');
    hostPlays();
    expect(joinFriend(call, 'guest', 'u1')).toMatchObject({ status: 'matched', match: { session_id: 's1' } });
    expect(fake.stored(INSTANCES, 's1')).toMatchObject({ seats: { guest: { state: 'reserved' } } });
    expect(assignmentOf('guest')).toMatchObject({ state: 'ready', session_id: 's1', host: '1.2.3.4', port: 20001 });
  });

  it('does not tell a stranger whether somebody plays', () => {
    befriend();
    const nobody = refusal(() => joinFriend(call, 'guest', 'u1'));
    hostPlays();
    expect(refusal(() => joinFriend(call, 'guest', 'u1'))).toEqual(nobody);
    expect(nobody).toMatchObject({ code: 5 });
  });

  it('is refused when the session is full, and changes nothing then', () => {
    befriend('u1');
    hostPlays({ u1: { state: 'joined' }, a: { state: 'joined' }, b: { state: 'joined' } });
    expect(refusal(() => joinFriend(call, 'guest', 'u1'))).toMatchObject({ code: 8 });
    expect(assignmentOf('guest')).toBeUndefined();
  });
});
