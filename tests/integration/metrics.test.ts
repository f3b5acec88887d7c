import { randomUUID } from 'node:crypto';
import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { COUNTERS, GAUGES, TIMERS } from '../../src/nakama/metrics.ts';
import { closeAll } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneSession } from './support/matches.ts';
import { endSessions, instanceRows, quietStack } from './support/world.ts';

/** The samples of our metrics in Prometheus's text: the name with its labels in order, without the node's. */
function samples(text: string): Map<string, number> {
  const found = new Map<string, number>();
  for (const [, name = '', labels = '', value] of text.matchAll(/^nakama_custom_(gameye_\w+)\{(.*)\} (\S+)$/gm)) {
    const own = labels.split(',').filter((label) => !/^(node_name|le|quantile)=/.test(label));
    found.set(`${name} ${own.sort().join(' ')}`.trim(), Number(value));
  }
  return found;
}

forEachRuntime((runtime) => {
  // Nakama hands its figures on once a minute unless told otherwise.
  const flags = runtime.kind === 'real' ? ['--metrics.reporting_freq_sec', '1'] : [];
  const stack = useStack(runtime, { ...quietStack(['home', 'full']), flags });

  it('metrics count what happened, with labels that are no ids', async () => {
    const { nakama, simulator } = stack();
    const players = await queueMatch(stack());
    const { sessionId } = await toldOneSession(stack(), players);
    await until(async () => (await instanceRows(stack(), [sessionId])).length === 1, 10_000, 'the instance');
    // The first region refuses once; the second one takes it.
    simulator.faults.add({
      operation: 'session-run',
      region: 'full',
      on: { times: 1 },
      action: { kind: 'status', status: 420 },
    });
    const { payload } = await nakama.rpc('fleet_create', { max_players: 1, regions: ['full', 'home'] });
    const { session_id: id } = payload as { session_id: string };
    await until(async () => (await instanceRows(stack(), [id])).length === 1, 10_000, 'the other instance');
    const [a, b] = [randomUUID(), randomUUID()];
    expect(await nakama.rpc('fleet_join', { id, user_ids: [a] })).toMatchObject({ status: 200 });
    expect(await nakama.rpc('fleet_join', { id, user_ids: [b] })).toMatchObject({ code: 8 });
    expect(await nakama.rpc('fleet_leave', { id, user_ids: [a] })).toMatchObject({ status: 200 });
    await endSessions(stack(), [sessionId, id]);

    const expected: [string, number][] = [
      ['gameye_matches outcome="requested"', 1],
      ['gameye_hook_count', 1],
      ['gameye_allocations attempt="1" outcome="started" reason="none" region="home"', 1],
      ['gameye_allocations attempt="2" outcome="started" reason="none" region="home"', 1],
      ['gameye_start_count attempt="2" outcome="started" region="home"', 1],
      ['gameye_retries cause="no_capacity" region="home"', 1],
      ['gameye_notifications outcome="sent" subject="gameye_match"', players.length],
      ['gameye_seats outcome="reserved"', 1],
      ['gameye_seats outcome="full"', 1],
      ['gameye_seats outcome="freed"', 1],
      ['gameye_api_count operation="session_run" outcome="done"', 2],
      ['gameye_api_count operation="session_run" outcome="no_capacity"', 1],
      ['gameye_api_count operation="session_stop" outcome="done"', 2],
    ];
    const seen = async () => samples(await (await fetch(nakama.metricsUrl)).text());
    const complete = async () => {
      const now = await seen();
      return expected.every(([name, value]) => now.get(name) === value);
    };
    // What is missing then, the comparison below shows.
    await until(complete, 10_000, 'all counts', 200).catch(() => {});
    const counted = await seen();
    expect(expected.map(([name]) => [name, counted.get(name)])).toEqual(expected);
    const names = Object.keys({ ...COUNTERS, ...GAUGES, ...TIMERS });
    for (const sample of counted.keys()) {
      expect(names).toContain(/^gameye_\w+?(?=(_count|_sum|_bucket)?( |$))/.exec(sample)?.[0]);
      expect(sample).not.toMatch(/[0-9a-f]{8}-/);
    }
    closeAll(players);
  }, 60_000);
});
