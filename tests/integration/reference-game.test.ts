import { createHmac } from 'node:crypto';
import { Client, Session, type Notification } from '@heroiclabs/nakama-js';
import { expect, it } from 'vitest';
import { playGame, Refused } from '../../dev/demo/game/client.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, uniqueGroup, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { expectNoSecrets } from '../helpers/secrets.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneReason } from './support/matches.ts';
import { allocationsSettled, containerEnv, sessionsFor } from './support/world.ts';

/*
 * What Gameye's public reference game expects of Nakama, played from its client's side and from its server's, with as few
 * variables as it sets. Its clocks are shorter here: the solo game comes after 1 s of queueing, where it comes after 12 s.
 */
const SOLO_AFTER_MS = 1_000;
const PATIENCE_MS = 60_000;
const IDLE_SECONDS = 3;
const RELAY_SECRET = 'test-relay-secret-0123456789abcdef';
const RELAY_URL = 'wss://relay.example';

interface Content {
  host: string;
  port: number;
  session_id: string;
  relay_url: string;
  relay_token: string;
  seat_token: string;
  exp: number;
}

/** What a holder of the secret reads in a token; undefined when it is not signed with it. */
function verified(token: string, secret: string): Record<string, unknown> | undefined {
  const [version, payload = '', signature, ...more] = token.split('.');
  const expected = createHmac('sha256', secret).update(`v1.${payload}`).digest('base64url');
  if (version !== 'v1' || signature !== expected || more.length > 0 || token.length > 1024) return undefined;
  return JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
}

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, {
    env: {
      GAMEYE_MATCH_PROPERTY: 'mode=gameye',
      GAMEYE_MAX_PLAYERS: '8',
      GAMEYE_RELAY_URL: RELAY_URL,
      GAMEYE_RELAY_SECRET: RELAY_SECRET,
      // Its server reports nothing, and its fleet sets no secret for seats.
      GAMEYE_NAKAMA_URL: '',
      GAMEYE_SEAT_SECRET: '',
    },
    gameServerArgs: ['--no-show', String(IDLE_SECONDS), '--silence', '2'],
  });

  const queue = (player: Player, build: string, counts = [2, 8]): Promise<string> => {
    const [minCount = 2, maxCount = 8] = counts;
    const query = `+properties.mode:gameye +properties.build:${build}`;
    return player.matchmake({ query, minCount, maxCount, strings: { mode: 'gameye', build } });
  };
  const api = () => new Client(stack().nakama.serverKey, '127.0.0.1', String(stack().nakama.port), false);

  /** The client after a reconnect: the newest notification that has not expired, taken once. */
  async function takeListed(player: Player): Promise<Content | undefined> {
    const session = Session.restore(player.token, '');
    const { notifications = [] } = await api().listNotifications(session, 100);
    const alive = notifications.filter((one): one is Notification & { id: string; content: Content } => {
      return one.code === 7300 && (one.content as Content | undefined)!.exp * 1000 > Date.now();
    });
    const newest = alive.at(-1);
    if (newest) await api().deleteNotifications(session, [newest.id]);
    return newest?.content;
  }
  const liveContent = async (player: Player): Promise<Content> => {
    const answer = await player.waitForAnswer(PATIENCE_MS);
    expect(answer).toMatchObject({ kind: 'match' });
    return answer.content as unknown as Content;
  };

  /** All that the client needs, and its tokens are good for the server and the relay. */
  async function isComplete(content: Content, userId: string): Promise<void> {
    const { host, port, session_id: sid, exp } = content;
    expect(content.relay_url).toBe(RELAY_URL);
    expect(verified(content.relay_token, RELAY_SECRET)).toEqual({ t: 'relay', sid, host, port, exp });
    const { SEAT_SECRET: secret = '' } = await containerEnv(stack(), sid);
    expect(secret.length).toBeGreaterThanOrEqual(32);
    expect(verified(content.seat_token, secret)).toEqual({ t: 'seat', sid, uid: userId, exp });
    expect(exp * 1000).toBeGreaterThan(Date.now());
    expect(exp * 1000).toBeLessThanOrEqual(Date.now() + 121_000);
  }

  /** Plays to the end in the process that Gameye has started, which then ends by itself. */
  async function play(players: [Player, Content][]): Promise<void> {
    const games = players.map(([{ userId }, { host, port, seat_token: token }]) =>
      playGame({ host, port, userId, token, moves: 5 }),
    );
    for (const game of await Promise.all(games)) expect(game).toMatchObject({ confirmedMoves: 5 });
    const [[, { session_id: id }] = [undefined, { session_id: '' }]] = players;
    const hasEnded = () => stack().simulator.ledger.get(id)?.endedAtMs !== undefined;
    await until(hasEnded, 20_000, 'the end of the game server');
    expect(stack().simulator.ledger.get(id)?.stopRequestedAtMs).toBeUndefined();
  }

  it('two players are matched, connect with what they were told, and the server ends by itself', async () => {
    const players = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    const build = uniqueGroup();
    await Promise.all(players.map((player) => queue(player, build)));
    const [one, two] = (await Promise.all(players.map(liveContent))) as [Content, Content];
    expect(one.session_id).toBe(two.session_id);
    await isComplete(one, players[0].userId);
    await isComplete(two, players[1].userId);
    const env = await containerEnv(stack(), one.session_id);
    expect(Object.keys(env)).not.toEqual(expect.arrayContaining(['NAKAMA_URL']));
    expect(Object.keys(env)).not.toEqual(expect.arrayContaining(['NAKAMA_SERVER_TOKEN']));
    // Nobody gets in with the token of somebody else.
    const { host, port } = one;
    const thief = playGame({ host, port, userId: players[0].userId, token: two.seat_token, moves: 1 });
    await expect(thief).rejects.toBeInstanceOf(Refused);
    await play([
      [players[0], one],
      [players[1], two],
    ]);
    await expectNoSecrets(stack(), players, [RELAY_SECRET]);
    closeAll(players);
  });

  it('a player who was away when the match was told finds it in the list of notifications, once', async () => {
    const players = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    const [away, other] = players;
    const build = uniqueGroup();
    await Promise.all(players.map((player) => queue(player, build)));
    await away.waitUntilMatched(PATIENCE_MS);
    away.closeSocket();
    await liveContent(other);
    await allocationsSettled(stack(), players);
    await away.openSocket();
    const found = await takeListed(away);
    await isComplete(found as Content, away.userId);
    expect(await takeListed(away)).toBeUndefined();
    await play([[away, found as Content]]);
    closeAll(players);
  });

  it('a player whom nobody joins leaves the queue and starts alone, and resumes after a reconnect', async () => {
    const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
    const ticket = await queue(player, uniqueGroup());
    await until(() => Date.now() > player.queuedAtMs + SOLO_AFTER_MS, PATIENCE_MS, 'the end of its patience');
    await player.cancelMatchmaking(ticket);
    expect(await player.rpc('gameye_solo_match')).toMatchObject({ payload: { status: 'starting' } });
    const content = await liveContent(player);
    await isComplete(content, player.userId);
    const resumed = await player.rpc('gameye_solo_match', { resume: true });
    const { status, match } = resumed.payload as { status: string; match: Content };
    expect(status).toBe('matched');
    expect(match).toMatchObject({ session_id: content.session_id, host: content.host, port: content.port });
    await isComplete(match, player.userId);
    await play([[player, match]]);
    expect(await sessionsFor(stack(), [player])).toHaveLength(1);
    closeAll([player]);
  });

  it('a player who starts alone after a game that is over gets a new session', async () => {
    const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
    const first = await player.rpc('gameye_solo_match');
    expect(first.payload).toEqual({ status: 'starting' });
    await play([[player, await liveContent(player)]]);
    expect((await player.rpc('gameye_solo_match')).payload).toEqual({ status: 'starting' });
    const answer = await player.waitForAnswer(PATIENCE_MS, 1);
    expect(answer).toMatchObject({ kind: 'match' });
    expect(await sessionsFor(stack(), [player])).toHaveLength(2);
    await play([[player, answer.content as unknown as Content]]);
    closeAll([player]);
  });

  it('a server to which nobody comes ends by itself, and is not stopped before', async () => {
    const [player] = (await connectPlayers(stack().nakama, 1)) as [Player];
    expect((await player.rpc('gameye_solo_match')).payload).toEqual({ status: 'starting' });
    const { session_id: id } = await liveContent(player);
    const session = () => stack().simulator.ledger.get(id);
    await until(() => session()?.endedAtMs !== undefined, 20_000, 'the end of the idle game server');
    expect(session()?.stopRequestedAtMs).toBeUndefined();
    closeAll([player]);
  });

  it('a session can be found at Gameye by one of its players', async () => {
    const players = (await connectPlayers(stack().nakama, 2)) as [Player, Player];
    const build = uniqueGroup();
    await Promise.all(players.map((player) => queue(player, build)));
    const { session_id: id } = await liveContent(players[0]);
    const names = players.map(({ userId }) => `match-${userId}`);
    expect(names).toContain(stack().simulator.ledger.get(id)?.externalId);
    await play(
      await Promise.all(players.map(async (one): Promise<[Player, Content]> => [one, await liveContent(one)])),
    );
    closeAll(players);
  });

  it('a group that is larger than a session is told "misconfigured", and nothing is started', async () => {
    const players = await connectPlayers(stack().nakama, 9);
    const build = uniqueGroup();
    await Promise.all(players.map((player) => queue(player, build, [9, 9])));
    expect(await toldOneReason(stack(), players)).toBe('misconfigured');
    expect(await sessionsFor(stack(), players)).toEqual([]);
    const log = stack().nakama.logText();
    expect(log).toContain('a ticket asks for more players than GAMEYE_MAX_PLAYERS');
    expect(log).toContain('it has more players than GAMEYE_MAX_PLAYERS');
    closeAll(players);
  });
});
