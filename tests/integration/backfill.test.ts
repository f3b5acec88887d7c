import { afterEach, expect, it } from 'vitest';
import { notEnded } from '../../dev/gameye/ledger.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import {
  answersOf,
  closeAll,
  connectPlayers,
  matchInGroups,
  matchTogether,
  sharedAddress,
  uniqueGroup,
  type Player,
} from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationRows, allocationsSettled, endSessions, instanceRows, quietStack } from './support/world.ts';

const SEATS = 8;
const ANSWER_MS = 40_000;

forEachRuntime('long', (runtime) => {
  const stack = useStack(
    runtime,
    quietStack(['home', 'abroad'], {
      GAMEYE_BACKFILL: 'on',
      GAMEYE_MAX_PLAYERS: String(SEATS),
      GAMEYE_SEAT_TIMEOUT: '10m',
      GAMEYE_MAX_PING: '200',
    }),
  );

  /** Matches so many players, and answers them and where they were sent, all to the same place. */
  async function matched(
    size: number,
    numbers: Record<string, number> = {},
  ): Promise<{ players: Player[]; id: string }> {
    const players = await connectPlayers(stack().nakama, size);
    if (size === 1) await solo(players);
    else await matchTogether(players, { numbers });
    const { sessionId: id } = sharedAddress(await answersOf(players, ANSWER_MS));
    await allocationsSettled(stack(), players, 30_000);
    return { players, id };
  }

  /** On a busy machine Nakama hangs up after 10 s; asking again is safe. */
  async function solo(players: Player[]): Promise<void> {
    const asked = async (player: Player) => (await player.rpc('gameye_solo_match', {})).status === 200;
    await Promise.all(players.map((player) => until(() => asked(player), ANSWER_MS, 'to be heard')));
  }

  /** Everybody has exactly one answer and a seat where it says; no session has more players than seats. */
  async function seatedWhereTold(players: Player[]): Promise<string[]> {
    const told = await answersOf(players, ANSWER_MS);
    await allocationsSettled(stack(), players, 30_000);
    const ids = told.map((answer) => (answer.kind === 'match' ? answer.sessionId : answer.reason));
    const rows = await instanceRows(stack(), ids);
    players.forEach((player, i) => {
      expect(player.answers).toHaveLength(1);
      const seats = rows.find(({ key }) => key === ids[i])?.value['seats'] as object;
      expect(Object.keys(seats)).toContain(player.userId);
    });
    for (const { value } of rows) expect(Object.keys(value['seats'] as object).length).toBeLessThanOrEqual(SEATS);
    return [...new Set(ids)];
  }

  // What one test leaves would take in the players of the next.
  afterEach(async () => {
    await allocationsSettled(stack(), undefined, 60_000);
    await endSessions(
      stack(),
      notEnded(stack().simulator.ledger.entries).map(({ id }) => id),
    );
  }, 90_000);

  const playersAtGameye = (id: string) => [...(stack().simulator.ledger.get(id)?.players ?? [])].sort();
  const idsOf = (players: Player[]) => players.map(({ userId }) => userId).sort();
  const started = () => stack().simulator.ledger.entries.length;
  const door = (id: string, open: boolean) => stack().nakama.rpc('gameye_server_backfill', { id, open });

  it('backfill seats groups in the fullest session that has room for all of them, and starts none', async () => {
    const before = started();
    const three = await matched(3);
    const six = await matched(6);
    expect(six.id).not.toBe(three.id);
    const two = await matched(2);
    expect(two.id).toBe(six.id);
    const one = await matched(1);
    expect(one.id).toBe(three.id);
    expect(started()).toBe(before + 2);
    const all = [three, six, two, one].flatMap(({ players }) => players);
    await seatedWhereTold(all);
    await until(() => playersAtGameye(six.id).length === SEATS, 10_000, 'Gameye to know who plays');
    expect(playersAtGameye(six.id)).toEqual(idsOf([...six.players, ...two.players]));
    expect(playersAtGameye(three.id)).toEqual(idsOf([...three.players, ...one.players]));
    const [guest] = two.players as [Player];
    expect(guest.answers[0]?.content).toMatchObject({ session_id: six.id, seat_token: expect.any(String) });
    expect(await guest.rpc('gameye_assignment', {})).toMatchObject({
      payload: { state: 'ready', session_id: six.id },
    });
    // Who leaves makes room for exactly as many.
    expect(await guest.rpc('gameye_leave', {})).toMatchObject({ payload: { left: true } });
    const next = await matched(1);
    expect(next.id).toBe(six.id);
    closeAll([...all, ...next.players]);
  }, 60_000);

  it('backfill starts a session for eight players, not one for each group, when many small groups come at once', async () => {
    const before = started();
    const players = await connectPlayers(stack().nakama, 50);
    await matchInGroups(players, 2);
    const ids = await seatedWhereTold(players);
    expect(ids.length).toBe(started() - before);
    expect(ids.length).toBeGreaterThanOrEqual(7);
    // Seven, and few more where the machine is so busy that groups lose their patience.
    expect(ids.length).toBeLessThanOrEqual(12);
    closeAll(players);
  }, 120_000);

  it('backfill gives no seat twice when many groups race for the last seats through two nodes', async () => {
    const { nakama } = stack();
    const second = await stack().startNode();
    const first = await matched(3);
    const nodes: Nakama[] = [nakama, second];
    const players = (await Promise.all(nodes.map((node) => connectPlayers(node, 10)))).flat();
    await solo(players);
    const ids = await seatedWhereTold([...players, ...first.players]);
    const [row] = await instanceRows(stack(), [first.id]);
    expect(row?.value).toMatchObject({ player_count: SEATS, open_seats: 0 });
    // Each node starts its own when there is no room in a session that runs, so how many there are depends on who is faster.
    expect(ids.length).toBeLessThanOrEqual(players.length / 2);
    closeAll([...players, ...first.players]);
  }, 120_000);

  it('backfill seats a party whole or not at all', async () => {
    const six = await matched(6);
    const players = await connectPlayers(stack().nakama, 6);
    const [first, second] = [players.slice(0, 3), players.slice(3)];
    // Two seats are free, which is enough for the party alone, but not for all who were matched.
    await matchParty(first);
    const apart = sharedAddress(await answersOf(first, ANSWER_MS)).sessionId;
    expect(apart).not.toBe(six.id);
    await allocationsSettled(stack(), first, 30_000);
    await matchParty(second);
    expect(sharedAddress(await answersOf(second, ANSWER_MS)).sessionId).toBe(apart);
    await seatedWhereTold([...six.players, ...players]);
    closeAll([...six.players, ...players]);
  }, 60_000);

  it('backfill sends nobody to a session that its game server closed, until it opens it again', async () => {
    const first = await matched(2);
    expect(await door(first.id, false)).toMatchObject({ status: 200, payload: { open: false } });
    const second = await matched(2);
    expect(second.id).not.toBe(first.id);
    expect(await door(second.id, false)).toMatchObject({ status: 200 });
    expect(await door(first.id, true)).toMatchObject({ status: 200, payload: { open: true } });
    const third = await matched(2);
    expect(third.id).toBe(first.id);
    expect(
      await (first.players[0] as Player).rpc('gameye_server_backfill', { id: first.id, open: false }),
    ).toMatchObject({
      code: 7,
    });
    expect(await door(first.id, 1 as never)).toMatchObject({ code: 3 });
    const all = [first, second, third].flatMap(({ players }) => players);
    await allocationsSettled(stack(), all);
    closeAll(all);
  }, 60_000);

  it('backfill sends nobody to a session that drains, or to one in a region too far away', async () => {
    const first = await matched(2);
    await allocationsSettled(stack(), first.players);
    expect(await stack().nakama.rpc('gameye_drain', { id: first.id })).toMatchObject({ payload: { changed: 1 } });
    const second = await matched(2);
    expect(second.id).not.toBe(first.id);
    expect(await stack().nakama.rpc('gameye_drain', { id: first.id, undo: true })).toMatchObject({ status: 200 });
    const far = await matched(2, { ping_home: 300, ping_abroad: 20 });
    expect(stack().simulator.ledger.get(far.id)?.region).toBe('abroad');
    const all = [first, second, far].flatMap(({ players }) => players);
    await allocationsSettled(stack(), all);
    closeAll(all);
  }, 60_000);

  it('a player who cancels is the only one taken out of a session that groups share while it starts', async () => {
    const { simulator, nakama } = stack();
    const fault = simulator.faults.add({
      operation: 'session-run',
      on: { times: 1 },
      action: { kind: 'delay', ms: 4000 },
    });
    const players = await connectPlayers(nakama, 3);
    const [host, guest, other] = players as [Player, Player, Player];
    for (const player of players) {
      await solo([player]);
      const merged = async () => (await allocationRows(stack(), [player])).some(({ value }) => value.attempts === 1);
      await until(merged, 10_000, 'the place in the session that starts');
    }
    expect(await allocationRows(stack(), players)).toHaveLength(1);
    expect(await guest.rpc('gameye_cancel', {})).toMatchObject({ payload: { cancelled: true } });
    const { sessionId } = sharedAddress(await answersOf([host, other], ANSWER_MS));
    await allocationsSettled(stack(), players, 30_000);
    expect(guest.answers).toEqual([]);
    const [row] = await instanceRows(stack(), [sessionId]);
    expect(Object.keys(row?.value['seats'] as object).sort()).toEqual(idsOf([host, other]));
    simulator.faults.remove(fault);
    closeAll(players);
  }, 60_000);

  it('all groups that share a session that cannot be started are told the same reason, once', async () => {
    const { simulator, nakama } = stack();
    simulator.faults.add({ operation: 'session-run', on: { times: 1 }, action: { kind: 'delay', ms: 2000 } });
    simulator.configure({ quota: 0 });
    const players = await connectPlayers(nakama, 4);
    await solo(players);
    const told = await answersOf(players, ANSWER_MS);
    await allocationsSettled(stack(), players, 30_000);
    expect(told.map((answer) => answer.kind === 'failed' && answer.reason)).toEqual(
      players.map(() => 'quota_exceeded'),
    );
    for (const player of players) expect(player.answers).toHaveLength(1);
    simulator.faults.clear();
    simulator.configure({ quota: 1000 });
    closeAll(players);
  }, 60_000);
});

/** The first two of three players make a party; all are matched with each other, and with nobody else. */
async function matchParty(players: Player[]): Promise<void> {
  const [leader, member, other] = players.map((player) => player['connected']());
  if (!leader || !member || !other) throw new Error('this takes three players');
  const group = uniqueGroup('party');
  const party = await leader.createParty(true, 2);
  const complete = new Promise((resolve) => (leader.onpartypresence = resolve));
  await member.joinParty(party.party_id);
  await complete;
  await leader.addMatchmakerParty(party.party_id, `+properties.group:${group}`, 3, 3, { group });
  await other.addMatchmaker(`+properties.group:${group}`, 3, 3, { group });
}
