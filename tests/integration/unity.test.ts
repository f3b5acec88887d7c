import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import type { FaultRule } from '../../dev/gameye/simulator.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, allocationsSettled, containerEnv, endSessions, quietStack } from './support/world.ts';

/** Unity's Matchmaker polls every two seconds; a test need not. */
const POLL_MS = 100;

interface Response {
  Status: string;
  Message?: string;
  AllocationData?: { sessionId: string; host?: string };
  AssignmentData?: { Ip: string; Port: number; CustomData: { sessionId: string; location: string } };
}

/** What a Cloud Code module sends, as .NET's serializers write an AllocateRequest and a PollRequest. */
async function ask(nakama: Nakama, rpc: 'allocate' | 'poll', payload: object): Promise<Response> {
  const answer = await nakama.rpc(`gameye_unity_${rpc}`, payload);
  expect(answer).toMatchObject({ status: 200 });
  return answer.payload as Response;
}

const allocate = (nakama: Nakama, MatchId: string, Region = 'home') =>
  ask(nakama, 'allocate', { MatchId, MatchmakingResults: { MatchId, PoolName: 'duels', MatchProperties: { Region } } });

/** Polls as Unity does until the answer is final. */
function pollUntilFinal(nakama: Nakama, MatchId: string, deadlineMs = 15_000): Promise<Response> {
  const final = async () => {
    const response = await ask(nakama, 'poll', { MatchId });
    return response.Status !== 'Pending' && response;
  };
  return until(final, deadlineMs, 'the end of Pending', POLL_MS);
}

const fault = (region: string, on: FaultRule['on'], action: FaultRule['action']): FaultRule => ({
  ...{ operation: 'session-run', region, on, action },
});

forEachRuntime('long', (runtime) => {
  const env = { GAMEYE_CREATE_TIMEOUT: '40s' };
  const stack = useStack(runtime, quietStack(['home', 'away', 'lossy', 'dear', 'mortal'], env));

  const startedFor = (matchId: string) =>
    stack().simulator.ledger.entries.filter(({ labels }) => labels['match_id'] === matchId);

  it('a match of Unity gets the address of a game server that knows the match, in the region that Unity chose', async () => {
    const { nakama, simulator } = stack();
    const matchId = randomUUID();
    const { Status, AllocationData } = await allocate(nakama, matchId, 'away');
    expect(Status).toBe('Created');
    const { AssignmentData: at } = await pollUntilFinal(nakama, matchId);
    const sessionId = AllocationData!.sessionId;
    const session = simulator.ledger.get(sessionId)!;
    expect(at).toMatchObject({
      Ip: session.host,
      Port: session.ports[0]!.host,
      CustomData: { sessionId, location: 'away' },
    });
    expect(session.labels).toMatchObject({ matchmaker: 'unity', pool: 'duels', nakama_fleet: 'default' });
    expect(await containerEnv(stack(), sessionId)).toMatchObject({ MATCH_ID: matchId });
    expect(await nakama.rpc('fleet_get', { id: sessionId })).toMatchObject({
      payload: { status: 'running', seats: {} },
    });
    await endSessions(stack(), [sessionId]);
    expect(await ask(nakama, 'poll', { MatchId: matchId })).toMatchObject({ Status: 'Error' });
  });

  it('a match of Unity gets one session, asked for many times at once, on two nodes, and after its end', async () => {
    const { nakama } = stack();
    const other = await stack().startNode();
    const matchId = randomUUID();
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_one, i) => allocate(i % 2 === 0 ? nakama : other, matchId)),
    );
    const ids = new Set(answers.map(({ AllocationData }) => AllocationData?.sessionId));
    expect(ids.size).toBe(1);
    await pollUntilFinal(other, matchId);
    await endSessions(stack(), [...ids] as string[]);
    expect(await allocate(other, matchId)).toMatchObject({ Status: 'Error' });
    expect(startedFor(matchId)).toHaveLength(1);
    await allocationsSettled(stack());
    await other.stop();
  });

  it('a match of Unity never gets two sessions when the answer of the Session API is lost', async () => {
    const { nakama, simulator } = stack();
    simulator.faults.add(fault('lossy', { ordinals: [1] }, { kind: 'drop', when: 'after' }));
    const matchId = randomUUID();
    await allocate(nakama, matchId, 'lossy');
    const { AssignmentData } = await pollUntilFinal(nakama, matchId);
    expect(startedFor(matchId)).toHaveLength(1);
    await endSessions(stack(), [AssignmentData!.CustomData.sessionId]);
  });

  it('a match of Unity that got no session is answered with the reason, however often it is asked for', async () => {
    const { nakama, simulator } = stack();
    simulator.faults.add(fault('dear', 'always', { kind: 'status', status: 402 }));
    const matchId = randomUUID();
    await allocate(nakama, matchId, 'dear');
    expect(await pollUntilFinal(nakama, matchId)).toMatchObject({ Status: 'Error' });
    await allocationsSettled(stack());
    expect(await allocationRows(stack())).toEqual([]);
    for (const rpc of ['poll', 'allocate'] as const) {
      const { Status, Message } = await ask(nakama, rpc, { MatchId: matchId });
      expect([Status, Message]).toEqual(['Error', expect.stringContaining('quota_exceeded')]);
    }
    expect(startedFor(matchId)).toEqual([]);
  });

  it('the RPCs for Unity are for servers only', async () => {
    const player = await Player.authenticate(stack().nakama);
    const before = await allocationRows(stack());
    for (const rpc of ['gameye_unity_allocate', 'gameye_unity_poll']) {
      expect(await player.rpc(rpc, { MatchId: randomUUID() })).toMatchObject({ code: 7 });
    }
    expect(await allocationRows(stack())).toEqual(before);
  });

  it('a match of Unity gets its session although the node dies right after gameye_unity_allocate', async () => {
    const { nakama, simulator } = stack();
    const victim = await stack().startNode();
    simulator.faults.add(fault('mortal', { times: 1 }, { kind: 'delay', ms: 4_000, when: 'before' }));
    const matchId = randomUUID();
    await allocate(victim, matchId, 'mortal');
    await victim.kill();
    const { Status, AssignmentData } = await pollUntilFinal(nakama, matchId, 60_000);
    expect(Status).toBe('Allocated');
    expect(startedFor(matchId)).toHaveLength(1);
    await endSessions(stack(), [AssignmentData!.CustomData.sessionId]);
  }, 90_000);
});
