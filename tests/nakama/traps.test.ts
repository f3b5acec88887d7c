import { createServer } from 'node:net';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { call, startNode, usePostgres } from './support.ts';

usePostgres();

/** A module whose RPC "run" evaluates its payload and answers the value, or the error, as JSON. */
const OPEN_MODULE = `
var n = 0;
var o = { a: 1, deep: { a: 1 } };
var m = new Map();
let lexical = 0;
class Mine extends Error { constructor(text) { super(text); this.name = 'Mine'; } }
function attempt(f) { try { f(); return 'ok'; } catch (e) { return e.name; } }
function run(ctx, logger, nk, payload) {
  try { return JSON.stringify(eval(payload)); } catch (e) { return JSON.stringify('threw ' + e.name + ': ' + e.message); }
}
function panic(ctx, logger, nk, payload) { try { eval(payload); } catch (e) { } return 'survived'; }
function InitModule(ctx, logger, nk, initializer) {
  o.init = new Mine('x').name;
  n++;
  nk.localcachePut('init', o.init + n);
  initializer.registerRpc('run', run);
  initializer.registerRpc('panic', panic);
}`;

let node: Nakama;
beforeAll(async () => {
  node = await startNode({ source: OPEN_MODULE });
}, 60_000);

const observe = async (code: string): Promise<unknown> =>
  JSON.parse((await call(node, 'run', code)).payload) as unknown;
const attempt = (statement: string): Promise<unknown> => observe(`attempt(function () { ${statement} })`);

describe('the globals of a VM', () => {
  it.each([
    'n++',
    'o.a = 2',
    'globalThis.x = 1',
    'var q = {}; q.toString = 1',
    'Object.assign({}, { constructor: 1 })',
    "new Mine('x')",
  ])('are frozen after the top level has run: %s', async (statement) => {
    expect(await attempt(statement)).toBe('TypeError');
  });

  it.each(['o.deep.a = 2', 'm.set(1, 1)', 'lexical++', 'var q = { toString: 1 }'])(
    'are not frozen inside, nor where they are lexical: %s',
    async (statement) => {
      expect(await attempt(statement)).toBe('ok');
    },
  );

  it('are not frozen for InitModule', async () => {
    expect(await observe("nk.localcacheGet('init')")).toBe('Mine1');
  });

  it('are those of Goja', async () => {
    const names =
      'console setTimeout queueMicrotask fetch URL TextEncoder process require module global Buffer Intl structuredClone WeakRef SharedArrayBuffer Atomics WebAssembly performance crypto btoa';
    const present = `${JSON.stringify(names.split(' '))}.filter(function (k) { return k in globalThis; })`;
    expect(await observe(present)).toEqual([]);
    const methods =
      '[typeof GoError, typeof Promise.withResolvers, typeof Object.groupBy, typeof Array.fromAsync, typeof [].toSorted]';
    expect(await observe(methods)).toEqual(['function', 'undefined', 'undefined', 'undefined', 'function']);
  });

  it('are those of the version that is reproduced', async () => {
    const old = await startNode({ source: OPEN_MODULE, runtime: { kind: 'embedded', version: '3.22.0' } });
    const code =
      '[typeof BigInt, typeof [].toSorted, typeof nk.storageWriteRetry, typeof nk.secureRandomBytes, ctx.version]';
    expect(JSON.parse((await call(old, 'run', code)).payload)).toEqual([
      'undefined',
      'undefined',
      'undefined',
      'undefined',
      '3.22.0',
    ]);
    expect(await observe(code)).toEqual(['function', 'function', 'function', 'function', '3.40.0']);
    await old.stop();
  });

  it('differ from one VM of the pool to the next', async () => {
    const source = `let count = 0;
      function next() { count++; return String(count); }
      function InitModule(ctx, logger, nk, initializer) { initializer.registerRpc('next', next); }`;
    const other = await startNode({ source });
    const counts = [];
    for (let i = 0; i < 3; i += 1) counts.push((await call(other, 'next')).payload);
    expect(counts).toEqual(['1', '1', '1']);
    await other.stop();
  });
});

describe('values from the server', () => {
  it.each([
    ["nk.httpRequest('http://127.0.0.1:1/', 'get', { a: undefined })", 'threw TypeError: expects string'],
    ["nk.httpRequest('http://127.0.0.1:1/', 'get', {}, '', 1.5)", 'threw TypeError: expects number'],
    ["nk.matchCreate('m', null)", 'threw TypeError: expects params to be an object'],
    ["nk.localcachePut('a', {})", 'threw TypeError: unsupported value type: must be string, numeric or boolean'],
    ['nk.leaderboardList()', 'threw Error: the embedded runtime does not implement nk.leaderboardList'],
    ['nk.storageRead([])', 'threw Error: the embedded runtime does not implement nk.storageRead'],
    ['nk.multiUpdate()', 'threw Error: the embedded runtime does not implement nk.multiUpdate'],
  ])('are checked on their way: %s', async (code, message) => {
    expect(await observe(code)).toBe(message);
  });
});

