import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Allocation } from '../../src/allocation/allocation';
import { loopAllocator, type AllocatorState } from '../../src/allocation/allocator';
import type { HttpResponse } from '../../src/nakama/runtime';
import { configWith } from './support/config';
import { CALM, ModelGameye, type Fault } from './support/gameye';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama, goError, type FakeNakama } from './support/nakama';
import { refusal } from './support/refusal';
import { unityAllocate, unityPoll } from '../../src/rpc/unity';
import type { Call } from '../../src/nakama/caller';
import { resumeAllocations } from '../../src/supervision/resume';

const DAY = 86_400_000;
const MATCH = '6b7a1f0e-0f6e-4a35-9a3a-3b1f4a2c9d10';
const ALLOCATE = {
  MatchId: MATCH,
  MatchmakingResults: {
    MatchProperties: { Region: 'us-east-1', Players: [{ Id: 'unity-player-1' }, { Id: 'unity-player-2' }] },
    PoolName: 'duels',
    QueueName: 'ranked',
  },
};

let now: number;
let fake: FakeNakama;
let api: ModelGameye;
let call: Call;
let faults: Fault[];

beforeEach(() => {
  now = 1_700_000_000_000;
  vi.spyOn(Date, 'now').mockImplementation(() => now);
  faults = [];
  fake = fakeNakama();
  fake.nk.localcachePut('gameye_version', '');
  const clock = { now: () => now, pass: (ms: number) => void (now += ms) };
  api = new ModelGameye(clock, () => ({ ...CALM, fault: faults.shift() ?? 'none' }));
  fake.http = (request): HttpResponse => api.handle(request);
  call = { ctx: context({ matchId: 'm1' }), logger: fake.logger, nk: fake.nk, config: configWith() };
});
afterEach(() => vi.restoreAllMocks());

interface Answer {
  Status: string;
  Message?: string;
  AllocationData?: { sessionId: string };
  AssignmentData?: { Ip: string; Port: number; CustomData: { [key: string]: unknown } };
}
const allocate = (payload: object = ALLOCATE) => unityAllocate.answer(call, { ...payload }, undefined) as Answer;
const poll = (payload: object = { MatchId: MATCH }) => unityPoll.answer(call, { ...payload }, undefined) as Answer;
const id = () => allocate().AllocationData!.sessionId;
const row = () => fake.stored(ALLOCATIONS, allocations()[0]!) as Allocation;
const allocations = () => keysOf(ALLOCATIONS);
const keysOf = (collection: string) =>
  fake
    .rows()
    .filter((one) => one.startsWith(`${collection}/`))
    .map((one) => one.slice(collection.length + 1));

/** Runs the worker that an allocate started, until it is finished or, with `until`, until that is so. */
function work(until: () => boolean = () => false): void {
  const started = fake.events.flatMap((event) => (event.kind === 'match' ? [event.params] : [])).at(-1);
  let state: AllocatorState | undefined = { ...(started as unknown as AllocatorState), wake_at_ms: 0 };
  for (let tick = 0; state && tick < 3_000 && !until(); tick++) {
    now = Math.max(now + 17, state.wake_at_ms);
    state = loopAllocator(call, state);
  }
}

