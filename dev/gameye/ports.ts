import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

/** Hands out host ports of a range that nothing on this machine uses, and that no session of ours holds. */
export class PortRange {
  private readonly held = new Set<number>();
  private next: number;

  constructor(
    private readonly first: number,
    private readonly last: number,
    private readonly address: string,
  ) {
    // A random place to begin: two simulators on one machine rarely probe the same port at the same moment.
    this.next = first + Math.floor(Math.random() * (last - first + 1));
  }

  /** `count` ports, free for TCP and UDP a moment ago; undefined when the range has not that many. */
  async take(count: number): Promise<number[] | undefined> {
    const taken: number[] = [];
    for (let tries = this.last - this.first + 1; taken.length < count && tries > 0; tries--) {
      const port = this.advance();
      if (this.held.has(port)) continue;
      this.held.add(port); // before the first await, or two sessions would probe the same one
      if (await isFree(port, this.address)) taken.push(port);
      else this.held.delete(port);
    }
    if (taken.length === count) return taken;
    this.release(taken);
    return undefined;
  }

  /** Numbers from the range for sessions without a process: not probed, not held, may repeat. */
  name(count: number): number[] {
    return Array.from({ length: count }, () => this.advance());
  }

  release(ports: readonly number[]): void {
    for (const port of ports) this.held.delete(port);
  }

  private advance(): number {
    const port = this.next;
    this.next = port >= this.last ? this.first : port + 1;
    return port;
  }
}

async function isFree(port: number, address: string): Promise<boolean> {
  const tcp = new Promise<boolean>((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: address, exclusive: true }, () => server.close(() => resolve(true)));
  });
  if (!(await tcp)) return false;
  return new Promise<boolean>((resolve) => {
    const socket = createSocket('udp4');
    socket.once('error', () => {
      socket.close();
      resolve(false);
    });
    socket.bind({ port, address, exclusive: true }, () => socket.close(() => resolve(true)));
  });
}