describe('the pool of VMs', () => {
  it('makes callers wait when all VMs are busy, and serves them afterwards', async () => {
    const source = `function slow(ctx, logger, nk, payload) { try { nk.httpRequest(payload, 'get', {}, '', 700); } catch (e) { } return 'done'; }
      function fast() { return 'fast'; }
      function InitModule(ctx, logger, nk, initializer) { initializer.registerRpc('slow', slow); initializer.registerRpc('fast', fast); }`;
    const small = await startNode({ source, flags: ['--runtime.js_min_count', '2', '--runtime.js_max_count', '2'] });
    let connections = 0;
    const silent = createServer(() => (connections += 1));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(silent.address() as { port: number }).port}/`;
    let slowDone = 0;
    const slow = [1, 2].map(() => call(small, 'slow', url).then(() => (slowDone += 1)));
    await expect.poll(() => connections, { timeout: 5_000 }).toBe(2);
    expect((await call(small, 'fast')).payload).toBe('fast');
    expect(slowDone).toBeGreaterThanOrEqual(1);
    await Promise.all(slow);
    silent.close();
    await small.stop();
  });
});

describe('an RPC over HTTP', () => {
  const source = `function wait(ctx, logger, nk, payload) {
      try { nk.httpRequest(payload, 'get', {}, '', 1500); } catch (e) { logger.info('WAITED ' + e.message); }
      try { nk.sqlQuery('SELECT 1'); logger.info('READ'); } catch (e) { logger.info('READ ' + e.message); }
      return 'late';
    }
    function InitModule(ctx, logger, nk, initializer) { initializer.registerRpc('wait', wait); }`;

  it('is cut off in the middle when its client goes away, and loses its answer when it takes too long', async () => {
    const other = await startNode({ source, flags: ['--socket.write_timeout_ms', '500'] });
    let connections = 0;
    const silent = createServer(() => (connections += 1));
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(silent.address() as { port: number }).port}/`;
    await expect(call(other, 'wait', url)).rejects.toThrow('fetch failed');
    expect((await other.waitForLog('WAITED', 1_000)).msg).toContain('context deadline exceeded');

    const gone = new AbortController();
    const init = { method: 'POST', body: JSON.stringify(url), signal: gone.signal };
    const request = fetch(`${other.url}/v2/rpc/wait?http_key=${other.httpKey}`, init).catch(() => undefined);
    await expect.poll(() => connections, { timeout: 5_000 }).toBe(2);
    gone.abort();
    await request;
    await other.waitForLog((entry) => entry.msg.startsWith('WAITED') && entry.msg.includes('context canceled'), 1_000);
    expect((await other.waitForLog('READ failed', 1_000)).msg).toContain('context canceled');
    silent.close();
    await other.stop();
  });
});

describe('what is a Go panic in Nakama', () => {
  it.each([
    ['logger.info() without arguments', 'logger.info()', 'logger.info() with 0 arguments'],
    ['logger.withField() with one', "logger.withField('a')", 'logger.withField() with 1 arguments'],
    [
      'nk.notificationSend to a user who does not exist',
      "nk.notificationSend('5f0c5b3e-6b6e-4a54-9d7f-0a3a0c5b3e6b', 's', {}, 1, null, true)",
      'Use nk.notificationsSend, whose errors can be caught.',
    ],
  ])('ends the process with an explanation: %s', async (_what, code, explanation) => {
    const doomed = await startNode({ source: OPEN_MODULE });
    void call(doomed, 'panic', code).catch(() => undefined);
    expect((await doomed.exited).code).toBe(2);
    expect(doomed.logText()).toContain(explanation);
  });
});

describe('the start of the embedded runtime', () => {
  const init = (body: string): string => `function f() {}\nfunction InitModule(a, b, c, init) { ${body} }`;
  it.each([
    [
      'a handler that is not global',
      `const g = function () {};\n${init('init.registerMatchmakerMatched(g);')}`,
      'not registered in the global object scope',
    ],
    ['an id that Nakama would not compare', init('init.registerRpc(`x`, f);'), 'ids are string literals'],
    ['no InitModule', 'var x = 1;', 'InitModule function not found.'],
    ['an InitModule that throws', init("throw new Error('bad config');"), 'bad config'],
    ['CommonJS exports', 'exports.x = 1;', 'exports is not defined'],
    [
      'a hook that is not implemented',
      init('init.registerBeforeGetAccount(f);'),
      'does not implement initializer.registerBeforeGetAccount',
    ],
    [
      'a storage index',
      init("init.registerStorageIndex('i', 'c', '', ['a'], [], 100, false);"),
      'does not implement initializer.registerStorageIndex',
    ],
  ])('fails with %s', async (_what, source, message) => {
    await expect(startNode({ source })).rejects.toThrow(message);
  });

  it('names a flag that it does not know', async () => {
    const started = startNode({ source: 'function InitModule() {}', flags: ['--runtime.typo', '1'] });
    await expect(started).rejects.toThrow('unknown flag --runtime.typo');
  });

  it('says in the log that it is not a server for production', () => {
    expect(node.logText()).toContain('not a server for production');
  });
});
