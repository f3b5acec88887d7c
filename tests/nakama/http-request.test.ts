import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { httpRequest, type HttpRequest } from '../../dev/nakama/http-request.ts';
import { UNTRUSTED } from '../helpers/certificate.ts';

const servers: { close(): unknown; closeAllConnections?(): void }[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections?.();
  }
});

async function listen(server: Server | ReturnType<typeof createTcpServer>): Promise<string> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
const serve = (listener: RequestListener): Promise<string> => listen(createServer(listener));

function send(url: string, more: Partial<HttpRequest> = {}) {
  return httpRequest({ url, method: 'GET', headers: {}, body: '', timeoutMs: 2_000, insecure: false, ...more });
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) text += String(chunk);
  return text;
}

describe('httpRequest', () => {
  it('has the bytes of a body that is no text beside it, because base64Encode gives them back', async () => {
    const bytes = Buffer.from([0x1f, 0x8b, 0x08, 0xff, 0x00]);
    const url = await serve((_request, response) => void response.end(bytes));
    const { body, raw } = await send(url);
    expect([body, Buffer.from(raw ?? [])]).toEqual(['\x1f\ufffd\b\ufffd\0', bytes]);
    const text = await serve((_request, response) => void response.end('caf\u00e9'));
    expect(await send(text)).not.toHaveProperty('raw');
  });
  it('sends the body with any method, and answers with canonical header names and lists', async () => {
    const url = await serve((request, response) => {
      void bodyOf(request).then((text) => {
        response.writeHead(
          201,
          [
            ['x-one', 'a'],
            ['x-one', 'b'],
            ['content-type', 'text/plain'],
          ].flat(),
        );
        response.end(`${request.method!} ${text} ${request.headers['x-in']!} ${request.headers['user-agent']!}`);
      });
    });
    const answer = await send(`${url}/x`, { method: 'DELETE', body: 'täxt', headers: { 'x-in': '1' } });
    expect(answer.code).toBe(201);
    expect(answer.body).toBe('DELETE täxt 1 Go-http-client/1.1');
    expect(answer.headers['X-One']).toEqual(['a', 'b']);
    expect(answer.headers['Content-Type']).toEqual(['text/plain']);
  });

  it('does not take an error status for an error', async () => {
    const url = await serve((_request, response) => response.writeHead(503).end('no'));
    expect(await send(url)).toMatchObject({ code: 503, body: 'no' });
  });

  it('unpacks gzip by itself', async () => {
    const url = await serve((_request, response) => {
      response.writeHead(200, { 'content-encoding': 'gzip' }).end(gzipSync('packed'));
    });
    const answer = await send(url);
    expect(answer.body).toBe('packed');
    expect(answer.headers['Content-Encoding']).toBeUndefined();
  });

  it('follows redirects, and turns a POST into a GET for 302 but not for 307', async () => {
    const url = await serve((request, response) => {
      const status = request.url === '/302' ? 302 : request.url === '/307' ? 307 : 200;
      if (status === 200) void bodyOf(request).then((text) => response.end(`${request.method!} ${text}`));
      else response.writeHead(status, { location: '/end' }).end();
    });
    expect((await send(`${url}/302`, { method: 'POST', body: 'b' })).body).toBe('GET ');
    expect((await send(`${url}/307`, { method: 'POST', body: 'b' })).body).toBe('POST b');
  });

  it('stops after ten redirects', async () => {
    const url = await serve((_request, response) => response.writeHead(302, { location: '/again' }).end());
    await expect(send(url)).rejects.toThrow(/^HTTP request error: Get ".*\/again": stopped after 10 redirects$/);
  });

  it('gives up when the time is over, before the answer and within it', async () => {
    const silent = await serve(() => undefined);
    await expect(send(silent, { timeoutMs: 50 })).rejects.toThrow(
      `HTTP request error: Get "${silent}": context deadline exceeded`,
    );
    const slow = await serve((_request, response) => void response.write('begin'));
    await expect(send(slow, { timeoutMs: 100 })).rejects.toThrow('HTTP response body error: context deadline exceeded');
  });

  it('says EOF when the connection is closed without an answer', async () => {
    const url = await listen(createTcpServer((socket) => socket.once('data', () => socket.end())));
    await expect(send(url, { method: 'POST', body: 'x' })).rejects.toThrow(`HTTP request error: Post "${url}": EOF`);
  });

  it('says unexpected EOF when the body ends early', async () => {
    const url = await listen(
      createTcpServer((socket) =>
        socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')),
      ),
    );
    await expect(send(url)).rejects.toThrow('HTTP response body error: unexpected EOF');
  });

  it('sends a POST once only, also on a kept connection that turns out to be closed', async () => {
    const seen: string[] = [];
    const url = await listen(
      createTcpServer((socket) => {
        let requests = 0;
        socket.on('error', () => undefined);
        socket.on('data', (data) => {
          seen.push(String(data).split(' ')[0]!);
          requests += 1;
          if (requests === 1) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
          else socket.destroy();
        });
      }),
    );
    await send(url);
    await expect(send(url, { method: 'POST', body: 'x' })).rejects.toThrow(/EOF|connection reset by peer/);
    expect(seen).toEqual(['GET', 'POST']);
    await send(url);
    // The GET is repeated on a new connection: it changes nothing.
    expect((await send(url)).body).toBe('ok');
  });

  it('refuses what Go refuses, in its words', async () => {
    const refused = 'http://127.0.0.1:1/x';
    await expect(send(refused)).rejects.toThrow(`Get "${refused}": dial tcp 127.0.0.1:1: connect: connection refused`);
    await expect(send('ftp://h/')).rejects.toThrow('unsupported protocol scheme "ftp"');
    await expect(send('http://a b/')).rejects.toThrow(
      'HTTP request is invalid: parse "http://a b/": invalid character " " in host name',
    );
    await expect(send('%zz')).rejects.toThrow('HTTP request is invalid: parse "%zz": invalid URL escape "%zz"');
    await expect(send(refused, { headers: { h: 'x\ny' } })).rejects.toThrow(
      'net/http: invalid header field value for "H"',
    );
  });

  it('says what is wrong with TLS, in the words of Go', async () => {
    const url = (
      await listen(createTlsServer(UNTRUSTED, (_request, response) => response.writeHead(404).end()))
    ).replace('http:', 'https:');
    const x509 = `HTTP request error: Get "${url}": tls: failed to verify certificate: x509: `;
    await expect(send(url)).rejects.toThrow(`${x509}certificate signed by unknown authority`);
    expect((await send(url, { insecure: true, timeoutMs: 5_000 })).code).toBe(404);
    const plain = (await serve((_request, response) => response.end())).replace('http:', 'https:');
    await expect(send(plain)).rejects.toThrow('http: server gave HTTP response to HTTPS client');
  });

  it('never shows a password of the URL', async () => {
    await expect(send('http://me:secret@127.0.0.1:1/')).rejects.toThrow('http://me:***@127.0.0.1:1/');
  });
});
