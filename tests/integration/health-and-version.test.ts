import { describe, expect, it } from 'vitest';
import { API_TOKEN } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import type { Health } from '../../src/operations/health.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { ask, startSessions, status } from './support/operators.ts';
import { endSessions, QUIET_IMAGE, quietStack, requestsOf } from './support/world.ts';

const SESSION_SCOPES = ['session:start', 'session:read', 'session:stop'];
const EVERY_SCOPE = [...SESSION_SCOPES, 'regions:read', 'artifact:read', 'logs:read'];

/** `check` or `check region` to its verdict, and the advice of those that are not fine. */
function verdicts({ checks }: Health): { ok: Record<string, boolean | 'unknown'>; advice: Record<string, string> } {
  const name = ({ check, region }: Health['checks'][number]): string => (region ? `${check} ${region}` : check);
  return {
    ok: Object.fromEntries(checks.map((one) => [name(one), one.ok])),
    advice: Object.fromEntries(checks.flatMap((one) => (one.advice ? [[name(one), one.advice]] : []))),
  };
}

forEachRuntime('long', (runtime) => {
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
      expect(verdicts(health)).toEqual({
        ok: { ...Object.fromEntries(names.map((name) => [name, true])), reports: 'unknown' },
        advice: { reports: expect.stringContaining('GAMEYE_NAKAMA_URL') as string },
      });
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
      expect(checks.map(({ check }) => check)).toEqual(['storage', 'reports', 'api', 'token']);
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
      expect(down.ok).toEqual({ storage: true, reports: 'unknown', api: false });
      expect(down.advice['api']).toContain('GAMEYE_API_URL');
      const hang = simulator.faults.add({ on: 'always', action: { kind: 'delay', ms: 4000 } });
      const since = Date.now();
      expect(verdicts(await ask<Health>(nakama, 'gameye_health')).ok).toEqual({
        storage: true,
        reports: 'unknown',
        api: false,
      });
      expect(Date.now() - since).toBeLessThan(9000);
      simulator.faults.remove(hang);
      const page = simulator.faults.add({ on: 'always', action: { kind: 'html' } });
      const other = verdicts(await ask<Health>(nakama, 'gameye_health'));
      simulator.faults.remove(page);
      expect(other.ok).toEqual({ storage: true, reports: 'unknown', api: false });
      expect(other.advice['api']).toContain('not as the Session API');
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

    it('sets the version of new sessions on every node, until it is taken back', async () => {
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
        ordered: {
          versions: {
            '': { image: QUIET_IMAGE, version: '2.0', set_at: expect.stringMatching(/^\d{4}-.*Z$/) as string },
          },
        },
      });
      expect(await ask(nakama, 'gameye_drain', { version: 'latest' })).toMatchObject({ changed: 2 });

      expect(await ask(nakama, 'gameye_set_version', { version: '' })).toMatchObject({
        version: 'latest',
        previous: '2.0',
      });
      expect(await ask(nakama, 'gameye_set_version', { version: null }), 'again').toMatchObject({ version: 'latest' });
      expect((await status(second)).in_force.ordered.versions['']).not.toHaveProperty('version');
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

    it('sets a version only by force when the token lacks regions:read; the health of the image is unknown then, not bad', async () => {
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
