import { buildSync } from 'esbuild';
import path from 'node:path';
import { MessageChannel, Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';

const CALLER = `
import { parentPort, workerData } from 'node:worker_threads';
import { openBridge } from './bridge.ts';
const bridge = openBridge(parentPort, workerData.replies, workerData.signal);
let said;
try {
  said = bridge.call('greet', []);
} catch (error) {
  said = error.message;
}
parentPort.postMessage({ said });
`;

it('a call of the embedded runtime waits for its own answer, although the thread is woken once more for the one before', async () => {
  const resolveDir = path.join(import.meta.dirname, '../../dev/nakama/vm');
  const stdin = { contents: CALLER, resolveDir, loader: 'ts' as const };
  const built = buildSync({
    stdin,
    bundle: true,
    write: false,
    platform: 'node',
    format: 'iife',
    external: ['node:*'],
  });
  const { port1, port2 } = new MessageChannel();
  const flag = new Int32Array(new SharedArrayBuffer(8));
  const worker = new Worker(built.outputFiles[0]!.text, {
    eval: true,
    workerData: { replies: port2, signal: flag.buffer },
    transferList: [port2],
  });
  try {
    const said: string[] = [];
    worker.on('message', (message) => 'said' in message && said.push(message.said));
    // The late end of an earlier answer: whoever waits is woken, and nothing is there. Then it waits again.
    for (const time of ['first', 'second']) {
      await until(() => said.length > 0 || Atomics.notify(flag, 0) === 1, 10_000, `the ${time} wait`, 5);
    }
    expect(said).toEqual([]);
    port1.postMessage({ value: 'hello' });
    Atomics.store(flag, 0, 1);
    Atomics.notify(flag, 0);
    await until(() => said.length > 0, 10_000, 'the end of the call', 5);
    expect(said).toEqual(['hello']);
  } finally {
    port1.close();
    await worker.terminate();
  }
});
