import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import WebSocket from 'ws';
import { startChild } from './child.ts';
import type { Chromium } from './chromium.ts';
import { projectRoot } from './paths.ts';
import { until } from './until.ts';

type Params = Record<string, unknown>;
type Send = (method: string, params?: Params, sessionId?: string) => Promise<Params>;

/** A tab. Every method rejects when the browser does not do it. */
export interface Page {
  /** The value of an expression in the page, as JSON; a promise is waited for. */
  evaluate<T>(expression: string): Promise<T>;
  /** Sets how the page is seen: its size in pixels, and which colours its reader prefers. */
  look(width: number, height: number, scheme: 'light' | 'dark'): Promise<void>;
  /** Presses keys into whatever has the focus. */
  type(text: string): Promise<void>;
  screenshot(): Promise<Buffer>;
  /** What the page asked for, in order. */
  readonly requested: string[];
  /** Uncaught errors of its scripts, and what the browser complained about. */
  readonly complaints: string[];
}

export interface Browser {
  open(url: string): Promise<Page>;
  close(): Promise<void>;
}

/** Starts a browser without a window. It ends with this process, however this ends. */
export async function startBrowser({ binary, env }: Chromium): Promise<Browser> {
  const profile = await mkdtemp(path.join(tmpdir(), 'gameye-browser-'));
  const lines: string[] = [];
  const child = await startChild({
    command: binary,
    // Its sandbox needs rights that root and containers do not have; it only ever loads pages of this machine.
    args: ['--headless', '--no-sandbox', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'],
    cwd: projectRoot,
    env: { PATH: process.env['PATH'] ?? '', HOME: profile, ...env },
    onLine: (line) => void lines.push(line),
  });
  const close = async (): Promise<void> => {
    await child.stop(5_000);
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    const listening = () => lines.map((line) => /^DevTools listening on (ws:\S+)/.exec(line)?.[1]).find(Boolean);
    const url = await until(listening, 30_000, () => `the browser ${binary}; it said: ${lines.join(' | ')}`);
    const { send, listen, end } = await connect(url);
    return {
      open: (address) => openPage(send, listen, address),
      close: async () => {
        end();
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

type Listen = (sessionId: string, listener: (method: string, params: Params) => void) => void;

/** The DevTools Protocol over one socket: answers by their id, events by the tab they come from. */
async function connect(url: string): Promise<{ send: Send; listen: Listen; end: () => void }> {
  const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: 256 * 1024 * 1024 });
  const waiting = new Map<number, { resolve: (result: Params) => void; reject: (error: Error) => void }>();
  const listeners = new Map<string, (method: string, params: Params) => void>();
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
  socket.on('message', (data: Buffer) => {
    const { id, result, error, method, params, sessionId } = JSON.parse(data.toString()) as {
      id?: number;
      result?: Params;
      error?: { message: string };
      method?: string;
      params?: Params;
      sessionId?: string;
    };
    if (id === undefined) return listeners.get(sessionId ?? '')?.(method ?? '', params ?? {});
    const call = waiting.get(id);
    waiting.delete(id);
    if (error) call?.reject(new Error(error.message));
    else call?.resolve(result ?? {});
  });
  socket.on('close', () => waiting.forEach(({ reject }) => reject(new Error('the browser is gone'))));
  let last = 0;
  const send: Send = (method, params = {}, sessionId) =>
    new Promise((resolve, reject) => {
      const id = ++last;
      waiting.set(id, { resolve, reject });
      socket.send(JSON.stringify({ id, method, params, ...(sessionId ? { sessionId } : {}) }));
    });
  return { send, listen: (id, listener) => void listeners.set(id, listener), end: () => socket.close() };
}

async function openPage(send: Send, listen: Listen, url: string): Promise<Page> {
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = (await send('Target.attachToTarget', { targetId, flatten: true })) as { sessionId: string };
  const ask = (method: string, params?: Params): Promise<Params> => send(method, params, sessionId);
  const requested: string[] = [];
  const complaints: string[] = [];
  let isLoaded = false;
  listen(sessionId, (method, params) => {
    if (method === 'Page.loadEventFired') isLoaded = true;
    if (method === 'Network.requestWillBeSent') requested.push((params['request'] as { url: string }).url);
    if (method === 'Runtime.exceptionThrown') complaints.push(JSON.stringify(params['exceptionDetails']));
    if (method === 'Log.entryAdded') complaints.push((params['entry'] as { text: string }).text);
  });
  await Promise.all(['Page', 'Network', 'Runtime', 'Log'].map((domain) => ask(`${domain}.enable`)));
  await ask('Page.navigate', { url });
  await until(() => isLoaded, 15_000, `the page ${url}`);
  return {
    requested,
    complaints,
    async evaluate<T>(expression: string): Promise<T> {
      const options = { expression, awaitPromise: true, returnByValue: true };
      const { result, exceptionDetails } = await ask('Runtime.evaluate', options);
      if (exceptionDetails) throw new Error(`${expression}: ${JSON.stringify(exceptionDetails)}`);
      return (result as { value: T }).value;
    },
    async look(width, height, scheme) {
      await ask('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
      await ask('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
    },
    async type(text) {
      await ask('Input.insertText', { text });
    },
    async screenshot() {
      const { data } = await ask('Page.captureScreenshot', { format: 'png' });
      return Buffer.from(data as string, 'base64');
    },
  };
}
