import { createServer } from 'node:net';

/** The ports of one Nakama. gRPC must be HTTP - 1 and the console's gRPC the console's - 3; Nakama computes them so. */
export interface NakamaPorts {
  http: number;
  grpc: number;
  console: number;
  consoleGrpc: number;
  metrics: number;
}

// Below the range the system takes client ports from, and below the simulator's host ports. fetch refuses port 10080.
const FIRST = 10_100;
const LAST = 19_900;
const ATTEMPTS = 50;

/**
 * Finds a block of free ports at a random place. They are free now, not reserved: who starts a server on them must be
 * ready to try again with another block.
 */
export async function freeNakamaPorts(random: () => number = Math.random): Promise<NakamaPorts> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const ports = portBlock(FIRST + Math.floor(random() * (LAST - FIRST)));
    const free = await Promise.all(Object.values(ports).map(isFree));
    if (free.every(Boolean)) return ports;
  }
  throw new Error(`no free block of ports between ${FIRST} and ${LAST} after ${ATTEMPTS} attempts; stop other servers`);
}

/** The ports that Nakama has by default and that every client expects, or a free block when one of them is taken. */
export async function usualNakamaPorts(): Promise<NakamaPorts> {
  const usual: NakamaPorts = { http: 7350, grpc: 7349, console: 7351, consoleGrpc: 7348, metrics: 7354 };
  const free = await Promise.all(Object.values(usual).map(isFree));
  return free.every(Boolean) ? usual : freeNakamaPorts();
}

/** The layout of one block, from its first port on. */
export function portBlock(first: number): NakamaPorts {
  return { grpc: first, http: first + 1, consoleGrpc: first + 2, metrics: first + 3, console: first + 5 };
}

/** Whether a server could listen on this TCP port now; Nakama's metrics listen on all addresses, so those are asked. */
function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '0.0.0.0', exclusive: true }, () => server.close(() => resolve(true)));
  });
}
