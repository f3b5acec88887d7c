import { createServer, type AddressInfo, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { measurePings, type PingTarget } from '../../examples/client/ping.ts';

const target = (region: string, host: string): PingTarget => ({ region, host, property: `ping_${region}` });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('measuring how far the regions are', () => {
  // Accepts connections and says nothing.
  const sockets: Socket[] = [];
  const silent = createServer((socket) => void sockets.push(socket));
  beforeAll(() => new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve)));
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    silent.close();
  });

  it('takes a refused connection for an answer, and leaves out a region that does not answer', async () => {
    const { port } = silent.address() as AddressInfo;
    const toSilent = (_host: string, signal: AbortSignal) => fetch(`http://127.0.0.1:${port}/`, { signal });
    const near = await measurePings([target('near', '127.0.0.1')]);
    const none = await measurePings([target('silent', '127.0.0.1')], { timeoutMs: 100, probe: toSilent });
    expect(Object.keys(near)).toEqual(['ping_near']);
    expect(near['ping_near']).toBeLessThan(900);
    expect(none).toEqual({});
  });
  it('answers the fastest of several rounds, and asks all regions at the same time', async () => {
    const waits: Record<string, number[]> = { a: [150, 20, 100], b: [120, 120, 30] };
    const startedAt = performance.now();
    const probe = (host: string) => pause(waits[host]!.shift()!);
    const pings = await measurePings([target('x', 'a'), target('y', 'b')], { probe });
    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(pings['ping_x']).toBeGreaterThan(15);
    expect(pings['ping_x']).toBeLessThan(100);
    expect(pings['ping_y']).toBeGreaterThan(25);
    expect(waits).toEqual({ a: [], b: [] });
  });
  it('does not wait for a silent region more than once, and aborts its probe', async () => {
    const aborted: boolean[] = [];
    const probe = (_host: string, signal: AbortSignal) =>
      new Promise<void>(() => signal.addEventListener('abort', () => aborted.push(true)));
    expect(await measurePings([target('x', 'a')], { probe, timeoutMs: 50 })).toEqual({});
    expect(aborted).toEqual([true]);
  });
  it('leaves out a region whose probe fails', async () => {
    const probe = (host: string) => (host === 'a' ? Promise.reject(new Error('no')) : pause(5));
    expect(Object.keys(await measurePings([target('x', 'a'), target('y', 'b')], { probe }))).toEqual(['ping_y']);
  });
  it('answers nothing when no connection even left the page', async () => {
    const probe = () => Promise.resolve();
    expect(await measurePings([target('x', '198.51.100.1'), target('y', '203.0.113.1')], { probe })).toEqual({});
    const local = await measurePings([target('x', '127.0.0.1'), target('y', '127.0.0.2')], { probe });
    expect(Object.keys(local)).toEqual(['ping_x', 'ping_y']);
  });
  it('has nothing to measure without targets', async () => expect(await measurePings([])).toEqual({}));
});
