import { randomUUID } from 'node:crypto';
import { beforeAll, describe, expect, it } from 'vitest';
import type { FaultAction } from '../../dev/gameye/simulator.ts';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { API_TOKEN } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import {
  allocationsSettled,
  endSessions,
  instanceRows,
  quietStack,
  requestsOf,
  startBehindItsBack,
  stopBehindItsBack,
  ownerOf,
} from './support/world.ts';

/** Enough for a list that shows half of them to look wrong. */
const SESSIONS = 12;
const HOUR = 3_600_000;

type Entry = Record<string, unknown> & { id: string; labels: Record<string, string> };
const body = (sessions: unknown): FaultAction => ({ kind: 'body', body: { sessions } });
const each = (change: (entry: Entry, i: number) => unknown) => (all: Entry[]) => body(all.map(change));

/** What the list says instead of what runs. */
const LIES: [string, (all: Entry[]) => FaultAction][] = [
  ['fails', () => ({ kind: 'status', status: 500 })],
  ['gets lost', () => ({ kind: 'drop', when: 'after' })],
  ['breaks off in the middle', () => ({ kind: 'truncate' })],
  ['is a page', () => ({ kind: 'status', status: 200, html: true })],
  ['is that of an hour ago', () => ({ kind: 'stale-list', ageMs: HOUR })],
  ['is empty, and has 10 MB', () => ({ kind: 'body', body: { sessions: [], more: 'x'.repeat(10 * 1024 * 1024) } })],
  ['has entries that are none', () => body([1, null, 'x', {}, []])],
  ['shows less than half', (all) => body(all.slice(0, SESSIONS / 2 - 1))],
  [
    'shows each session twice, once as ended',
    (all) => body([...all, ...all.map((one) => ({ ...one, status: 'exited' }))]),
  ],
  ['has lost most of the ids', each(({ id: _id, ...rest }, i) => (i < 2 ? { id: _id, ...rest } : rest))],
  ['shows all as ended', each((one) => ({ ...one, status: 'exited' }))],
  ['has no labels', each((one) => ({ ...one, labels: {} }))],
  ['shows all as those of somebody else', each((one) => ({ ...one, labels: { tags: '{"nakama_fleet":"other"}' } }))],
  ['has another clock, an hour ahead', each((one) => ({ ...one, created: Date.now() + HOUR }))],
  ['has another clock, an hour behind', each((one) => ({ ...one, created: Date.now() - HOUR }))],
  ['has times that are none', each((one) => ({ ...one, created: 1e300 }))],
];

/** So many lies are told to a server, one after the other; each server has a world of its own, beside the others. */
const LIES_EACH = 6;

const toldLies = (runtime: NakamaRuntime, lies: typeof LIES): void => {
  const stack = useStack(runtime, quietStack(['home'], { GAMEYE_RECONCILE_INTERVAL: '1s', GAMEYE_EMPTY_GRACE: '1s' }));
  const theirs = randomUUID();
  const ours: string[] = [];
  const listAll = async (): Promise<Entry[]> => {
    const headers = { authorization: `Bearer ${API_TOKEN}` };
    const response = await fetch(`${stack().simulator.url}/session`, { headers });
    return ((await response.json()) as { sessions: Entry[] }).sessions;
  };
  /** Waits until the list was believed or not, and what followed from it is done: then it is asked for again. */
  const reconciled = async (fault: string): Promise<void> => {
    const hits = () =>
      stack()
        .simulator.faults.list()
        .find(({ id }) => id === fault)?.hit ?? 0;
    await until(() => hits() >= 3, 60_000, 'the list to be asked for three times');
  };

  beforeAll(async () => {
    // One after the other: a busy machine hangs up on a dozen at once.
    for (let i = 0; i < SESSIONS; i++) {
      const { payload } = await stack().nakama.rpc('fleet_create', { max_players: 2 });
      ours.push((payload as { session_id: string }).session_id);
    }
    await startBehindItsBack(stack(), theirs, 'home', 'default', { nakama_owner: randomUUID() });
    await until(async () => (await instanceRows(stack())).length === SESSIONS, 30_000, 'the records');
    await allocationsSettled(stack());
  });

  it.sequential.each(lies)('%s removes no record and stops no session', { timeout: 90_000 }, async (_name, lie) => {
    const { simulator } = stack();
    // The list ignores the filter that the module asks for: others' sessions are in it.
    const action = lie(await listAll());
    const fault = simulator.faults.add({ operation: 'session-list', on: 'always', action });
    await reconciled(fault).finally(() => simulator.faults.remove(fault));
    expect((await instanceRows(stack())).map(({ key }) => key).sort()).toEqual([...ours].sort());
    expect(requestsOf(stack(), 'session-stop')).toEqual([]);
    expect((await listAll()).map(({ id }) => id).sort()).toEqual([...ours, theirs].sort());
    // What the list made doubtful is in order again after an honest one.
    const statuses = async () => new Set((await instanceRows(stack())).map(({ value }) => value['status']));
    await until(async () => [...(await statuses())].join() === 'running', 30_000, 'all to be running');
  });

  it.sequential(
    'is right again stops only a session of this deployment that has no record',
    { timeout: 90_000 },
    async () => {
      const owner = await ownerOf(stack());
      const stray = randomUUID();
      await startBehindItsBack(stack(), stray, 'home', 'default', { nakama_owner: owner });
      await until(() => stack().simulator.ledger.get(stray)?.endedAtMs !== undefined, 60_000, 'the end of the stray');
      expect((await listAll()).map(({ id }) => id).sort()).toEqual([...ours, theirs].sort());
      await stopBehindItsBack(stack(), theirs);
      await endSessions(stack(), ours);
    },
  );
};

const onRuntime = (runtime: NakamaRuntime): void => {
  for (let from = 0; from < LIES.length; from += LIES_EACH) {
    const lies = LIES.slice(from, from + LIES_EACH);
    describe(`told ${lies.length} lies from ${from + 1} on`, () => toldLies(runtime, lies));
  }
};

// All at the same time: most of this is waiting.
describe.concurrent('a list of sessions that', () => forEachRuntime('long', onRuntime));
