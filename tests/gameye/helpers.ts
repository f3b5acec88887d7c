import { Agent, request } from 'node:http';
import { afterAll, beforeAll, onTestFinished } from 'vitest';
import {
  startSimulator,
  type ImageOptions,
  type Simulator,
  type SimulatorOptions,
} from '../../dev/gameye/simulator.ts';

export const EU = 'eu-central-1';
export const US = 'us-east-1';

export const ports = ['7777/udp', '8080/tcp'];

/** A process that waits until it is told to end. */
export const sleeper: ImageOptions = { command: ['sleep', '1000'], ports, tags: ['1.0.0', '0.9.0'] };
/** A session without a process. */
export const empty: ImageOptions = { command: [], ports: ['7777/udp'] };

export function script(source: string, options: Partial<ImageOptions> = {}): ImageOptions {
  return { command: ['node', '-e', source], ports, ...options };
}

/** A simulator for one test: starts take no time unless the test wants it, and it ends with the test. */
export async function simulate(options: SimulatorOptions = {}): Promise<Simulator> {
  const simulator = await start(options);
  onTestFinished(() => simulator.stop());
  return simulator;
}

/** One simulator for all tests of a `describe`, for tests that only look or are refused. */
export function simulateForAll(options: SimulatorOptions = {}, prepare?: (simulator: Simulator) => Promise<unknown>) {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await start(options);
    await prepare?.(simulator);
  });
  afterAll(() => simulator.stop());
  return (): Simulator => simulator;
}

function start(options: SimulatorOptions): Promise<Simulator> {
  return startSimulator({ startMs: 0, regions: { [EU]: {}, [US]: {} }, images: { sleeper, empty }, ...options });
}

export interface Reply {
  status: number;
  type: string;
  text: string;
  /** The parsed body; undefined when it is not JSON. The test knows its shape. */
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  json: any;
}

// fetch takes three times as long, and some tests send thousands of requests.
const agent = new Agent({ keepAlive: true, maxSockets: 50 });

/** One request. Rejects when the connection breaks before the answer is whole. */
export function call(
  simulator: Pick<Simulator, 'url'>,
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = { authorization: 'Bearer sim-token' },
): Promise<Reply> {
  const payload = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const framing =
    payload === undefined ? {} : { 'content-type': 'application/json', 'content-length': Buffer.byteLength(payload) };
  return new Promise((resolve, reject) => {
    const sent = request(simulator.url + path, { method, agent, headers: { ...framing, ...headers } }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('error', reject);
      response.once('end', () => {
        const text = Buffer.concat(chunks).toString();
        const { statusCode: status = 0, headers: answered } = response;
        resolve({ status, type: answered['content-type'] ?? '', text, json: parse(text) });
      });
    });
    sent.once('error', reject);
    sent.end(payload);
  });
}

/** POST /session with the parts that every session needs. */
export function run(simulator: Simulator, fields: Record<string, unknown> = {}): Promise<Reply> {
  return call(simulator, 'POST', '/session', { location: EU, image: 'sleeper', ...fields });
}

/** The ids of GET /session. */
export async function listed(simulator: Simulator, query = ''): Promise<string[]> {
  const { json } = await call(simulator, 'GET', `/session${query}`);
  return (json.sessions as { id: string }[]).map(({ id }) => id);
}

/** Polls until `check` answers something, and returns that. Throws after the deadline, naming what it waited for. */
export async function until<T>(
  what: string,
  check: () => T | Promise<T>,
  deadlineMs = 20_000,
): Promise<NonNullable<T>> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`Waited ${deadlineMs} ms in vain until ${what}.`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Is there a process with this id? A child that has ended but was not reaped yet counts as gone. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
