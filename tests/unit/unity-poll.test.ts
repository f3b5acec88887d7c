import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { configWith } from './support/config';
import type { Allocation } from '../../src/allocation/allocation';
import { forgetOver, markReady } from '../../src/database/allocations';
import { alterAllocation, FLEET, putInstance, rowsIn } from './support/records';
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
    seen.add(w.poll().Status);
    expect([...seen]).toEqual(['Pending', 'Allocated']);
    const { connection_info, ports } = w.instance()!;
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
    alterAllocation(w.fake, { ...w.row(), state: 'announced', session_id: 'another' } as Allocation);
    putInstance(w.fake, { id: 'another', allocation_id: w.id() });
    expect(w.poll()).toMatchObject({ Status: 'Allocated', AssignmentData: { Ip: '1.2.3.4', Port: 20001 } });
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
    markReady(w.fake.nk, 'default', w.id());
    w.work();
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
    w.fake.query('UPDATE gameye_instance SET status = $1', [status]);
    expect(w.poll().Status).toBe(expected);
  });

  it('says that the session is over when it is, and that nobody asked when nobody did', () => {
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('gameye_unity_allocate') });
    w.allocate();
    w.work();
    w.endSession();
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
  });

  it('says why there is no server while what may run is still being stopped', () => {
    w.allocate();
    alterAllocation(w.fake, { ...w.row(), state: 'failed', reason: 'no_capacity', told: true } as Allocation);
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('no_capacity') });
  });

  it('takes what Unity hands back, and refuses what is no PollRequest', () => {
    const AllocationData = { ...w.allocate().AllocationData, host: '', port: 0 };
    expect(w.poll({ MatchId: MATCH, AllocationData }).Status).toBe('Pending');
    expect(refusal(() => w.poll({ MatchId: MATCH, AllocationData: 'x' }))).toMatchObject({ code: 3 });
    expect(refusal(() => w.poll({ AllocationData }))).toMatchObject({ code: 3 });
  });
});

describe('what gameye_unity_poll says of a match', () => {
  it('is there for two days', () => {
    w.allocate();
    w.work();
    w.endSession();
    w.now += 2 * DAY - 60_000;
    forgetOver(w.fake.nk, FLEET);
    expect(w.poll()).toEqual({ Status: 'Error', Message: expect.stringContaining('over') });
    expect(w.allocate()).toMatchObject({ Status: 'Error' });
  });

  it('is forgotten after that, and does not stand in the way of a match that has its id', () => {
    w.allocate();
    w.work();
    w.endSession();
    w.now += 2 * DAY + 60_000;
    forgetOver(w.fake.nk, FLEET);
    expect(rowsIn(w.fake, 'allocation')).toBe(0);
    expect(w.allocate()).toMatchObject({ Status: 'Created' });
  });
});
