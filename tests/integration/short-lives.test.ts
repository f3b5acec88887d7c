import { describe, expect, it } from 'vitest';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import { instanceRows, quietStack, sessionsFor, stopBehindItsBack } from './support/world.ts';

const OUTAGE_MS = 12_000;

/*
 * With match.max_empty_sec Nakama ends every match without players after so long, and all that this module does on its own is
 * such a match. Nobody calls an RPC of ours here until the end: that would start again what was ended.
 */
const onRuntime = (runtime: NakamaRuntime): void => {
  const quiet = quietStack(['eu-central-1'], { GAMEYE_RECONCILE_INTERVAL: '10s', GAMEYE_SEAT_TIMEOUT: '12s' });
  const stack = useStack(runtime, { ...quiet, flags: ['--match.max_empty_sec', '5'] });
  const killed = () => stack().nakama.logs.filter(({ msg }) => msg === 'Stopping idle empty match').length;

  it(
    'players are told after an outage, seats are freed, and a lost session is noticed',
    { timeout: 120_000 },
    async () => {
      const { nakama, simulator } = stack();
      await until(() => killed() > 0, 20_000, 'the first match that Nakama ends');
      const outage = simulator.faults.add({ on: 'always', action: { kind: 'drop', when: 'before' } });
      const players = await queueMatch(stack());
      const over = Date.now() + OUTAGE_MS;
      await until(() => Date.now() > over, 2 * OUTAGE_MS, 'an outage longer than two lives of a match');
      expect(players.flatMap(({ answers }) => answers)).toEqual([]);
      simulator.faults.remove(outage);
      const { sessionId } = await toldOneSession(stack(), players, 10_000);
      expect(await sessionsFor(stack(), players)).toHaveLength(1);

      // Nobody arrives: the supervisor frees the seats.
      const taken = async () => (await instanceRows(stack(), [sessionId]))[0]?.value['player_count'];
      expect(await taken()).toBe(2);
      await until(async () => (await taken()) === 0, 30_000, 'seats that nobody took', 200);
      // The reconciler sees that the session is gone.
      await stopBehindItsBack(stack(), sessionId);
      const rows = async () => (await instanceRows(stack(), [sessionId])).length;
      await until(async () => (await rows()) === 0, 40_000, 'the end of the record of a session that is gone', 200);

      // Only what was there before it was known how long a match lives was ended by Nakama.
      expect(killed()).toBeLessThanOrEqual(2);
      expect(await nakama.rpc('gameye_health')).toMatchObject({ status: 200 });
      closeAll(players);
    },
  );
};

// All runtimes at the same time: most of this is waiting.
describe.concurrent('where Nakama ends empty matches early', () => forEachRuntime('long', onRuntime));
