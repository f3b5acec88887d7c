import { Client, Session } from '@heroiclabs/nakama-js';
import { expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, connectPlayers, matchTogether, sharedAddress, type Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationsSettled, endSessions, quietStack, tableOf } from './support/world.ts';

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['eu-central-1'], { GAMEYE_NOTIFY: 'gameye,connection-info' }));

  it('GAMEYE_NOTIFY=gameye,connection-info tells every player in both words, once', async () => {
    const players = await connectPlayers(stack().nakama, 2);
    await matchTogether(players);
    const { host, port, sessionId } = sharedAddress(await answersOf(players));
    await allocationsSettled(stack(), players);
    for (const player of players) {
      await until(() => player.otherNotifications.length > 0, 5_000, 'connection-info');
      expect(player.otherNotifications).toMatchObject([
        {
          subject: 'connection-info',
          code: 111,
          content: { IpAddress: host, DnsName: '', Port: port, SessionId: sessionId },
        },
      ]);
      expect(player.answers).toHaveLength(1);
    }
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('the list of notifications keeps only the latest match of a player, and all that a studio has sent', async () => {
    const { nakama, database } = stack();
    const [player] = (await connectPlayers(nakama, 1)) as [Player];
    const play = async (): Promise<string> => {
      const before = player.answers.length;
      await nakama.rpc('fleet_create', { max_players: 1, user_ids: [player.userId] });
      const answer = await player.waitForAnswer(10_000, before);
      await allocationsSettled(stack(), [player]);
      return answer.kind === 'match' ? answer.sessionId : answer.reason;
    };
    const first = await play();
    // A hundred matches of long ago, before this module deleted any, and what a studio has sent meanwhile.
    const table = tableOf(stack(), 'notification');
    const copy = (subject: string, code: string, seconds: string): string =>
      `INSERT INTO ${table} (id, user_id, subject, content, code, sender_id, create_time)
       SELECT gen_random_uuid(), user_id, ${subject}, content, ${code}, sender_id, create_time - interval '1 second' * ${seconds}
       FROM ${table}, generate_series(1, 110) AS g(n) WHERE user_id = $1 AND code = 7300`;
    await query(database, `${copy(`'gift'`, '77', `1000`)} AND n <= 3`, [player.userId]);
    await query(database, copy('subject', 'code', 'n'), [player.userId]);
    const last = await play();
    const client = new Client(nakama.serverKey, '127.0.0.1', String(nakama.port), false);
    const { notifications = [] } = await client.listNotifications(Session.restore(player.token, ''), 100);
    const matches = notifications.flatMap(({ code, content }) => (code === 7300 ? [content] : []));
    expect(matches).toMatchObject([{ session_id: last }]);
    expect(notifications.filter(({ subject }) => subject === 'gift')).toHaveLength(3);
    expect(player.answers).toHaveLength(2);
    await endSessions(stack(), [first, last]);
    closeAll([player]);
  });

  it('GAMEYE_NOTIFY=gameye,connection-info tells a failure in both words as well', async () => {
    const players = await connectPlayers(stack().nakama, 1);
    const user_ids = players.map(({ userId }) => userId);
    await stack().nakama.rpc('fleet_create', { max_players: 1, user_ids, regions: ['nowhere'] });
    expect(await answersOf(players)).toMatchObject([{ kind: 'failed', reason: 'misconfigured' }]);
    const [player] = players;
    await until(() => (player?.otherNotifications.length ?? 0) > 0, 5_000, 'create-failed');
    expect(player?.otherNotifications).toMatchObject([{ subject: 'create-failed', code: 113, content: {} }]);
    closeAll(players);
  });
});
