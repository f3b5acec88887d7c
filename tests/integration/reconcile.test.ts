import { randomUUID } from 'node:crypto';
import { beforeAll, expect, it } from 'vitest';
import { notEnded } from '../../dev/gameye/ledger.ts';
import { query } from '../../dev/stack/database.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import type { Stack } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { Player } from '../helpers/players.ts';
import { useStack } from '../helpers/stack.ts';
import {
  endSessions,
  instanceRows,
  quietStack,
  requestsOf,
  startBehindItsBack,
  stopBehindItsBack,
  ownerOf,
  tableOf,
} from './support/world.ts';

/** Everything that the reconciler does is done after this: an interval, the grace, and what a busy machine adds. */
const RECONCILED_MS = 20_000;

forEachRuntime('long', (runtime) => {
  const stack = useStack(
    runtime,
    quietStack(['home'], {
      GAMEYE_RECONCILE_INTERVAL: '2s',
      GAMEYE_EMPTY_GRACE: '2s',
      GAMEYE_SEAT_TIMEOUT: '10s',
    }),
  );
  // Who is in use of one session all the time; who starts another leaves the one before.
  let ann = '';
  let kept = '';

  const newPlayer = async (): Promise<string> => (await Player.authenticate(stack().nakama)).userId;

  /** A session that has been recorded. */
  const start = async (userIds: string[]): Promise<string> => {
    const { payload } = await stack().nakama.rpc('fleet_create', { max_players: 4, user_ids: userIds });
    const { session_id: id } = payload as { session_id: string };
    await until(async () => (await instanceRows(stack(), [id])).length === 1, 10_000, 'the record');
    return id;
  };
  const arrive = async (id: string, userId: string): Promise<void> => {
    expect(await stack().nakama.rpc('gameye_server_join', { id, user_ids: [userId] })).toMatchObject({ status: 200 });
  };
  const ended = (id: string) => stack().simulator.ledger.get(id)?.endedAtMs !== undefined;
  const forgotten = async (id: string) => (await instanceRows(stack(), [id])).length === 0;

  // One session that is in use all the time, or a list of nothing would be no list to believe.
  beforeAll(async () => {
    ann = await newPlayer();
    kept = await start([ann]);
    await arrive(kept, ann);
  });

  it('the reconciler stops a session that all players have left, and one to which nobody came; never one in use', async () => {
    const [ben, eve] = await Promise.all([newPlayer(), newPlayer()]);
    const [left, noShow] = await Promise.all([start([ben]), start([eve])]);
    expect(await stack().nakama.rpc('gameye_server_ready', { id: noShow })).toMatchObject({ status: 200 });
    await arrive(left, ben);
    expect(await stack().nakama.rpc('fleet_leave', { id: left, user_ids: [ben] })).toMatchObject({ status: 200 });
    for (const id of [left, noShow]) {
      await until(() => ended(id), RECONCILED_MS, 'the end of the session');
      await until(() => forgotten(id), RECONCILED_MS, 'the end of its record');
    }
    const reasons = stack().nakama.logs.filter(({ msg }) => msg === 'Gameye: a session was stopped.');
    expect(reasons.map((line) => [line['session'], line['reason']])).toEqual(
      expect.arrayContaining([
        [left, 'empty'],
        [noShow, 'no_show'],
      ]),
    );
    expect(ended(kept)).toBe(false);
  }, 60_000);

  it('the reconciler removes the record of a session that ended by itself', async () => {
    const ben = await newPlayer();
    const id = await start([ben]);
    await arrive(id, ben);
    await stopBehindItsBack(stack(), id);
    // What is as young as that may be missing in a list that was made before.
    const old = new Date(Date.now() - 120_000).toISOString();
    await query(stack().database, `UPDATE ${tableOf(stack(), 'gameye_instance')} SET create_time = $2 WHERE id = $1`, [
      id,
      old,
    ]);
    await until(() => forgotten(id), RECONCILED_MS, 'the end of its record');
  }, 60_000);

  it('the reconciler stops a session of this deployment without a record, and leaves those of others alone', async () => {
    const owner = await ownerOf(stack());
    const [ours, theirs, unknown] = [randomUUID(), randomUUID(), randomUUID()];
    await startBehindItsBack(stack(), ours, 'home', 'default', { nakama_owner: owner });
    await startBehindItsBack(stack(), theirs, 'home', 'default', { nakama_owner: randomUUID() });
    await startBehindItsBack(stack(), unknown, 'home', 'default');
    await until(() => ended(ours), RECONCILED_MS, 'the end of the stray');
    expect([ended(theirs), ended(unknown)]).toEqual([false, false]);
    for (const id of [theirs, unknown]) await stopBehindItsBack(stack(), id);
  }, 60_000);

  it('the reconciler gives a session with players in it its lost record back', async () => {
    const ben = await newPlayer();
    const id = await start([ben]);
    await query(stack().database, `DELETE FROM ${tableOf(stack(), 'gameye_instance')} WHERE id = $1`, [id]);
    await until(async () => !(await forgotten(id)), RECONCILED_MS, 'the record');
    const [row] = await instanceRows(stack(), [id]);
    expect(row?.value).toMatchObject({ id, player_count: 1, seats: { [ben]: { state: 'joined' } }, region: 'home' });
    expect(ended(id)).toBe(false);
    await endSessions(stack(), [id]);
  }, 60_000);

  it('the reconciler ends a draining session when the last player has left', async () => {
    const ben = await newPlayer();
    const id = await start([ben]);
    await arrive(id, ben);
    expect(await stack().nakama.rpc('gameye_drain', { id })).toMatchObject({ status: 200 });
    expect(await stack().nakama.rpc('fleet_join', { id, user_ids: [randomUUID()] })).toMatchObject({ code: 9 });
    await untilReconciled(stack());
    expect(ended(id)).toBe(false);
    await stack().nakama.rpc('update_instance_info', { id, player_count: 0 });
    await until(() => ended(id), RECONCILED_MS, 'the end of the session');
  }, 60_000);

  /** An index is per node, but a list is to show what runs, whoever started it. */
  async function seesWhatTheOtherNodeStores(second: Nakama): Promise<void> {
    const id = await start([await newPlayer()]);
    const finds = async (query: string): Promise<boolean> => {
      const { payload } = await second.rpc('fleet_list', { query });
      return (payload as { instances: { id: string }[] }).instances.some((instance) => instance.id === id);
    };
    await until(() => finds('+value.open_seats:3'), RECONCILED_MS, 'the record that another node stored');
    const userIds = [randomUUID(), randomUUID()];
    expect(await stack().nakama.rpc('fleet_join', { id, user_ids: userIds })).toMatchObject({ status: 200 });
    await until(() => finds('+value.open_seats:1'), RECONCILED_MS, 'what another node changed in it');
    await endSessions(stack(), [id]);
  }

  it('the reconciler runs on one node at a time, and on another one when that node dies', async () => {
    const second = await stack().startNode({ name: 'second' });
    await untilReconciled(stack());
    await seesWhatTheOtherNodeStores(second);
    const before = requestsOf(stack(), 'session-list').length;
    const from = Date.now();
    await until(() => requestsOf(stack(), 'session-list').length >= before + 4, 30_000, 'four lists');
    // Two nodes would ask twice in each interval.
    expect(Date.now() - from).toBeGreaterThan(5500);
    await stack().nakama.kill();
    const killed = Date.now();
    const goesOn = () => requestsOf(stack(), 'session-list').some(({ atMs }) => atMs > killed + 1000);
    await until(goesOn, 60_000, 'the list that the other node asks for');
    const goesOnBy = async (): Promise<unknown> => {
      const { payload } = await second.rpc('gameye_status', {});
      return (payload as { reconcile?: { node: string } }).reconcile?.node === 'second' && payload;
    };
    expect(await until(goesOnBy, 10_000, 'the comparison to end')).toMatchObject({ reconcile: { records: 1 } });
    await endSessions({ ...stack(), nakama: second }, [kept]);
    expect(notEnded(stack().simulator.ledger.entries)).toEqual([]);
  }, 120_000);
});

/** Waits for a whole comparison that begins after now. */
async function untilReconciled(stack: Stack): Promise<void> {
  const before = requestsOf(stack, 'session-list').length;
  await until(() => requestsOf(stack, 'session-list').length >= before + 2, RECONCILED_MS, 'the next comparison');
}
