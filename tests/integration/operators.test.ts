import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { API_TOKEN, type Stack } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import type { Health } from '../../src/operations/health.ts';
import type { Status } from '../../src/operations/status.ts';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, instanceRows, QUIET_IMAGE, quietStack, requestsOf } from './support/world.ts';

const RPCS = ['gameye_status', 'gameye_health', 'gameye_drain', 'gameye_terminate', 'gameye_set_version'];
const SESSION_SCOPES = ['session:start', 'session:read', 'session:stop'];
const EVERY_SCOPE = [...SESSION_SCOPES, 'regions:read', 'artifact:read', 'logs:read'];
const ID = '11111111-2222-4333-8444-555555555555';

/** An RPC, a payload that it refuses, and what the sentence must name. */
const INVALID: [string, unknown, string][] = [
  ...RPCS.flatMap((rpc): [string, unknown, string][] => [
    [rpc, 'region=home', 'JSON'],
    [rpc, { colour: 'red' }, '"colour"'],
  ]),
  ['gameye_status', { limit: 0 }, '"limit"'],
  ['gameye_drain', {}, '"id", "version" or "region"'],
  ['gameye_drain', { id: '../x' }, '"id"'],
  ['gameye_drain', { region: '' }, '"region"'],
  ['gameye_drain', { version: 7 }, '"version"'],
  ['gameye_drain', { region: 'home', undo: 'yes' }, '"undo"'],
  ['gameye_drain', { region: 'home', cursor: 'nonsense' }, '"cursor"'],
  ['gameye_terminate', { undo: true }, '"undo"'],
  ['gameye_terminate', { confirm: true }, '"id", "version" or "region"'],
  ['gameye_terminate', { region: 'home', confirm: 1 }, '"confirm"'],
  ['gameye_terminate', { region: 'home', confirm: true, cursor: 'nonsense' }, '"cursor"'],
  ['gameye_set_version', {}, '"version"'],
  ['gameye_set_version', { version: 2 }, '"version"'],
  ['gameye_set_version', { version: '../../session' }, '"version"'],
  ['gameye_set_version', { version: '2.0', force: 1 }, '"force"'],
];

/** The payload of an RPC that succeeds. */
async function ask<T>(nakama: Nakama, rpc: string, payload: object = {}): Promise<T> {
  const answer = await nakama.rpc(rpc, payload);
  expect(answer, `${rpc} ${JSON.stringify(payload)}`).toMatchObject({ status: 200 });
  return answer.payload as T;
}

const status = (nakama: Nakama): Promise<Status> => ask<Status>(nakama, 'gameye_status');

/** Starts sessions in a region and waits until they are stored. */
async function startSessions(stack: Stack, region: string, count: number, nakama = stack.nakama): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const { session_id } = await ask<{ session_id: string }>(nakama, 'fleet_create', {
      max_players: 4,
      regions: [region],
    });
    ids.push(session_id);
  }
  const stored = async (): Promise<boolean> => (await instanceRows(stack, ids)).length === count;
  await until(stored, 10_000, `${count} sessions in ${region}`, 100);
  return ids;
}

/** `check` or `check region` to its verdict, and the advice of those that are not fine. */
function verdicts({ checks }: Health): { ok: Record<string, boolean | 'unknown'>; advice: Record<string, string> } {
  const name = ({ check, region }: Health['checks'][number]): string => (region ? `${check} ${region}` : check);
  return {
    ok: Object.fromEntries(checks.map((one) => [name(one), one.ok])),
    advice: Object.fromEntries(checks.flatMap((one) => (one.advice ? [[name(one), one.advice]] : []))),
  };
}

