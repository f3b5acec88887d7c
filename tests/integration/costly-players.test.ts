import { Client } from '@heroiclabs/nakama-js';
import { expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import { until } from '../../dev/stack/until.ts';
import type { Player } from '../helpers/players.ts';
import { closeAll, connectPlayers, matchTogether } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import {
  allocationsSettled,
  endSessions,
  quietStack,
  requestsOf,
  sessionsFor,
  stopBehindItsBack,
  tableOf,
} from './support/world.ts';

const STARTS = 4;
/** As many as Nakama has VMs for RPCs at most. */
const AT_ONCE = 32;
/** What another player's RPC may take meanwhile: 100 ms on a machine that does nothing else, 4 s when it waits for the API. */
const QUICK_MS = 2_500;

async function payloadOf<T = { [field: string]: unknown }>(player: Player, id: string, payload: object = {}) {
  const result = await player.rpc(id, payload);
  expect(result, id).toMatchObject({ status: 200 });
  return result.payload as T;
}

const stateOf = async (player: Player): Promise<unknown> => (await payloadOf(player, 'gameye_assignment'))['state'];

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, {
    ...quietStack(['eu-central-1', 'slow-1'], { GAMEYE_MAX_PLAYERS: '8', GAMEYE_STARTS_PER_MINUTE: String(STARTS) }),
  });

  const onePlayer = async (): Promise<Player> => (await connectPlayers(stack().nakama, 1))[0] as Player;
  const soloSession = async (player: Player): Promise<string> => {
    const told = player.answers.length;
    expect(await payloadOf(player, 'gameye_solo_match')).toEqual({ status: 'starting' });
    const answer = await until(() => player.answers[told], 15_000, 'the answer');
    if (answer.kind !== 'match') throw new Error(`told ${answer.reason}`);
    await allocationsSettled(stack(), [player]);
    return answer.sessionId;
  };
  const ended = (id: string): Promise<unknown> =>
    until(() => stack().simulator.ledger.get(id)?.endedAtMs !== undefined, 15_000, `the end of ${id}`);
  const befriended = async (one: Player, other: Player): Promise<void> => {
    await one.befriend(other);
    await other.befriend(one);
  };

  // The embedded runtime has no storage engine; tests/bundle/storage.test.ts shows that the module reads none.
  it.runIf(runtime.kind !== 'embedded')(
    'whatever a player writes into the storage engine of Nakama has no effect',
    async () => {
      const victims = await queueMatch(stack());
      const { sessionId } = await toldOneSession(stack(), victims);
      const player = await onePlayer();
      const { port, serverKey } = stack().nakama;
      const client = new Client(serverKey, '127.0.0.1', String(port));
      const session = await client.authenticateCustom(`writer-${Date.now()}-${Math.random()}`, true);
      const callRpc = async (id: string, payload: object) => {
        const response = await fetch(`${stack().nakama.url}/v2/rpc/${id}?unwrap`, {
          method: 'POST',
          headers: { authorization: `Bearer ${session.token}` },
          body: JSON.stringify(payload),
        });
        return { status: response.status, answer: (await response.json()) as { [field: string]: unknown } };
      };
      const ready = { state: 'ready', allocation_id: '', session_id: sessionId, updated_at_ms: 1, solo_at_ms: [] };
      const values: object[] = [ready, {}, { ...ready, solo_at_ms: 5 }, { ...ready, session_id: 7 }, { id: sessionId }];
      for (const value of values) {
        const names = [
          'gameye_assignment',
          'gameye_instance',
          'gameye_seat',
          '_gameye_instances',
          '_gameye_allocations',
        ];
        const objects = names.flatMap((collection) =>
          ['current', sessionId].map((key) => ({ collection, key, value, permission_read: 2, permission_write: 1 })),
        );
        await client.writeStorageObjects(session, objects);
        expect(await callRpc('gameye_assignment', {})).toEqual({ status: 200, answer: { state: 'none' } });
        expect(await callRpc('gameye_cancel', {})).toEqual({ status: 200, answer: { cancelled: false } });
        expect(await callRpc('gameye_leave', {})).toEqual({ status: 200, answer: { left: false } });
        expect(await callRpc('gameye_join_friend', { user_id: player.userId })).toMatchObject({ answer: { code: 5 } });
        expect(await callRpc('gameye_ping_targets', {})).toMatchObject({ status: 200 });
      }
      expect(await callRpc('gameye_solo_match', { resume: true })).toEqual({
        status: 200,
        answer: { status: 'starting' },
      });
      const own = await until(
        async () => {
          const { answer } = await callRpc('gameye_assignment', {});
          return answer['state'] === 'ready' && (answer['session_id'] as string);
        },
        15_000,
        'a session of their own',
      );
      expect(own).not.toBe(sessionId);
      await callRpc('gameye_leave', {});
      await ended(own);
      await endSessions(stack(), [sessionId]);
      closeAll([...victims, player]);
    },
  );

  it('nobody is sent to a session that has died before any list showed it', async () => {
    const player = await onePlayer();
    const dead = await soloSession(player);
    expect(await payloadOf(player, 'gameye_assignment')).toMatchObject({ state: 'ready', session_id: dead });
    await stopBehindItsBack(stack(), dead);
    await until(async () => (await stateOf(player)) === 'none', 10_000, 'the end of the assignment');
    expect(await payloadOf(player, 'gameye_solo_match', { resume: true })).toEqual({ status: 'starting' });
    const answer = await until(() => player.answers[1], 15_000, 'the next session');
    if (answer.kind !== 'match') throw new Error(`told ${answer.reason}`);
    expect(answer.sessionId).not.toBe(dead);
    await endSessions(stack(), [answer.sessionId]);
    closeAll([player]);
  });

  it('a player alone who does not resume gets a new session, and the one they left for it is stopped', async () => {
    const player = await onePlayer();
    const first = await soloSession(player);
    expect(stack().simulator.ledger.get(first)?.externalId).toBe(`solo-${player.userId}`);
    const resumed = await payloadOf<{ match: object }>(player, 'gameye_solo_match', { resume: true });
    const told = player.answers[0];
    const {
      seat_token: _token,
      exp: _exp,
      ...content
    } = (told?.kind === 'match' ? told.content : {}) as {
      [field: string]: unknown;
    };
    expect(resumed).toMatchObject({ status: 'matched', match: { ...content, seat_token: expect.any(String) } });
    const second = await soloSession(player);
    expect(second).not.toBe(first);
    await ended(first);
    expect(await payloadOf(player, 'gameye_assignment')).toMatchObject({ state: 'ready', session_id: second });
    expect(await payloadOf(player, 'gameye_leave')).toEqual({ left: true });
    await ended(second);
    closeAll([player]);
  });

  it('a player who asks for a session alone and then goes to a friend leaves none behind, before and after it runs', async () => {
    const [host, guest] = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    await befriended(host, guest);
    const shared = await soloSession(host);
    const posts = requestsOf(stack(), 'session-run').length;
    const fault = stack().simulator.faults.add({
      ...{ operation: 'session-run', on: 'always', action: { kind: 'delay', ms: 1500 } },
    });
    await payloadOf(guest, 'gameye_solo_match');
    await until(() => requestsOf(stack(), 'session-run').length > posts, 5_000, 'the POST');
    await payloadOf(guest, 'gameye_join_friend', { user_id: host.userId });
    expect(await payloadOf(guest, 'gameye_leave')).toEqual({ left: true });
    const sessions = () => sessionsFor(stack(), [guest]);
    await until(async () => (await sessions())[0]?.endedAtMs !== undefined, 15_000, 'the end of what was started');
    stack().simulator.faults.remove(fault);
    const own = await soloSession(guest);
    await payloadOf(guest, 'gameye_join_friend', { user_id: host.userId });
    await ended(own);
    expect((await sessions()).map(({ endedAtMs }) => endedAtMs !== undefined)).toEqual([true, true]);
    expect(stack().simulator.ledger.get(shared)?.players.sort()).toEqual([host.userId, guest.userId].sort());
    await payloadOf(host, 'gameye_leave');
    await payloadOf(guest, 'gameye_leave');
    await ended(shared);
    closeAll([host, guest]);
  });

  it('a player who had enough sessions in a minute gets no more, and those matched with them get theirs', async () => {
    const [greedy, friend] = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    const ids: string[] = [];
    for (let i = 0; i < STARTS; i++) ids.push(await soloSession(greedy));
    await matchTogether([greedy, friend]);
    const refused = await until(() => greedy.answers[STARTS], 15_000, 'the refusal');
    expect(refused).toMatchObject({ kind: 'failed', reason: 'quota_exceeded' });
    const told = await friend.waitForAnswer(15_000);
    if (told.kind !== 'match') throw new Error(`told ${told.reason}`);
    await allocationsSettled(stack(), [greedy, friend]);
    expect(greedy.answers).toHaveLength(STARTS + 1);
    expect(await greedy.rpc('gameye_solo_match', {})).toMatchObject({ code: 8 });
    expect(await sessionsFor(stack(), [greedy])).toHaveLength(STARTS);
    await endSessions(stack(), [told.sessionId, ...ids.slice(-1)]);
    closeAll([greedy, friend]);
  });

  it('other players are answered at once while a player asks again and again, and the Session API hangs', async () => {
    const [host, guest, other] = (await connectPlayers(stack().nakama, 3)) as [Player, Player, Player];
    await befriended(host, guest);
    const shared = await soloSession(host);
    const join = () => guest.rpc('gameye_join_friend', { user_id: host.userId });
    const asked = () => requestsOf(stack(), 'join-session').filter((one) => one.sessionId === shared).length;
    const others = async (): Promise<number> => {
      const from = Date.now();
      for (let i = 0; i < 5; i++) expect(await payloadOf(other, 'gameye_assignment')).toEqual({ state: 'none' });
      return (Date.now() - from) / 5;
    };
    const faults = (['join-session', 'leave-session', 'describe-session', 'session-stop'] as const).map((operation) =>
      stack().simulator.faults.add({ operation, on: 'always', action: { kind: 'delay', ms: 6_000 } }),
    );
    const before = asked();
    // The first one waits for the API; the same player's others do not.
    const first = Array.from({ length: AT_ONCE }, join);
    expect(await others()).toBeLessThan(QUICK_MS);
    const answers = await Promise.all(first);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThan(0);
    expect(answers.filter(({ status, code }) => status !== 200 && code !== 10)).toEqual([]);
    const told = asked();
    expect(told - before).toBeLessThanOrEqual(3);
    // From now on the player sits there.
    const rowsBefore = await seatVersion(guest);
    const from = Date.now();
    const again = Array.from({ length: AT_ONCE }, join);
    expect(await others()).toBeLessThan(QUICK_MS);
    for (const answer of await Promise.all(again)) expect(answer).toMatchObject({ status: 200 });
    expect(Date.now() - from).toBeLessThan(4_000);
    const byServer = Array.from({ length: AT_ONCE }, () =>
      stack().nakama.rpc('fleet_join', { id: shared, user_ids: [guest.userId] }),
    );
    expect(await others()).toBeLessThan(QUICK_MS);
    for (const answer of await Promise.all(byServer)) expect(answer).toMatchObject({ status: 200 });
    expect([await seatVersion(guest), asked()]).toEqual([rowsBefore, told]);
    const leaving = Array.from({ length: AT_ONCE }, () => guest.rpc('gameye_leave', {}));
    expect(await others()).toBeLessThan(QUICK_MS);
    const left = (await Promise.all(leaving)).map(({ payload }) => (payload as { left: boolean }).left);
    expect(left.filter(Boolean)).toHaveLength(1);
    faults.forEach((fault) => stack().simulator.faults.remove(fault));
    await endSessions(stack(), [shared]);
    closeAll([host, guest, other]);
  }, 60_000);

  async function seatVersion(player: Player): Promise<unknown> {
    const sql = `SELECT version::text FROM ${tableOf(stack(), 'gameye_seat')} WHERE user_id = $1`;
    return (await query<{ version: string }>(stack().database, sql, [player.userId]))[0]?.version;
  }
});
