// The program of a VM's thread. It keeps what it needs of Node, reduces the realm to what Goja offers, runs the module's
// top level, freezes the globals, and then waits to be told what to call.

import { parentPort, workerData } from 'node:worker_threads';
import { Script } from 'node:vm';
import { openBridge } from './bridge.ts';
import { describeThrown } from './errors.ts';
import { freezeGlobals, reduceGlobals } from './globals.ts';
import { createInitializer } from './initializer.ts';
import { createLogger } from './logger.ts';
import { Match, MatchInitError } from './match.ts';
import { createNk } from './nk.ts';
import { hostSlices } from './nk-server.ts';
import type { Fields, ToVm, VmData } from './protocol.ts';
import { globalValue } from './registration-search.ts';
import { define, exportValue } from './values.ts';

type Callback = (...args: unknown[]) => unknown;

const port = parentPort!;
const data = workerData as VmData;
const load = require;
const stopFlag = new Int32Array(data.signal);
const { load: read } = Atomics;
const bridge = openBridge(port, data.replies, data.signal);

reduceGlobals(data.version);
const nk = createNk(bridge, load, data.version, data.modulePath);
// Shared by all calls, as the Go map behind it is; writing to it would be a data race between VMs there.
const env = Object.freeze({ ...data.env });

function context(fields: Fields): Fields {
  const ctx: Fields = {};
  for (const [key, value] of Object.entries({ node: data.node, version: data.version, env, ...fields }))
    define(ctx, key, value);
  return ctx;
}

const callback = (key: string): Callback => globalValue(key) as Callback;
let match: Match | null = null;

function runInitModule(): void {
  const initModule = globalValue('InitModule');
  if (typeof initModule !== 'function') {
    bridge.post({ t: 'failed', message: 'InitModule function not found.' });
    return;
  }
  try {
    (initModule as Callback)(context({}), createLogger(bridge, {}), nk, createInitializer(bridge, data));
    bridge.post({ t: 'result', id: 0 });
  } catch (thrown) {
    bridge.post({ t: 'result', id: 0, thrown: describeThrown(thrown, data.filename, 'InitModule') });
  }
}

function invoke(message: Extract<ToVm, { t: 'invoke' }>): void {
  try {
    const args = message.mode === 'matchmaker' ? [matchmakerEntries(message.args[0] as object[])] : message.args;
    const logger = createLogger(bridge, message.fields);
    const value = callback(message.key)(context({ executionMode: message.mode, ...message.ctx }), logger, nk, ...args);
    bridge.post({ t: 'result', id: message.id, value: transferable(value) });
  } catch (thrown) {
    bridge.post({ t: 'result', id: message.id, thrown: describeThrown(thrown, data.filename, message.key) });
  }
}

/** Functions and the like have no meaning outside this VM; only that something was returned matters then. */
function transferable(value: unknown): unknown {
  if (value === null || value === undefined) return null;
  if (typeof value !== 'object') return typeof value === 'function' ? {} : value;
  try {
    return JSON.parse(JSON.stringify(exportValue(value))) as unknown;
  } catch {
    return {};
  }
}

function matchmakerEntries(entries: object[]): object[] {
  hostSlices.add(entries);
  return entries;
}

function startMatch(message: Extract<ToVm, { t: 'match-init' }>): void {
  const { handlers, id, matchId, maxEmptySec } = message;
  const mid = matchId.split('.')[0];
  const logger = createLogger(bridge, { mid });
  const ctx = context({ executionMode: 'match', matchId, matchNode: data.node });
  const stoppedFlag = (): boolean => read(stopFlag, 1) === 1;
  const started = new Match({
    bridge,
    filename: data.filename,
    logger,
    nk,
    ctx,
    handlers,
    maxEmptySec,
    stoppedFlag,
    callback,
  });
  try {
    const { label, tickRate } = started.start(JSON.parse(message.params) as object);
    match = started;
    bridge.post({ t: 'match-started', id, tickRate, label });
  } catch (error) {
    if (!(error instanceof MatchInitError)) throw error;
    bridge.post({ t: 'match-refused', id, message: error.message });
  }
}

port.on('message', (message: ToVm) => {
  switch (message.t) {
    case 'init-module':
      runInitModule();
      return;
    case 'invoke':
      invoke(message);
      return;
    case 'match-init':
      startMatch(message);
      return;
    case 'match':
      match?.handle(message.event);
  }
});

try {
  const { text, cache } = data.module;
  const compiled = { filename: data.filename, ...(cache ? { cachedData: cache as Buffer } : {}) };
  new Script(text, compiled).runInThisContext();
  if (data.frozen) freezeGlobals();
  bridge.post({ t: 'ready' });
} catch (thrown) {
  bridge.post({ t: 'failed', message: describeThrown(thrown, data.filename, '').message });
}
