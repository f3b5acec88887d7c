import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, describe, expect, it } from 'vitest';
import type { FaultAction, Operation } from '../../dev/gameye/simulator.ts';
import type { Nakama } from '../../dev/stack/nakama.ts';
import type { Health } from '../../src/operations/health.ts';
import { UNTRUSTED } from '../helpers/certificate.ts';
import { answersOf, closeAll, connectPlayers, matchTogether } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { expectNoSecrets } from '../helpers/secrets.ts';
import { useStack } from '../helpers/stack.ts';
import { toldOneReason, toldOneSession } from './support/matches.ts';
import { ask } from './support/operators.ts';
import { endSessions, quietStack, requestsOf } from './support/world.ts';

/** Far below the create timeout: nobody waits for what cannot come right. */
const AT_ONCE_MS = 10_000;

const PASSWORD = 'hunter22-hunter22';

forEachRuntime('long', (runtime) => {
  const stack = useStack(runtime, quietStack(['home']));
  const servers: Server[] = [];
  afterAll(() => {
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  });

  const listen = async (server: Server): Promise<number> => {
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  };
  const withFault = async <T>(operation: Operation | undefined, action: FaultAction, test: () => Promise<T>) => {
    const rule = { on: 'always', action } as const;
    const id = stack().simulator.faults.add(operation === undefined ? rule : { ...rule, operation });
    try {
      return await test();
    } finally {
      stack().simulator.faults.remove(id);
    }
  };
  /** What the players of a new match on this node are told, at once. */
  const reasonOn = async (node: Nakama): Promise<string> => {
    const players = await connectPlayers(node, 2);
    await matchTogether(players);
    const reason = await toldOneReason(stack(), players, AT_ONCE_MS);
    closeAll(players);
    return reason;
  };
  const apiCheck = async (node: Nakama) => {
    const health = await ask<Health>(node, 'gameye_health');
    expect(health.healthy).toBe(false);
    const ofUrl = health.checks.filter(({ check }) => check !== 'reports');
    expect(ofUrl.map(({ check }) => check)).toEqual(['storage', 'api']);
    return ofUrl[1];
  };
  const logged = (node: Nakama, failure: string) =>
    node.logs.find((line) => line['failure'] === failure && line['advice']);

  describe('GAMEYE_API_URL that redirects', () => {
    it.each([301, 302, 303])(
      'and turns a POST into a GET (%i) is unhealthy, and "misconfigured" for players at once',
      async (status) => {
        const { nakama, simulator } = stack();
        const check = await withFault('session-run', { kind: 'redirect', status }, async () => {
          expect(await reasonOn(nakama)).toBe('misconfigured');
          return apiCheck(nakama);
        });
        expect(check).toMatchObject({ ok: false, advice: expect.stringContaining('GAMEYE_API_URL redirects') });
        expect(logged(nakama, 'redirected')).toMatchObject({ advice: expect.stringContaining('GAMEYE_API_URL') });
        expect(simulator.ledger.entries).toEqual([]);
      },
    );

    it.each([301, 307])('in a circle (%i) is unhealthy, and misconfigured at once', async (status) => {
      const { nakama } = stack();
      const check = await withFault(undefined, { kind: 'redirect', status }, async () => {
        expect(await reasonOn(nakama)).toBe('misconfigured');
        return apiCheck(nakama);
      });
      expect(check).toMatchObject({ ok: false, advice: expect.stringContaining('GAMEYE_API_URL redirects') });
    });

    it.each([301, 307])(
      'to another host (%i) takes the token to none, and is misconfigured at once',
      async (status) => {
        const seen: { method: string | undefined; token: string | undefined }[] = [];
        const elsewhere: RequestListener = ({ method, headers }, response) => {
          seen.push({ method, token: headers.authorization });
          response.writeHead(401).end();
        };
        const to = `http://localhost:${await listen(createPlainServer(elsewhere))}`;
        const action: FaultAction = { kind: 'redirect', status, to };
        expect(await withFault('session-run', action, () => reasonOn(stack().nakama))).toBe('misconfigured');
        expect(seen).toEqual([{ method: status === 307 ? 'POST' : 'GET', token: undefined }]);
      },
    );
  });

  describe('GAMEYE_API_URL with https://', () => {
    const UNKNOWN = /authority/;
    const PLAIN = /does not speak TLS/;
    it.each<[string, () => Promise<number>, RegExp]>([
      ['whose certificate nobody vouches for', () => listen(createTlsServer(UNTRUSTED)), UNKNOWN],
      ['of a port that speaks plain HTTP', async () => Number(new URL(stack().simulator.url).port), PLAIN],
    ])('%s is unhealthy, and misconfigured at once, with the cause named', async (_what, start, cause) => {
      const before = requestsOf(stack(), 'session-run').length;
      const node = await stack().startNode({ env: { GAMEYE_API_URL: `https://127.0.0.1:${await start()}` } });
      expect(await apiCheck(node)).toMatchObject({ ok: false, advice: expect.stringMatching(cause) });
      expect(await reasonOn(node)).toBe('misconfigured');
      expect(logged(node, 'untrusted')).toMatchObject({ advice: expect.stringMatching(cause) });
      expect(requestsOf(stack(), 'session-run')).toHaveLength(before);
      await node.stop();
    });
  });

  it('the log holds no secret of the container when the API repeats it', async () => {
    const { nakama, simulator } = stack();
    const env = { DB_PASSWORD: PASSWORD };
    await withFault('session-run', { kind: 'echo' }, async () => {
      expect(await reasonOn(nakama)).toBe('misconfigured');
      await nakama.rpc('fleet_create', { max_players: 2, metadata: { 'gameye.env': env } });
      await nakama.waitForLog(/DB_PASSWORD/, 10_000);
    });
    const lines = nakama.logs.filter((line) => JSON.stringify(line).includes('NAKAMA_SERVER_TOKEN'));
    expect(lines.length).toBeGreaterThan(1);
    for (const line of lines) {
      expect(JSON.stringify(line)).toMatch(/SEAT_SECRET[^a-z0-9]+secret\]/);
      expect(JSON.stringify(line)).toMatch(/NAKAMA_SERVER_TOKEN[^a-z0-9]+secret\]/);
      expect(JSON.stringify(line)).not.toContain(PASSWORD);
    }
    expect(simulator.requests().filter(({ fault }) => fault?.includes('echo'))).toHaveLength(lines.length);
    await expectNoSecrets(stack());
  });

  it('nobody is sent to an address that is none: the session is stopped, unless a second look finds a good one', async () => {
    const evil: FaultAction = { kind: 'alter', fields: { host: 'http://evil.test/' } };
    const { nakama, simulator } = stack();
    const lost = await withFault(undefined, evil, async () => {
      const players = await connectPlayers(nakama, 2);
      await matchTogether(players);
      const reason = await toldOneReason(stack(), players, 30_000);
      closeAll(players);
      return reason;
    });
    expect(lost).toBe('misconfigured');
    expect(simulator.ledger.entries).toMatchObject([{ ended: 'stop' }]);
    const players = await connectPlayers(nakama, 2);
    await withFault('session-run', evil, async () => {
      await matchTogether(players);
      await answersOf(players, 15_000);
    });
    const { sessionId, host } = await toldOneSession(stack(), players);
    expect(host).toBe('127.0.0.1');
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });
});
