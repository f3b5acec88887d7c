import { describe, expect, it } from 'vitest';
import { overlaps } from '../../dev/gameye/ledger.ts';
import type { FaultAction } from '../../dev/gameye/simulator.ts';
import type { NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { answersOf, closeAll, sharedAddress } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { queueMatch, toldOneReason, toldOneSession } from './support/matches.ts';
import {
  allocationRows,
  allocationsSettled,
  endSessions,
  instanceRows,
  quietStack,
  requestsOf,
  sessionsFor,
} from './support/world.ts';

const HUGE = 'x'.repeat(10 * 1024 * 1024);
const PORT = { type: 'udp', container: 7777, host: 23456 };
const page = (status: number): FaultAction => ({ kind: 'status', status, html: true, when: 'after' });
const asks = (status: number, retryAfter: string): FaultAction => ({
  kind: 'status',
  status,
  when: 'after',
  retryAfter,
});

/** What the first POST is answered with, after its session was started. */
const NONSENSE: [string, FaultAction][] = [
  ['201 without ports', { kind: 'body', body: { host: '127.0.0.1' } }],
  ['201 with an empty list of ports', { kind: 'body', body: { host: '127.0.0.1', ports: [] } }],
  ['201 with ports of the wrong type', { kind: 'body', body: { host: '127.0.0.1', ports: [{ ...PORT, host: '1' }] } }],
  ['201 with an id and a host of the wrong type', { kind: 'body', body: { id: 7, host: [1], ports: [PORT] } }],
  ['201 with a list', { kind: 'body', body: [] }],
  ['200 with a page', page(200)],
  ['201 with a page', page(201)],
  ['500 with a page', page(500)],
  ['504 with a page', page(504)],
  ['201 with 10 MB', { kind: 'body', body: { host: HUGE, ports: [PORT] } }],
  ['500 with 10 MB', { kind: 'body', status: 500, body: { message: HUGE } }],
  ['503 that asks for a try in the past', asks(503, '-1e999')],
  ['503 that asks for a try in a year', asks(503, '31536000')],
];
const LATER = ['other', 'crossed', 'nowhere', 'hidden', 'slow'];
/** After this an id that may have been carried out is looked for a last time. */
const SETTLE_MS = 30_000;
const TIMEOUT = { timeout: 120_000 };

const onRuntime = (runtime: NakamaRuntime): void => {
  const regions = [...NONSENSE.map((_, i) => `nonsense-${i}`), ...LATER];
  const stack = useStack(runtime, quietStack(['home', ...regions]));
  const lie = (operation: 'session-run' | 'describe-session' | 'session-stop', region: string, times: number) => ({
    with: (action: FaultAction) => stack().simulator.faults.add({ operation, region, on: { times }, action }),
  });

  describe.concurrent('the players of a match get the session that was started in spite of', () => {
    for (const [i, [name, action]] of NONSENSE.entries()) {
      it(name, async () => {
        const region = `nonsense-${i}`;
        lie('session-run', region, 1).with(action);
        const players = await queueMatch(stack(), region);
        const { sessionId } = await toldOneSession(stack(), players);
        expect(stack().simulator.ledger.get(sessionId)?.region).toBe(region);
        expect(await allocationRows(stack(), players)).toEqual([]);
        await endSessions(stack(), [sessionId]);
        closeAll(players);
      });
    }
  });

  describe.concurrent('a session that is answered and is not the one asked for', () => {
    it('is not asked for again: the players are told, and nothing is left running', TIMEOUT, async () => {
      const { simulator, nakama } = stack();
      lie('session-run', 'other', 9).with({ kind: 'body', body: { id: 'x', host: '127.0.0.1', ports: [PORT] } });
      const players = await queueMatch(stack(), 'other');
      expect(await toldOneReason(stack(), players, SETTLE_MS + 20_000)).toBe('error');
      expect(requestsOf(stack(), 'session-run', 'other')).toHaveLength(1);
      expect(await sessionsFor(stack(), players)).toMatchObject([{ region: 'other', ended: 'stop' }]);
      expect(
        simulator.requests().filter(({ operation, path }) => operation === 'session-stop' && path.endsWith('/x')),
      ).not.toHaveLength(0);
      const logged = nakama.logs.find((log) => log['failure'] === 'not-idempotent' && log['advice'] !== undefined);
      expect(logged).toMatchObject({ level: 'warn', advice: expect.stringContaining('GAMEYE_API_URL') });
      expect(await allocationRows(stack(), players)).toEqual([]);
      closeAll(players);
    });

    it('is left alone, and nobody is sent to it, when it is another match’s', TIMEOUT, async () => {
      const { simulator } = stack();
      const theirs = await queueMatch(stack(), 'crossed');
      const { sessionId: id, host, port } = await toldOneSession(stack(), theirs);
      lie('session-run', 'crossed', 1).with({ kind: 'body', body: { id, host, ports: [{ ...PORT, host: port }] } });
      const players = await queueMatch(stack(), 'crossed');
      expect(await toldOneReason(stack(), players, SETTLE_MS + 20_000)).toBe('error');
      expect(await sessionsFor(stack(), players)).toMatchObject([{ ended: 'stop' }]);
      expect(simulator.ledger.get(id)).not.toHaveProperty('stopRequestedAtMs');
      expect(await instanceRows(stack(), [id])).toHaveLength(1);
      await endSessions(stack(), [id]);
      closeAll([...theirs, ...players]);
    });
  });

  describe.concurrent('a session that runs, and that the API denies', () => {
    it('is not replaced by a second one: the players are told, and it is stopped', TIMEOUT, async () => {
      const { simulator } = stack();
      lie('session-run', 'nowhere', 1).with({ kind: 'drop', when: 'after' });
      lie('describe-session', 'nowhere', 99).with({ kind: 'status', status: 404 });
      const stops = simulator.faults.add({
        operation: 'session-stop',
        region: 'nowhere',
        on: 'always',
        action: { kind: 'status', status: 404 },
      });
      const players = await queueMatch(stack(), 'nowhere');
      await answersOf(players, 30_000);
      expect(await sessionsFor(stack(), players)).toMatchObject([{ region: 'nowhere' }]);
      simulator.faults.remove(stops);
      expect(await toldOneReason(stack(), players, SETTLE_MS + 20_000)).toBe('error');
      expect(await sessionsFor(stack(), players)).toMatchObject([{ region: 'nowhere', ended: 'stop' }]);
      closeAll(players);
    });

    it('gives way to another once it was stopped', TIMEOUT, async () => {
      lie('session-run', 'hidden', 1).with({ kind: 'drop', when: 'after' });
      lie('describe-session', 'hidden', 99).with({ kind: 'status', status: 404 });
      const players = await queueMatch(stack(), 'hidden');
      const told = sharedAddress(await answersOf(players, 30_000));
      await allocationsSettled(stack(), players);
      const [first, second, ...more] = await sessionsFor(stack(), players);
      expect(more).toEqual([]);
      expect(first).toMatchObject({ region: 'hidden', ended: 'stop' });
      expect(second).toMatchObject({ id: told.sessionId });
      expect(overlaps([first!, second!], () => 'one match')).toEqual([]);
      await endSessions(stack(), [told.sessionId]);
      closeAll(players);
    });

    it('is handed out when the API shows it some seconds later', TIMEOUT, async () => {
      lie('session-run', 'slow', 1).with({ kind: 'drop', when: 'after' });
      lie('describe-session', 'slow', 3).with({ kind: 'status', status: 404 });
      const players = await queueMatch(stack(), 'slow');
      const { sessionId } = await toldOneSession(stack(), players, 30_000);
      expect(stack().simulator.ledger.get(sessionId)?.region).toBe('slow');
      await endSessions(stack(), [sessionId]);
      closeAll(players);
    });
  });
};

// All runtimes at the same time: most of this is waiting.
describe.concurrent('with an API that lies', () => forEachRuntime('long', onRuntime));
