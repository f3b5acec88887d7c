import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

/*
 * A Postgres database for tests of the module's own code without a server around it. The module's calls are synchronous, as
 * they are in Nakama, so a worker thread talks to the database while the test's thread waits.
 */

export interface SyncDatabase {
  /** One statement as `nk.sqlQuery` runs it. Throws an error with the text that Nakama's has. */
  query: (text: string, values: unknown[]) => Record<string, unknown>[];
  /** The same without rows. */
  exec: (text: string, values: unknown[]) => { rowsAffected: number };
  close: () => Promise<void>;
}

type Reply = { rows: Record<string, unknown>[]; count: number } | { error: string };

const WORKER = `
const { parentPort, workerData } = require('node:worker_threads');
const pg = require('pg');
// Nakama gives int8 as a number.
pg.types.setTypeParser(20, Number);
const pool = new pg.Pool({ connectionString: workerData.address, max: 1 });
pool.on('error', () => {});
parentPort.on('message', async ({ text, values, port, signal }) => {
  let reply;
  try {
    const result = values.length === 0 ? await pool.query(text) : await pool.query({ name: undefined, text, values });
    const last = Array.isArray(result) ? result[result.length - 1] : result;
    reply = { rows: last.rows, count: last.rowCount ?? 0 };
  } catch (error) {
    reply = { error: error.severity ? error.severity + ': ' + error.message + ' (SQLSTATE ' + error.code + ')' : String(error.message ?? error) };
  }
  port.postMessage(reply);
  Atomics.store(signal, 0, 1);
  Atomics.notify(signal, 0);
});
`;

/** Opens a database by its address (`user:password@host:port/dbname`). Statements of one `SyncDatabase` run one by one. */
export function openSyncDatabase(address: string): SyncDatabase {
  const worker = new Worker(WORKER, { eval: true, workerData: { address: `postgres://${address}` } });
  worker.unref();
  function ask(text: string, values: unknown[]): Exclude<Reply, { error: string }> {
    const { port1, port2 } = new MessageChannel();
    const signal = new Int32Array(new SharedArrayBuffer(4));
    worker.postMessage({ text, values, port: port2, signal }, [port2]);
    if (Atomics.wait(signal, 0, 0, 30_000) === 'timed-out') throw new Error('The database did not answer in 30 s.');
    const reply = receiveMessageOnPort(port1)?.message as Reply;
    port1.close();
    if ('error' in reply) {
      const error = new Error(`failed to exec db query: ${reply.error}`);
      error.name = 'GoError';
      throw error;
    }
    return reply;
  }
  return {
    query: (text, values) => ask(text, values).rows,
    exec: (text, values) => ({ rowsAffected: ask(text, values).count }),
    close: async () => void (await worker.terminate()),
  };
}
