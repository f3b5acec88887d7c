import { beforeAll, describe, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { call, matchModule, startNode, usePostgres } from './support.ts';

usePostgres();

const INFO = `function info(ctx, logger, nk, payload) { return JSON.stringify(nk.matchGet(payload)); }
function signal(ctx, logger, nk, payload) { return nk.matchSignal(payload, 'hello'); }`;
const REGISTER_INFO = "initializer.registerRpc('info', info); initializer.registerRpc('signal', signal);";

/** Accepts connections and never answers. */
async function silentServer(): Promise<{ url: string; close(): void }> {
  const { createServer } = await import('node:net');
  const server = createServer(() => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

forEachRuntime((runtime) => {
  describe('a match', () => {
    it('keeps plain data between its callbacks, and nothing else', async () => {
      const node = await startNode({
        source: matchModule({
          matchInit: `class Foo { constructor() { this.a = 1; } hi() {} }
          function matchInit() { return { tickRate: 30, label: '', state: { map: new Map([[1, 2]]), set: new Set([3]),
            date: new Date(0), foo: new Foo(), none: undefined, nested: { deep: new Map([['k', 1]]) } } }; }`,
          matchLoop: `function matchLoop(ctx, logger, nk, d, tick, state) {
          if (tick === 0) logger.info('STATE ' + JSON.stringify([state.map, state.set, String(state.date), state.foo,
            state.foo.hi === undefined, state.none, state.nested.deep, typeof state.date.getTime]));
          return { state: state }; }`,
        }),
      });
      await call(node, 'create');
      const line = await node.waitForLog('STATE', 5_000);
      const [map, set, date, foo, noMethod, none, deep, getTime] = JSON.parse(line.msg.slice(6)) as unknown[];
      expect([map, set, deep]).toEqual([[[1, 2]], [3], [['k', 1]]]);
      expect([date, getTime]).toEqual(['1970-01-01 00:00:00 +0000 UTC', 'undefined']);
      expect([foo, noMethod, none]).toEqual([{ a: 1 }, true, null]);
    });

    describe('whose callbacks are written by the test', () => {
      let node: Nakama;
      beforeAll(async () => {
        const run = (code: string) => `return eval('(function () { ' + state.params.${code} + ' })()');`;
        const matchLoop = `function matchLoop(ctx, logger, nk, d, tick, state) { ${run('loop')} }`;
        const matchSignal = `function matchSignal(ctx, logger, nk, d, tick, state, data) { ${run('signal')} }`;
        node = await startNode({ runtime, source: matchModule({ matchLoop, matchSignal }, INFO, REGISTER_INFO) });
      }, 60_000);
      const KEEP = 'return { state: state };';
      const create = async (loop: string, signal = KEEP): Promise<string> =>
        (await call(node, 'create', JSON.stringify({ loop, signal }))).payload;

      it.each([
        ['null', 'return null;', 'Match loop returned nil or no state, stopping match'],
        ['nothing', 'return;', 'Match loop returned nil or no state, stopping match'],
        ['an exception', "throw new Error('boom');", 'Stopping match after error from match_loop execution'],
        ['no state', 'return {};', 'Stopping match after error from match_loop execution'],
        [
          'a state that is not an object',
          'return { state: 5 };',
          'Stopping match after error from match_loop execution',
        ],
      ])('ends when matchLoop answers %s', async (_what, loop, message) => {
        const id = await create(loop);
        await node.waitForLog((entry) => entry.msg === message && entry['mid'] === id.split('.')[0], 5_000);
        await until(async () => (await call(node, 'info', id)).payload === 'null', 5_000);
      });

      it('that returns null from matchSignal ends with an error, and the caller hears that it is busy', async () => {
        const id = await create(KEEP, 'return null;');
        expect((await call(node, 'signal', id)).message).toContain('failed to signal match: match busy');
        await node.waitForLog('Stopping match after error from match_signal execution', 5_000);
      });

      it('answers signals; without a match there is an error', async () => {
        const id = await create(KEEP, 'return { state: state, data: data + "!" };');
        expect((await call(node, 'signal', id)).payload).toBe('hello!');
        expect((await call(node, 'signal', '00000000-0000-4000-8000-000000000000.n1')).message).toContain(
          'match not found',
        );
        expect((await call(node, 'signal', 'nonsense')).message).toContain('match id invalid');
      });

      it('cannot be started from what does not survive the way to another VM', async () => {
        const id = await create(
          "try { nk.matchCreate('m', { at: new Date() }); } catch (e) { logger.info('PARAMS ' + e.message); } return null;",
        );
        expect(id).toMatch(/\.n1$/);
        expect((await node.waitForLog('PARAMS', 5_000)).msg).toContain('cannot encode params');
      });
    });

    it('does not pile up ticks while a callback blocks', async () => {
      const node = await startNode({
        source: matchModule({
          matchInit:
            'function matchInit(ctx, logger, nk, params) { return { state: { at: [], url: params.url }, tickRate: 20 }; }',
          matchLoop: `function matchLoop(ctx, logger, nk, d, tick, state) {
          if (tick === 2) { try { nk.httpRequest(state.url, 'get', {}, '', 1000); } catch (e) { } }
          state.at.push(Date.now());
          if (state.at.length === 12) { logger.info('TICKS ' + JSON.stringify(state.at)); return null; }
          return { state: state }; }`,
        }),
      });
      const { url, close } = await silentServer();
      await call(node, 'create', JSON.stringify({ url }));
      const line = await node.waitForLog('TICKS', 10_000);
      close();
      const at = JSON.parse(line.msg.slice(6)) as number[];
      // After the second that tick 2 took: one tick at once, then the beat of 50 ms again, not twenty ticks in a row.
      expect(at[2]! - at[1]!).toBeGreaterThanOrEqual(950);
      const inOneBeat = at.slice(3).filter((time) => time - at[2]! < 40);
      expect(inOneBeat.length).toBeLessThanOrEqual(2);
      expect(at[11]! - at[3]!).toBeGreaterThanOrEqual(300);
    });

    it('ends when it was empty for longer than match.max_empty_sec', async () => {
      const node = await startNode({ runtime, source: matchModule({}), flags: ['--match.max_empty_sec', '1'] });
      await call(node, 'create');
      const line = await node.waitForLog('Stopping idle empty match', 5_000);
      expect(line['empty_ticks']).toBe(20);
    });

    it('may be started by InitModule, and by a match', async () => {
      const matchLoop = `function matchLoop(ctx, logger, nk, d, tick, state) {
      if (state.params.child === undefined) { logger.info('CHILD ' + nk.matchCreate('m', { child: true })); return null; }
      return { state: state }; }`;
      const node = await startNode({ runtime, source: matchModule({ matchLoop }, '', "nk.matchCreate('m', {});") });
      expect((await node.waitForLog('CHILD', 5_000)).msg).toMatch(/^CHILD [0-9a-f-]{36}\.n1$/);
    });

    it('kills the server when its state is not an object, as Nakama does', async () => {
      const matchInit = "function matchInit() { return { state: 'text', tickRate: 1 }; }";
      const node = await startNode({ runtime, source: matchModule({ matchInit }) });
      void call(node, 'create').catch(() => undefined);
      expect((await node.exited).code).toBe(2);
      const why = {
        embedded: "matchInit returned a 'state' that is not an object",
        real: 'panic: interface conversion',
      };
      expect(node.logText()).toContain(why[runtime.kind]);
    });
  });

  describe('a shutdown of Nakama', () => {
    const more = "function bye(ctx, logger, nk) { logger.info('HOOK ' + ctx.executionMode); }";
    const init = 'initializer.registerShutdown(bye);';
    const matchTerminate =
      "function matchTerminate(ctx, logger, nk, d, tick, state, grace) { logger.info('TERMINATE ' + grace); state.over = true; return { state: state }; }";
    const matchLoop =
      'function matchLoop(ctx, logger, nk, d, tick, state) { return state.over ? null : { state: state }; }';
    const source = matchModule({ matchLoop, matchTerminate }, more, init);

    it('with grace runs the hook and matchTerminate, and ends when the matches have ended', async () => {
      const node = await startNode({ runtime, source, shutdownGraceSec: 20 });
      await call(node, 'create');
      const startedAt = Date.now();
      await node.stop();
      expect(Date.now() - startedAt).toBeLessThan(10_000);
      expect(node.logText()).toContain('HOOK shutdown');
      expect(node.logText()).toContain('TERMINATE 20');
      expect((await node.exited).code).toBe(0);
    });

    it('without grace runs neither', async () => {
      const node = await startNode({ runtime, source });
      await call(node, 'create');
      await node.stop();
      expect(node.logText()).toContain('All authoritative matches stopped');
      expect(node.logText()).not.toMatch(/HOOK|TERMINATE/);
    });

    it('with grace stops matches that do not end in time', async () => {
      const node = await startNode({ runtime, source: matchModule({}), shutdownGraceSec: 1 });
      await call(node, 'create');
      await node.stop();
      expect(node.logText()).toContain('Shutdown grace period expired');
    });
  });
});
