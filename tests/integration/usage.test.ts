import { describe, expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import { until } from '../../dev/stack/until.ts';
import type { Usage } from '../../src/operations/usage.ts';
import { closeAll, Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason } from './support/matches.ts';
import { ask, startSessions } from './support/operators.ts';
import { allocationsSettled, endSessions, quietStack, requestsOf, tableOf } from './support/world.ts';

const MOST = 1000;
const WARNING = 'most of GAMEYE_MAX_MINUTES_PER_DAY';

forEachRuntime('long', (runtime) => {
  describe('the usage of sessions', () => {
    const flags = runtime.kind === 'real' ? ['--metrics.reporting_freq_sec', '1'] : [];
    const env = { GAMEYE_MAX_MINUTES_PER_DAY: String(MOST), GAMEYE_RECONCILE_INTERVAL: '1s' };
    const stack = useStack(runtime, { ...quietStack(['home'], env), flags });
    const used = (): Promise<Usage> => ask<Usage>(stack().nakama, 'gameye_usage', { days: 3 });
    /** Makes sessions older, by so many minutes of today. */
    const age = (ids: string[], minutes: number) =>
      query(
        stack().database,
        `UPDATE ${tableOf(stack(), 'gameye_instance')} SET create_time = now() - $2::float8 * interval '1 minute', expires_at = NULL,
           mode = 'duel', visited = true WHERE id = ANY($1)`,
        [ids, minutes],
      );
    const shows = async (line: RegExp): Promise<boolean> =>
      line.test(await (await fetch(stack().nakama.metricsUrl)).text());

    it('is for servers, and every wrong field is named', async () => {
      const player = await Player.authenticate(stack().nakama);
      expect(await stack().nakama.rpc('gameye_usage', {}, { token: player.token })).toMatchObject({ code: 7 });
      for (const days of [0, 401, 'all']) {
        expect((await stack().nakama.rpc('gameye_usage', { days })).message).toContain('"days"');
      }
    });

    it('is counted by mode and day, limited, and warned of before', { timeout: 90_000 }, async () => {
      const { nakama } = stack();
      const ids = await startSessions(stack(), 'home', 2);
      await age(ids, 425);
      const sum = (usage: Usage, mode: string): number =>
        usage.days.filter((one) => one.mode === mode).reduce((total, { minutes }) => total + minutes, 0);
      const now = await used();
      expect(Math.round(sum(now, 'duel') / 10)).toBe(85);
      expect(now.today.max).toBe(MOST);
      const shown = /gameye_running_sessions\{[^}]*mode="duel"[^}]*\} 2\n/;
      await until(() => shows(shown), 30_000, 'the gauges of two sessions', 200);

      // Only a part of this may be of today: whatever the hour is, more than the limit is.
      await query(
        stack().database,
        `INSERT INTO ${tableOf(stack(), 'gameye_usage')} (fleet, day, mode, seconds) VALUES ('default', (now() AT TIME ZONE 'UTC')::date, 'old', $1)`,
        [MOST * 60],
      );
      await until(() => nakama.logs.some(({ msg }) => msg.includes(WARNING)), 20_000, 'the warning');
      // A node knows it two seconds later; what it starts until then counts as well.
      const refused = async (): Promise<boolean> => {
        const { code, payload } = await nakama.rpc('fleet_create', { max_players: 2 });
        if (code === undefined) ids.push((payload as { session_id: string }).session_id);
        return code === 8;
      };
      await until(refused, 10_000, 'the limit', 200);
      await allocationsSettled(stack());
      const posts = requestsOf(stack(), 'session-run').length;
      const players = await queueMatch(stack());
      expect(await toldOneReason(stack(), players)).toBe('quota_exceeded');
      expect(requestsOf(stack(), 'session-run')).toHaveLength(posts);
      closeAll(players);

      await endSessions(stack(), ids);
      await until(() => shows(/gameye_running_sessions\{[^}]*mode="duel"[^}]*\} 0\n/), 30_000, 'the end of them', 200);
      await until(
        () => shows(/gameye_session_seconds\{[^}]*mode="duel"[^}]*\} 5[01]\d\d\d\n/),
        20_000,
        'their time',
        200,
      );
      const after = await used();
      expect(Math.round(sum(after, 'duel') / 10)).toBe(85);
      expect(after.days.find(({ mode }) => mode === 'duel')).toMatchObject({ sessions: 2 });
      expect(nakama.logs.filter(({ msg }) => msg.includes(WARNING))).toHaveLength(1);
    });
  });
});