forEachRuntime((runtime) => {
  describe('gameye_health', () => {
    const quiet = quietStack(['home', 'away']);
    const stack = useStack(runtime, {
      ...quiet,
      simulator: {
        ...quiet.simulator,
        tokens: { [API_TOKEN]: EVERY_SCOPE, 'no-scopes': [] },
      },
    });
    /** What the health is on a node with other variables. */
    const healthWith = async (env: Record<string, string>): Promise<Health> => {
      const node = await stack().startNode({ env });
      try {
        return await ask<Health>(node, 'gameye_health');
      } finally {
        await node.stop();
      }
    };

    it('finds nothing wrong, and starts nothing', async () => {
      const health = await ask<Health>(stack().nakama, 'gameye_health');
      expect(health.healthy).toBe(true);
      const checks = ['storage', 'api', 'token', 'session:read', 'session:start', 'session:stop', 'image'];
      const names = [...checks, 'region home', 'version home', 'region away', 'version away'];
      expect(verdicts(health)).toEqual({ ok: Object.fromEntries(names.map((name) => [name, true])), advice: {} });
      expect(stack().simulator.ledger.entries).toEqual([]);
      expect(requestsOf(stack(), 'session-run').map((request) => request.status)).toEqual([422]);
    });

    it('tells a wrong token', async () => {
      const { healthy, checks } = await healthWith({ GAMEYE_API_TOKEN: 'wrong' });
      expect(healthy).toBe(false);
      expect(verdicts({ healthy, checks })).toMatchObject({
        ok: { storage: true, api: true, token: false },
        advice: { token: expect.stringContaining('GAMEYE_API_TOKEN') as string },
      });
      expect(checks).toHaveLength(3);
    });

    it('names every scope that the token lacks', async () => {
      const health = await healthWith({ GAMEYE_API_TOKEN: 'no-scopes' });
      expect(health.healthy).toBe(false);
      const { ok, advice } = verdicts(health);
      for (const scope of SESSION_SCOPES) {
        expect(ok[scope], scope).toBe(false);
        expect(advice[scope]).toContain(scope);
      }
      expect(ok).toMatchObject({ api: true, token: true, image: 'unknown' });
    });

    it('tells an image that does not exist', async () => {
      const health = await healthWith({ GAMEYE_API_IMAGE: 'absent' });
      expect(health.healthy).toBe(false);
      expect(verdicts(health)).toMatchObject({
        ok: { image: false, 'session:start': true },
        advice: { image: expect.stringContaining('GAMEYE_API_IMAGE') as string },
      });
    });

    it('tells a version that does not exist, in each region', async () => {
      const { nakama } = stack();
      await ask(nakama, 'gameye_set_version', { version: '9.9', force: true });
      const health = await ask<Health>(nakama, 'gameye_health');
      await ask(nakama, 'gameye_set_version', { version: '' });
      expect(health.healthy).toBe(false);
      expect(verdicts(health)).toMatchObject({
        ok: { image: true, 'region home': true, 'version home': false, 'region away': true, 'version away': false },
        advice: { 'version away': expect.stringContaining('9.9 in away') as string },
      });
    });

    it('tells a region that does not exist from one that is down', async () => {
      const { simulator } = stack();
      simulator.configure({ regions: { away: { outage: true } } });
      const health = await healthWith({ GAMEYE_API_REGION: 'home,away,moon', GAMEYE_API_IMAGE_VERSION: '' });
      simulator.configure({ regions: { away: { outage: false } } });
      expect(health.healthy).toBe(false);
      const { ok, advice } = verdicts(health);
      expect(ok).toMatchObject({ image: true, 'region home': true, 'region away': false, 'region moon': false });
      expect(advice['region away']).toContain('outage');
      expect(advice['region moon']).toContain('GAMEYE_API_REGION');
      expect(health.checks.filter(({ check }) => check === 'version')).toEqual([]);
    });

    it('tells an API that is down, one that hangs and one that is something else', async () => {
      const { simulator, nakama } = stack();
      const outage = simulator.faults.add({ on: 'always', action: { kind: 'status', status: 503 } });
      const down = verdicts(await ask<Health>(nakama, 'gameye_health'));
      simulator.faults.remove(outage);
      expect(down.ok).toEqual({ storage: true, api: false });
      expect(down.advice['api']).toContain('GAMEYE_API_URL');
      const hang = simulator.faults.add({ on: 'always', action: { kind: 'delay', ms: 4000 } });
      const since = Date.now();
      expect(verdicts(await ask<Health>(nakama, 'gameye_health')).ok).toEqual({ storage: true, api: false });
      expect(Date.now() - since).toBeLessThan(9000);
      simulator.faults.remove(hang);
      const page = simulator.faults.add({ on: 'always', action: { kind: 'html' } });
      const other = verdicts(await ask<Health>(nakama, 'gameye_health'));
      simulator.faults.remove(page);
      expect(other.ok).toEqual({ storage: true, api: false });
      expect(other.advice['api']).toContain('not as the Session API');
    });
  });

  describe('operators', () => {
    const stack = useStack(runtime, quietStack(['home', 'away', 'full', 'empty']));

    it('are servers: players may call none of these RPCs', async () => {
      const player = await Player.authenticate(stack().nakama);
      for (const rpc of RPCS) {
        const answer = await stack().nakama.rpc(rpc, {}, { token: player.token });
        expect(answer, rpc).toMatchObject({ status: 403, code: 7 });
      }
    });

    it('are told the field of every wrong payload', async () => {
      for (const [rpc, payload, name] of INVALID) {
        const answer = await stack().nakama.rpc(rpc, payload);
        expect(answer, `${rpc} ${JSON.stringify(payload)}`).toMatchObject({ status: 400, code: 3 });
        expect(answer.message).toContain(name);
      }
    });

    it('see what runs, what is being started and why it does not', async () => {
      const { nakama, simulator } = stack();
      simulator.configure({ regions: { full: { capacity: 0 } } });
      const ids = [...(await startSessions(stack(), 'home', 2)), ...(await startSessions(stack(), 'away', 1))];
      const [joined] = ids;
      await ask(nakama, 'fleet_join', { id: joined, user_ids: [randomUUID()] });
      const { session_id } = await ask<{ session_id: string }>(nakama, 'fleet_create', {
        max_players: 2,
        regions: ['full'],
      });
      const seen = await until(
        async () => {
          const now = await status(nakama);
          return now.allocations.queue[0]?.failure ? now : undefined;
        },
        10_000,
        'the failure of the full region',
      );
      expect(seen.module).toEqual({ version: '0.1.0', node: 'n1', nakama: expect.stringContaining('3.') as string });
      expect(seen.in_force).toEqual({
        fleet: 'default',
        image: QUIET_IMAGE,
        version: 'latest',
        regions: ['home', 'away', 'full', 'empty'],
      });
      const group = { version: 'latest', status: 'running' };
      expect(seen.instances).toEqual({
        sessions: 3,
        players: 1,
        open_seats: 11,
        groups: [
          { ...group, region: 'home', sessions: 2, players: 1, open_seats: 7 },
          { ...group, region: 'away', sessions: 1, players: 0, open_seats: 4 },
        ],
        truncated: false,
      });
      expect(seen.allocations).toMatchObject({ open: 1, by_state: { starting: 1 }, truncated: false });
      expect(seen.allocations.oldest_age_ms).toBeGreaterThan(0);
      expect(seen.allocations.queue).toMatchObject([
        { allocation: session_id, region: 'full', failure: 'no-capacity', status: 420, operation: 'session-run' },
      ]);
      expect((await ask<Status>(nakama, 'gameye_status', { limit: 2 })).instances).toMatchObject({
        sessions: 2,
        truncated: true,
      });
      await ask(nakama, 'fleet_delete', { id: session_id });
      await endSessions(stack(), ids);
      // Whether its last request still starts something is looked at for a while.
      expect((await status(nakama)).allocations.by_state).toEqual({ cancelled: 1 });
    });

    it('drain instances, which then refuse joins, and open them again', async () => {
      const { nakama } = stack();
      const home = await startSessions(stack(), 'home', 2);
      const [away = ''] = await startSessions(stack(), 'away', 1);
      const join = (id: string) => nakama.rpc('fleet_join', { id, user_ids: [randomUUID()] });
      const drain = (payload: object) => ask<{ changed: number }>(nakama, 'gameye_drain', payload);
      const nothing = { changed: 0, starting: 0, more: false, cursor: '' };
      expect(await drain({ region: 'home', version: '1.0' })).toEqual(nothing);
      expect(await drain({ region: 'empty' })).toEqual(nothing);
      expect(await drain({ id: away, region: 'home' })).toEqual(nothing);
      expect(await drain({ region: 'home', version: 'latest' })).toEqual({ ...nothing, changed: 2 });
      expect(await drain({ region: 'home' }), 'again').toEqual(nothing);
      for (const id of home) expect(await join(id)).toMatchObject({ status: 400, code: 9 });
      expect(await join(away)).toMatchObject({ status: 200 });
      // A look at the Session API, for which it runs as ever, does not open it.
      expect(await nakama.rpc('fleet_get', { id: home[0] })).toMatchObject({ payload: { status: 'draining' } });
      const [group] = (await status(nakama)).instances.groups;
      expect(group).toMatchObject({ region: 'home', status: 'draining', sessions: 2 });
      expect(await drain({ id: home[0], undo: true })).toEqual({ ...nothing, changed: 1 });
      expect(await join(home[0]!)).toMatchObject({ status: 200 });
      expect(await nakama.rpc('gameye_drain', { id: ID })).toMatchObject({ status: 404, code: 5 });
      await endSessions(stack(), [...home, away]);
    });

    it('cannot drain what is still being started, and are told how much that is', async () => {
      const { nakama, simulator } = stack();
      simulator.configure({ regions: { full: { capacity: 0 } } });
      const { session_id } = await ask<{ session_id: string }>(nakama, 'fleet_create', {
        max_players: 2,
        regions: ['full'],
      });
      expect(await nakama.rpc('gameye_drain', { id: session_id })).toMatchObject({ status: 400, code: 9 });
      expect(await ask(nakama, 'gameye_drain', { region: 'full' })).toMatchObject({ changed: 0, starting: 1 });
      expect(await ask(nakama, 'gameye_terminate', { region: 'full' })).toMatchObject({ stopped: 0, starting: 1 });
      expect(await ask(nakama, 'gameye_terminate', { id: session_id })).toMatchObject({ stopped: 1 });
      expect((await status(nakama)).allocations.by_state).not.toHaveProperty('starting');
      expect(simulator.ledger.get(session_id)).toBeUndefined();
    });

    it('stop one session by its id, and more than one only when they confirm it', async () => {
      const { nakama, simulator } = stack();
      const ids = await startSessions(stack(), 'home', 3);
      const running = () => ids.filter((id) => simulator.ledger.get(id)?.endedAtMs === undefined).length;
      const done = { failed: [], starting: 0, more: false, cursor: '' };
      expect(await ask(nakama, 'gameye_terminate', { id: ids[0], region: 'away' })).toEqual({ ...done, stopped: 0 });
      expect(await ask(nakama, 'gameye_terminate', { id: ids[0] })).toEqual({ ...done, stopped: 1 });
      await until(() => running() === 2, 5000, 'the end of one session');
      const unconfirmed = await nakama.rpc('gameye_terminate', { region: 'home' });
      expect(unconfirmed).toMatchObject({ status: 400, code: 3 });
      expect(unconfirmed.message).toContain('"confirm"');
      expect(running()).toBe(2);

      const down = simulator.faults.add({
        operation: 'session-stop',
        on: 'always',
        action: { kind: 'status', status: 503 },
      });
      const failed = await ask(nakama, 'gameye_terminate', { region: 'home', confirm: true });
      simulator.faults.remove(down);
      expect(failed).toMatchObject({ stopped: 0, more: true, failed: [{ reason: expect.any(String) as string }] });
      expect(running()).toBe(2);

      expect(await ask(nakama, 'gameye_terminate', { region: 'home', confirm: true })).toEqual({ ...done, stopped: 2 });
      await until(() => running() === 0, 5000, 'the end of all sessions');
      expect((await status(nakama)).instances.sessions).toBe(0);
      const [last = ''] = await startSessions(stack(), 'home', 1);
      expect(await ask(nakama, 'gameye_terminate', { region: 'home' }), 'one alone').toEqual({ ...done, stopped: 1 });
      await until(() => simulator.ledger.get(last)?.endedAtMs !== undefined, 5000, 'the end of the last session');
    });
  });

  describe('gameye_set_version', () => {
    const quiet = quietStack(['home', 'away']);
    const stack = useStack(runtime, {
      ...quiet,
      simulator: {
        ...quiet.simulator,
        images: {
          [QUIET_IMAGE]: { command: [], ports: ['7777/udp'], tags: ['latest', '2.0'] },
          partial: { command: [], ports: ['7777/udp'], tags: ['latest', '2.0'], regions: ['home'] },
        },
        tokens: { [API_TOKEN]: EVERY_SCOPE, 'no-regions': SESSION_SCOPES },
      },
    });
    const tagOf = (id: string) => stack().simulator.ledger.get(id)?.tag;

    it('counts for new sessions on every node, until it is taken back', async () => {
      const { nakama } = stack();
      const second = await stack().startNode();
      const [before = ''] = await startSessions(stack(), 'home', 1);
      // The second node has looked at the version just now, too.
      const [there = ''] = await startSessions(stack(), 'home', 1, second);
      expect([tagOf(before), tagOf(there)]).toEqual(['latest', 'latest']);
      const set = await ask<{ everywhere_in_ms: number }>(nakama, 'gameye_set_version', { version: '2.0' });
      const setAtMs = Date.now();
      expect(set).toMatchObject({ version: '2.0', previous: 'latest' });
      const [here = ''] = await startSessions(stack(), 'home', 1);
      expect(tagOf(here), 'at once on this node').toBe('2.0');
      await until(() => Date.now() - setAtMs > set.everywhere_in_ms, 5000, 'the time that the answer names');
      const [elsewhere = ''] = await startSessions(stack(), 'home', 1, second);
      expect(tagOf(elsewhere), 'on the other node').toBe('2.0');
      expect(await nakama.rpc('fleet_get', { id: elsewhere })).toMatchObject({ payload: { version: '2.0' } });
      expect(await nakama.rpc('fleet_get', { id: before })).toMatchObject({ payload: { version: 'latest' } });
      expect((await status(second)).in_force).toMatchObject({
        version: '2.0',
        version_set: { image: QUIET_IMAGE, version: '2.0', set_at: expect.stringMatching(/^\d{4}-.*Z$/) as string },
      });
      expect(await ask(nakama, 'gameye_drain', { version: 'latest' })).toMatchObject({ changed: 2 });

      expect(await ask(nakama, 'gameye_set_version', { version: '' })).toMatchObject({
        version: 'latest',
        previous: '2.0',
      });
      expect(await ask(nakama, 'gameye_set_version', { version: null }), 'again').toMatchObject({ version: 'latest' });
      expect((await status(second)).in_force).not.toHaveProperty('version_set');
      const [after = ''] = await startSessions(stack(), 'home', 1);
      expect(tagOf(after)).toBe('latest');
      await endSessions(stack(), [before, there, here, elsewhere, after]);
      await second.stop();
    });

    it('refuses a version that a region lacks, and names the region', async () => {
      const { nakama } = stack();
      const nowhere = await nakama.rpc('gameye_set_version', { version: '3.0' });
      expect(nowhere).toMatchObject({ status: 400, code: 9 });
      expect(nowhere.message).toContain('3.0 in home, away');
      const node = await stack().startNode({ env: { GAMEYE_API_IMAGE: 'partial' } });
      const refused = await node.rpc('gameye_set_version', { version: '2.0' });
      expect(refused).toMatchObject({ status: 400, code: 9 });
      expect(refused.message).toContain('2.0 in away.');
      expect((await status(node)).in_force).toMatchObject({ version: 'latest' });
      await node.stop();
    });

    it('cannot be checked by a token without regions:read, but forced; the health is unknown there, not bad', async () => {
      const node = await stack().startNode({ env: { GAMEYE_API_TOKEN: 'no-regions' } });
      const health = await ask<Health>(node, 'gameye_health');
      expect(health.healthy).toBe(true);
      expect(verdicts(health)).toMatchObject({
        ok: { 'session:start': true, image: 'unknown' },
        advice: { image: expect.stringContaining('regions:read') as string },
      });
      const refused = await node.rpc('gameye_set_version', { version: '2.0' });
      expect(refused).toMatchObject({ status: 400, code: 9 });
      expect(refused.message).toMatch(/regions:read.*"force"/);
      expect(await ask(node, 'gameye_set_version', { version: '2.0', force: true })).toMatchObject({ version: '2.0' });
      expect(await ask(node, 'gameye_set_version', { version: null })).toMatchObject({ version: 'latest' });
      await node.stop();
    });

    it('answers 14 when the API does not work, and changes nothing', async () => {
      const { simulator, nakama } = stack();
      const down = simulator.faults.add({
        operation: 'tag-exists',
        on: 'always',
        action: { kind: 'status', status: 503 },
      });
      expect(await nakama.rpc('gameye_set_version', { version: '2.0' })).toMatchObject({ status: 503, code: 14 });
      simulator.faults.remove(down);
      expect((await status(nakama)).in_force.version).toBe('latest');
    });
  });
});