describe('gameye_unity_allocate', () => {
  it('stores the match and its allocation in one transaction, then starts a worker', () => {
    const answer = allocate();
    expect(answer).toEqual({
      Status: 'Created',
      AllocationData: { sessionId: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    });
    const writes = fake.events.filter((event) => event.kind === 'write' || event.kind === 'match');
    expect(writes.map((event) => event.kind)).toEqual(['write', 'match']);
    expect((writes[0] as { keys: string[] }).keys).toHaveLength(2);
  });

  it('asks for a server without Nakama users, in the region that Unity chose, with what a Unity server needs', () => {
    allocate({ ...ALLOCATE, metadata: { map: 'dust' }, env: { MODE: 'duel' } });
    expect(row()).toMatchObject({
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
    work();
    const post = fake.requests.find(({ method }) => method === 'post')!.body as { [key: string]: object };
    expect(post).toMatchObject({ location: 'us-east-1', env: { MATCH_ID: MATCH, MODE: 'duel' } });
    expect(post['labels']).toMatchObject({ matchmaker: 'unity', pool: 'duels' });
    expect(fake.sent()).toEqual([]);
    expect(fake.log.filter(({ level }) => level === 'warn' || level === 'error')).toEqual([]);
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
    expect(allocate(payload)).toMatchObject({ Status: 'Created' });
    expect(row()).toMatchObject(expected);
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
    const { code, message } = refusal(() => allocate(payload));
    expect([code, message]).toEqual([3, expect.stringContaining(words)]);
    expect(fake.events).toEqual([]);
  });

  it('leads to the same session however often it is asked, at any moment, also for something else', () => {
    const first = id();
    work(() => {
      expect(id()).toBe(first);
      return false;
    });
    expect(allocate({ match_id: MATCH, max_players: 9 }).AllocationData).toMatchObject({
      ...{ sessionId: first, host: expect.any(String), port: expect.any(Number), location: 'us-east-1' },
    });
    expect([...api.asked.values()]).toEqual([1]);
    expect(fake.events.filter(({ kind }) => kind === 'match')).toHaveLength(1);
  });

  it('has a session of its own, in which nobody else is seated, also with backfill', () => {
    call = { ...call, config: configWith({ GAMEYE_BACKFILL: 'on', GAMEYE_MAX_PLAYERS: '8' }) };
    allocate();
    expect(row().next).toBe('run');
    work();
    expect(fake.stored(INSTANCES, id())).not.toHaveProperty('pool');
  });

  it('gives every match, and every fleet, an id of its own', () => {
    const other = { ...call, config: configWith({ GAMEYE_FLEET: 'staging' }) };
    const ids = [id(), allocate({ MatchId: 'another' }).AllocationData!.sessionId];
    call = other;
    expect(new Set([...ids, id()]).size).toBe(3);
  });

  it('starts no second session for a match whose session has ended', () => {
    allocate();
    work();
    fake.drop(INSTANCES, keysOf(INSTANCES)[0]!);
    expect(allocate()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
    expect(fake.events.filter(({ kind }) => kind === 'match')).toHaveLength(1);
  });

  it('starts no second session for a match that failed, and says why it did', () => {
    faults = ['unauthorized'];
    allocate();
    work();
    expect(allocations()).toEqual([]);
    for (const answer of [allocate(), poll()]) {
      expect(answer).toEqual({ Status: 'Error', Message: expect.stringContaining('misconfigured') });
    }
  });

  it('two at once lead to one session', () => {
    let second: Answer | undefined;
    fake.before = (event) => {
      if (event.kind !== 'write' || second) return;
      second = {} as Answer;
      second = allocate();
    };
    expect(allocate()).toEqual(second);
    expect(allocations()).toHaveLength(1);
    expect(fake.events.filter(({ kind }) => kind === 'match')).toHaveLength(1);
  });

  it('is left to another node by a server that shuts down', () => {
    fake.before = (event) => {
      if (event.kind === 'match') throw goError('error creating match: shutdown in progress');
    };
    expect(allocate()).toMatchObject({ Status: 'Created' });
    expect(row()).toMatchObject({ state: 'queued' });
    expect(poll()).toEqual({ Status: 'Pending' });
  });

  it.each([
    ['its node dies before it starts the worker', 'match', 'before'],
    ['the answer of the database is lost', 'write', 'after'],
  ] as const)('leads to one session when %s, whoever asks again', (_what, kind, when) => {
    fake[when] = (event) => {
      if (event.kind === kind) throw goError('context canceled');
    };
    try {
      allocate();
    } catch {
      // Its caller got no answer.
    }
    fake[when] = () => undefined;
    expect(allocate()).toMatchObject({ Status: 'Created' });
    const before = fake.events.length;
    now += 6_000;
    resumeAllocations(call, now);
    expect(fake.events.slice(before).filter((event) => event.kind === 'match')).toHaveLength(1);
    work();
    expect(poll()).toMatchObject({ Status: 'Allocated' });
    expect([...api.asked.values()]).toEqual([1]);
  });

  it('changes nothing when the database fails, and works when it is repeated', () => {
    fake.before = (event) => {
      if (event.kind === 'write') throw goError('pq: the database system is shutting down');
    };
    expect(() => allocate()).toThrow('shutting down');
    expect(fake.rows()).toEqual([]);
    fake.before = () => undefined;
    expect(allocate()).toMatchObject({ Status: 'Created' });
  });
});

describe('gameye_unity_poll', () => {
  it('answers Pending until the session has started, then Allocated with its address', () => {
    allocate();
    const seen = new Set<string>();
    work(() => {
      seen.add(poll().Status);
      return false;
    });
    expect([...seen]).toEqual(['Pending', 'Allocated']);
    const { connection_info, ports } = fake.stored(INSTANCES, id()) as {
      connection_info: { ip_address: string; port: number };
      ports: { [name: string]: number };
    };
    const { ip_address: host, port } = connection_info;
    expect(poll()).toEqual({
      Status: 'Allocated',
      AssignmentData: {
        Ip: host,
        Port: port,
        CustomData: { sessionId: id(), host, port, location: 'us-east-1', port_udp_7777: ports['7777/udp'] },
      },
    });
  });

  it('finds the session by its match when it got another id than the allocation', () => {
    allocate();
    const asked = allocations()[0]!;
    fake.put(ALLOCATIONS, asked, { ...row(), state: 'announced', session_id: 'another' });
    fake.put(INSTANCES, 'another', {
      ...{ id: 'another', status: 'running', region: 'eu', ports: {} },
      connection_info: { ip_address: '1.2.3.4', dns_name: '', port: 5 },
    });
    expect(poll()).toMatchObject({ Status: 'Allocated', AssignmentData: { Ip: '1.2.3.4', Port: 5 } });
    expect(allocate().AllocationData).toMatchObject({ sessionId: 'another' });
  });

  it('waits for the game server where players wait for it, too', () => {
    call = {
      ...call,
      config: configWith({ GAMEYE_READY: 'server', GAMEYE_SEAT_SECRET: 'x'.repeat(32), GAMEYE_NAKAMA_URL: 'http://n' }),
    };
    allocate();
    work(() => row().state === 'started');
    expect(poll()).toEqual({ Status: 'Pending' });
    fake.put(ALLOCATIONS, allocations()[0]!, { ...row(), server_ready: true });
    expect(poll()).toMatchObject({ Status: 'Allocated' });
  });

  it.each([
    ['lost', 'Pending'],
    ['exited', 'Error'],
    ['draining', 'Allocated'],
    ['server_unreachable', 'Allocated'],
  ])('answers for a session that is %s: %s', (status, expected) => {
    allocate();
    work();
    fake.put(INSTANCES, id(), { ...(fake.stored(INSTANCES, id()) as object), status });
    expect(poll().Status).toBe(expected);
  });

  it('says that the session is over when it is, and that nobody asked when nobody did', () => {
    expect(poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('gameye_unity_allocate') });
    allocate();
    work();
    fake.drop(INSTANCES, keysOf(INSTANCES)[0]!);
    expect(poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
  });

  it('says why there is no server while what may run is still being stopped', () => {
    allocate();
    fake.put(ALLOCATIONS, allocations()[0]!, { ...row(), state: 'failed', reason: 'no_capacity' });
    expect(poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('no_capacity') });
  });

  it('takes what Unity hands back, and refuses what is no PollRequest', () => {
    const AllocationData = { sessionId: id(), host: '', port: 0 };
    expect(poll({ MatchId: MATCH, AllocationData }).Status).toBe('Pending');
    expect(refusal(() => poll({ MatchId: MATCH, AllocationData: 'x' }))).toMatchObject({ code: 3 });
    expect(refusal(() => poll({ AllocationData }))).toMatchObject({ code: 3 });
  });
});

describe('what is remembered of a match', () => {
  const remembered = () => fake.rows().filter((one) => one.startsWith('_gameye_unity_'));

  it('is there until the end of the next day, in whichever collection that is', () => {
    const midnight = Math.ceil(now / DAY) * DAY;
    now = midnight - 1;
    allocate();
    work();
    fake.drop(INSTANCES, keysOf(INSTANCES)[0]!);
    now = midnight + DAY - 1;
    expect(poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
    expect(allocate()).toMatchObject({ Status: 'Error' });
  });

  it('is deleted by later matches, with more of them than they are', () => {
    for (let i = 0; i < 12; i++) allocate({ MatchId: `old-${i}` });
    now += 3 * DAY;
    for (let i = 0; i < 3; i++) allocate({ MatchId: `new-${i}` });
    expect(remembered()).toHaveLength(3);
  });

  it('does not stand in the way of a match that has its id days later', () => {
    allocate();
    work();
    fake.drop(INSTANCES, keysOf(INSTANCES)[0]!);
    now += 4 * DAY;
    expect(allocate()).toMatchObject({ Status: 'Created' });
  });
});
