import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configWith } from './support/config';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { refusal } from './support/refusal';
import { MATCH, UnityWorld } from './support/unity';

const DAY = 86_400_000;

let w: UnityWorld;
beforeEach(() => {
  w = new UnityWorld();
});
afterEach(() => vi.restoreAllMocks());

describe('gameye_unity_poll', () => {
  it('answers Pending until the session has started, then Allocated with its address', () => {
    w.allocate();
    const seen = new Set<string>();
    w.work(() => {
      seen.add(w.poll().Status);
      return false;
    });
    expect([...seen]).toEqual(['Pending', 'Allocated']);
    const { connection_info, ports } = w.fake.stored(INSTANCES, w.id()) as {
      connection_info: { ip_address: string; port: number };
      ports: { [name: string]: number };
    };
    const { ip_address: host, port } = connection_info;
    expect(w.poll()).toEqual({
      Status: 'Allocated',
      AssignmentData: {
        Ip: host,
        Port: port,
        CustomData: { sessionId: w.id(), host, port, location: 'us-east-1', port_udp_7777: ports['7777/udp'] },
      },
    });
  });

  it('finds the session by its match when it got another id than the allocation', () => {
    w.allocate();
    const asked = w.allocations()[0]!;
    w.fake.put(ALLOCATIONS, asked, { ...w.row(), state: 'announced', session_id: 'another' });
    w.fake.put(INSTANCES, 'another', {
      ...{ id: 'another', status: 'running', region: 'eu', ports: {} },
      connection_info: { ip_address: '1.2.3.4', dns_name: '', port: 5 },
    });
    expect(w.poll()).toMatchObject({ Status: 'Allocated', AssignmentData: { Ip: '1.2.3.4', Port: 5 } });
    expect(w.allocate().AllocationData).toMatchObject({ sessionId: 'another' });
  });

  it('waits for the game server where players wait for it, too', () => {
    w.call = {
      ...w.call,
      config: configWith({ GAMEYE_READY: 'server', GAMEYE_SEAT_SECRET: 'x'.repeat(32), GAMEYE_NAKAMA_URL: 'http://n' }),
    };
    w.allocate();
    w.work(() => w.row().state === 'started');
    expect(w.poll()).toEqual({ Status: 'Pending' });
    w.fake.put(ALLOCATIONS, w.allocations()[0]!, { ...w.row(), server_ready: true });
    expect(w.poll()).toMatchObject({ Status: 'Allocated' });
  });

  it.each([
    ['lost', 'Pending'],
    ['exited', 'Error'],
    ['draining', 'Allocated'],
    ['server_unreachable', 'Allocated'],
  ])('answers for a session that is %s: %s', (status, expected) => {
    w.allocate();
    w.work();
    w.fake.put(INSTANCES, w.id(), { ...(w.fake.stored(INSTANCES, w.id()) as object), status });
    expect(w.poll().Status).toBe(expected);
  });

  it('says that the session is over when it is, and that nobody asked when nobody did', () => {
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('gameye_unity_allocate') });
    w.allocate();
    w.work();
    w.fake.drop(INSTANCES, w.keysOf(INSTANCES)[0]!);
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
  });

  it('says why there is no server while what may run is still being stopped', () => {
    w.allocate();
    w.fake.put(ALLOCATIONS, w.allocations()[0]!, { ...w.row(), state: 'failed', reason: 'no_capacity' });
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('no_capacity') });
  });

  it('takes what Unity hands back, and refuses what is no PollRequest', () => {
    const AllocationData = { sessionId: w.id(), host: '', port: 0 };
    expect(w.poll({ MatchId: MATCH, AllocationData }).Status).toBe('Pending');
    expect(refusal(() => w.poll({ MatchId: MATCH, AllocationData: 'x' }))).toMatchObject({ code: 3 });
    expect(refusal(() => w.poll({ AllocationData }))).toMatchObject({ code: 3 });
  });
});

describe('what is remembered of a match', () => {
  const remembered = () => w.fake.rows().filter((one) => one.startsWith('_gameye_unity_'));

  it('is there until the end of the next day, in whichever collection that is', () => {
    const midnight = Math.ceil(w.now / DAY) * DAY;
    w.now = midnight - 1;
    w.allocate();
    w.work();
    w.fake.drop(INSTANCES, w.keysOf(INSTANCES)[0]!);
    w.now = midnight + DAY - 1;
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
    expect(w.allocate()).toMatchObject({ Status: 'Error' });
  });

  it('is deleted by later matches, with more of them than they are', () => {
    for (let i = 0; i < 12; i++) w.allocate({ MatchId: `old-${i}` });
    w.now += 3 * DAY;
    for (let i = 0; i < 3; i++) w.allocate({ MatchId: `new-${i}` });
    expect(remembered()).toHaveLength(3);
  });

  it('does not stand in the way of a match that has its id days later', () => {
    w.allocate();
    w.work();
    w.fake.drop(INSTANCES, w.keysOf(INSTANCES)[0]!);
    w.now += 4 * DAY;
    expect(w.allocate()).toMatchObject({ Status: 'Created' });
  });
});
