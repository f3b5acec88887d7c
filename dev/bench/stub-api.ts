import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * A Session API that answers at once and believes everything: each session runs, and the list is what it was told. For
 * measuring Nakama, its database and the module among more sessions than the simulator would hold.
 */
export interface StubApi {
  url: string;
  /** What it lists from now on. */
  show(body: string): void;
  stop(): Promise<void>;
}

export async function startStubApi(): Promise<StubApi> {
  let list = '{"sessions":[]}';
  const server: Server = createServer((request, response) => {
    const answer = (status: number, body: string): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(body);
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => (body += text));
    request.on('end', () => {
      if (request.method === 'GET') return answer(200, list);
      if (request.method !== 'POST') return void response.writeHead(204).end();
      const { id } = JSON.parse(body) as { id: string };
      const ports = [{ type: 'udp', container: 7777, host: 20_000 }];
      answer(201, JSON.stringify({ id, host: '127.0.0.1', ports }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    show: (next) => void (list = next),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
