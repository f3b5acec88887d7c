import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { answersOf, closeAll, connectPlayers, matchTogether, sharedAddress } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { allocationsSettled, endSessions, quietStack } from './support/world.ts';

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

  it('also of a failure', async () => {
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
