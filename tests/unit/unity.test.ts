import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { resumeAllocations } from '../../src/supervision/resume';
import { configWith } from './support/config';
import { DATABASE_GONE, goError } from './support/nakama';
import { rowsIn } from './support/records';
import { refusal } from './support/refusal';
import { ALLOCATE, MATCH, UnityWorld, type Answer } from './support/unity';

let w: UnityWorld;
beforeEach(() => {
  w = new UnityWorld();
});
afterEach(() => vi.restoreAllMocks());

describe('gameye_unity_allocate', () => {
  it('stores an allocation whose id follows from the match, then starts a worker', () => {
    const answer = w.allocate();
    expect(answer).toEqual({
      Status: 'Created',
      AllocationData: { sessionId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
    expect(answer.AllocationData).toEqual({ sessionId: w.id() });
    expect(w.fake.events.at(-1)).toMatchObject({ kind: 'match' });
    expect(w.row()).toMatchObject({ id: w.id(), state: 'queued' });
  });

  it('asks for a session without Nakama users, in the region that Unity chose, with what a Unity server needs', () => {
    w.allocate({ ...ALLOCATE, metadata: { map: 'dust' }, env: { MODE: 'duel' } });
    expect(w.row()).toMatchObject({
      regions: ['us-east-1', 'eu-central-1'],
      request: {
        user_ids: [],
        max_players: 2,
        backfill: false,
        metadata: {
          ...{ map: 'dust', matchmaker: 'unity', pool: 'duels', queue: 'ranked', match_id: MATCH },
          'gameye.env': { MODE: 'duel', MATCH_ID: MATCH },
        },
      },
    });
    w.work();
    const post = w.fake.requests.find(({ method }) => method === 'post')!.body as { [key: string]: object };
    expect(post).toMatchObject({ location: 'us-east-1', env: { MATCH_ID: MATCH, MODE: 'duel' } });
    expect(post['labels']).toMatchObject({ matchmaker: 'unity', pool: 'duels' });
    expect(w.fake.sent()).toEqual([]);
    expect(w.fake.log.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
  });

  it.each([
    [{ matchId: MATCH }, { regions: ['eu-central-1', 'us-east-1'], request: { max_players: 1 } }],
    [{ match_id: MATCH, regions: ['mars'] }, { regions: ['mars'] }],
    [{ match_id: MATCH, max_players: 12 }, { request: { max_players: 12 } }],
    [
      { match_id: MATCH, matchmakingResults: { matchProperties: { region: 'asia', maxPlayers: 8 }, poolName: '' } },
      { regions: ['eu-central-1', 'us-east-1'], request: { max_players: 8 } },
    ],
    [{ match_id: MATCH, MatchmakingResults: null }, { request: { metadata: { matchmaker: 'unity' } } }],
  ])('takes %j', (payload, expected) => {
    expect(w.allocate(payload)).toMatchObject({ Status: 'Created' });
    expect(w.row()).toMatchObject(expected);
  });

  it.each([
    [{}, 'MatchId'],
    [{ MatchId: '' }, 'MatchId'],
    [{ MatchId: 'a b' }, 'MatchId'],
    [{ MatchId: MATCH, matchId: MATCH }, 'MatchId'],
    [{ MatchId: MATCH, MatchmakingResults: [] }, '"MatchmakingResults"'],
    [{ MatchId: MATCH, MatchmakingResults: {}, matchmakingResults: {} }, 'not both'],
    [{ MatchId: MATCH, max_players: 0 }, '"max_players"'],
    [{ MatchId: MATCH, regions: [] }, '"regions"'],
    [{ MatchId: MATCH, metadata: { env: 'x' } }, 'gameye.env'],
  ])('refuses %j with 3 and changes nothing', (payload, words) => {
    const { code, message } = refusal(() => w.allocate(payload));
    expect([code, message]).toEqual([3, expect.stringContaining(words)]);
    expect(w.fake.events).toEqual([]);
  });

  it('leads to the same session however often it is called, at any moment, also with another request', () => {
    const first = w.allocate().AllocationData!.sessionId;
    w.work(() => {
      expect(w.allocate().AllocationData!.sessionId).toBe(first);
      return false;
    });
    expect(w.allocate({ match_id: MATCH, max_players: 9 }).AllocationData).toMatchObject({
      ...{ sessionId: first, host: expect.any(String), port: expect.any(Number), location: 'us-east-1' },
    });
    expect([...w.api.asked.values()]).toEqual([1]);
    expect(w.fake.events.filter(({ kind }) => kind === 'match')).toHaveLength(1);
  });

  it('starts a session in which nobody else is seated, also with backfill', () => {
    w.call = { ...w.call, config: configWith({ GAMEYE_BACKFILL: 'on', GAMEYE_MAX_PLAYERS: '8' }) };
    w.allocate();
    expect(w.row()).toMatchObject({ next: 'run' });
    w.work();
    expect(w.instance()).not.toHaveProperty('pool');
  });

  it('gives every match, and every fleet, an id of its own', () => {
    const other = { ...w.call, config: configWith({ GAMEYE_FLEET: 'staging' }) };
    const ids = [w.id(), w.allocate({ MatchId: 'another' }).AllocationData!.sessionId];
    w.call = other;
    expect(new Set([...ids, w.id()]).size).toBe(3);
  });

  it('starts no second session for a match whose session has ended', () => {
    w.allocate();
    w.work();
    w.endSession();
    expect(w.allocate()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
    expect(w.fake.events.filter(({ kind }) => kind === 'match')).toHaveLength(1);
  });

  it('starts no second session for a match that failed, and says why it did', () => {
    w.faults = ['unauthorized'];
    w.allocate();
    w.work();
    expect(rowsIn(w.fake, 'instance')).toBe(0);
    for (const answer of [w.allocate(), w.poll()]) {
      expect(answer).toEqual({ Status: 'Error', Message: expect.stringContaining('misconfigured') });
    }
  });

  it('leads to one session when it is called twice at once', () => {
    let second: Answer | undefined;
    w.fake.before = (event) => {
      if (event.kind !== 'sql' || !event.statement.includes('INSERT INTO gameye_allocation') || second) return;
      second = {} as Answer;
      second = w.allocate();
    };
    expect(w.allocate()).toEqual(second);
    expect(rowsIn(w.fake, 'allocation')).toBe(1);
    expect(w.fake.events.filter(({ kind }) => kind === 'match')).toHaveLength(1);
  });

  it('leaves its request to another node when its own shuts down', () => {
    w.fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: shutdown in progress');
    };
    expect(w.allocate()).toMatchObject({ Status: 'Created' });
    expect(w.row()).toMatchObject({ state: 'queued' });
    expect(w.poll()).toEqual({ Status: 'Pending' });
  });

  it.each([
    ['its node dies before it starts the worker', 'match', 'before'],
    ['the answer of the database is lost', 'sql', 'after'],
  ] as const)('leads to one session when %s, whoever asks again', (_what, kind, when) => {
    w.fake[when] = (event) => {
      const isIt =
        event.kind === kind && (event.kind !== 'sql' || event.statement.includes('INSERT INTO gameye_allocation'));
      if (isIt) throw goError('context canceled');
    };
    try {
      w.allocate();
    } catch {
      // Its caller got no answer.
    }
    w.fake[when] = () => undefined;
    expect(w.allocate()).toMatchObject({ Status: 'Created' });
    w.now += 6_000;
    resumeAllocations(w.call);
    w.work();
    expect(w.poll()).toMatchObject({ Status: 'Allocated' });
    expect([...w.api.asked.values()]).toEqual([1]);
  });

  it('changes nothing when the database fails, and works when it is repeated', () => {
    w.fake.before = (event) => {
      if (event.kind === 'sql') throw goError(DATABASE_GONE);
    };
    expect(refusal(() => w.allocate())).toMatchObject({ code: 14 });
    expect(rowsIn(w.fake, 'allocation')).toBe(0);
    w.fake.before = () => undefined;
    expect(w.allocate()).toMatchObject({ Status: 'Created' });
  });
});
