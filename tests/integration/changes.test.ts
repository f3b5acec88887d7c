import { randomUUID } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { query } from '../../dev/stack/database.ts';
import type { Changes } from '../../src/operations/changes.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { ask, startSessions } from './support/operators.ts';
import { endSessions, quietStack, tableOf } from './support/world.ts';

forEachRuntime('long', (runtime) => {
  describe('a change of an operator', () => {
    const { simulator, env } = quietStack(['home', 'away']);
    const stack = useStack(runtime, {
      env: { ...env },
      simulator: { ...simulator, images: { ...simulator?.images, other: { command: [], ports: ['7777/udp'] } } },
    });
    const changes = (payload: object = {}): Promise<Changes> => ask<Changes>(stack().nakama, 'gameye_changes', payload);
    const setMode = (ids: string[], mode: string) =>
      query(stack().database, `UPDATE ${tableOf(stack(), 'gameye_instance')} SET mode = $2 WHERE id = ANY($1)`, [
        ids,
        mode,
      ]);

    it('can name sessions by mode and image, and meets only those to which all of it applies', async () => {
      const { nakama } = stack();
      const ids = await startSessions(stack(), 'home', 3);
      await setMode(ids.slice(0, 2), 'duel');
      const drain = async (payload: object): Promise<number> =>
        (await ask<{ changed: number }>(nakama, 'gameye_drain', payload)).changed;
      expect(await drain({ mode: 'ranked' })).toBe(0);
      expect(await drain({ mode: 'duel', region: 'away' })).toBe(0);
      expect(await drain({ mode: 'duel' })).toBe(2);
      expect(await drain({ image: 'other' })).toBe(0);
      expect(await drain({ image: 'quiet' })).toBe(1);
      expect(await drain({ mode: 'duel', image: 'quiet', id: ids[0], undo: true })).toBe(1);
      const terminate = (payload: object) => ask(nakama, 'gameye_terminate', payload);
      expect(await terminate({ id: ids[2], mode: 'duel' })).toMatchObject({ stopped: 0 });
      expect(await terminate({ image: 'other', confirm: true })).toMatchObject({ stopped: 0 });
      expect(await terminate({ mode: 'duel', confirm: true })).toMatchObject({ stopped: 2, failed: [] });
      expect(await terminate({ id: ids[2], image: 'quiet' })).toMatchObject({ stopped: 1 });
      await endSessions(stack(), ids);
    });

    it('is listed with what was meant, what came of it, when, on which node and from where', async () => {
      const { nakama } = stack();
      const before = Date.now();
      const region = 'away';
      const ids = await startSessions(stack(), region, 2);
      await ask(nakama, 'gameye_set_version', { version: 'next', force: true });
      await ask(nakama, 'gameye_set_version', { version: '' });
      await ask(nakama, 'gameye_drain', { region });
      await ask(nakama, 'gameye_drain', { region, undo: true });
      await ask(nakama, 'gameye_terminate', { id: ids[0] });
      await ask(nakama, 'gameye_terminate', { region });
      const refused = await nakama.rpc('gameye_set_version', { version: 'missing' });
      expect(refused.status).toBe(400);
      await ask(nakama, 'gameye_drain', { region: 'home', version: 'nobody' });

      const { changes: listed } = await changes({ limit: 6 });
      for (const { at_ms, node, client_ip } of listed) {
        expect(Math.abs(at_ms - before)).toBeLessThan(60_000);
        expect([node, client_ip]).toEqual(['n1', expect.stringMatching(/127\.0\.0\.1|::1/)]);
      }
      const order = { image: 'quiet', set_at: expect.any(String) as string };
      const none = { versions: { '': order }, regions: {} };
      const version = { versions: { '': { ...order, version: 'next' } }, regions: {} };
      expect(listed.map(({ change, meant, before, after }) => ({ change, meant, before, after }))).toEqual([
        { change: 'gameye_terminate', meant: { region }, before: null, after: { sessions: 1, failed: 0 } },
        { change: 'gameye_terminate', meant: { id: ids[0] }, before: null, after: { sessions: 1, failed: 0 } },
        { change: 'gameye_drain', meant: { region, undo: true }, before: null, after: { instances: 2 } },
        { change: 'gameye_drain', meant: { region }, before: null, after: { instances: 2 } },
        { change: 'gameye_set_version', meant: { version: '' }, before: version, after: none },
        { change: 'gameye_set_version', meant: { version: 'next', force: true }, before: null, after: version },
      ]);
      await endSessions(stack(), ids);
    });

    it('is listed as begun when its end could not be stored', async () => {
      const { nakama, simulator } = stack();
      const ids = await startSessions(stack(), 'home', 1);
      const status = { kind: 'status', status: 503 } as const;
      const down = simulator.faults.add({ operation: 'session-stop', on: 'always', action: status });
      expect((await nakama.rpc('gameye_terminate', { id: ids[0] })).status).toBe(503);
      simulator.faults.remove(down);
      const [latest] = (await changes({ limit: 1 })).changes;
      expect(latest).toMatchObject({ change: 'gameye_terminate', meant: { id: ids[0] }, after: null });
      await endSessions(stack(), ids);
    });

    it('is listed page by page, and deleted after 90 days or ten thousand others', async () => {
      const table = tableOf(stack(), 'gameye_change');
      const add = (change: string, age: string, count: number) =>
        query(
          stack().database,
          `INSERT INTO ${table} (fleet, change, node, meant, change_time)
           SELECT 'default', $1, 'n9', jsonb_build_object('n', n), now() - $2::interval FROM generate_series(1, $3::int4) n`,
          [change, age, count],
        );
      const mark = randomUUID();
      await add(mark, '1 day', 5);
      const seen: unknown[] = [];
      let cursor = '';
      do {
        const page = await changes({ limit: 2, cursor });
        expect(page.changes.length).toBeLessThanOrEqual(2);
        seen.push(
          ...page.changes.filter(({ change }) => change === mark).map(({ meant }) => (meant as { n: number }).n),
        );
        ({ cursor } = page);
      } while (cursor !== '' && seen.length < 5);
      expect(seen).toEqual([5, 4, 3, 2, 1]);
      await add('old', '91 days', 1);
      await add('many', '1 hour', 10_100);
      const count = async (): Promise<number> => {
        const [row] = await query<{ n: number }>(stack().database, `SELECT count(*)::int4 AS n FROM ${table}`, []);
        return row?.n ?? 0;
      };
      await expect.poll(count, { timeout: 30_000, interval: 500 }).toBe(10_000);
      const oldest = await query(stack().database, `SELECT 1 FROM ${table} WHERE change IN ('old', $1)`, [mark]);
      expect(oldest).toEqual([]);
    });
  });
});
