import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { API_TOKEN } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import { closeAll, connectPlayers, matchTogether, Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { SEAT_SECRET, useStack } from '../helpers/stack.ts';
import { toldOneSession } from './support/matches.ts';
import { endSessions, quietStack, requestsOf } from './support/world.ts';

/** One mistake per variable. */
const MISTAKES = {
  GAMEYE_API_URL: 'ftp://gameye',
  GAMEYE_API_IMAGE: '',
  GAMEYE_API_REGION: 'home,home',
  GAMEYE_API_TTL: '90s',
  GAMEYE_API_PORT: '7777',
  GAMEYE_MAX_PLAYERS: 'four',
  GAMEYE_CREATE_TIMEOUT: 'soon',
  GAMEYE_SEAT_SECRET: 'too-short-to-be-one',
  GAMEYE_FLEET: 'my fleet',
};

forEachRuntime('long', (runtime) => {
  // All other files configure the module by runtime.env; here everything is in the environment of the processes.
  const stack = useStack(runtime, { ...quietStack(['home']), envBy: 'process' });
  let folder = '';
  let broken: Nakama;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'gameye-secrets-'));
    broken = await stack().startNode({ env: MISTAKES });
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('the module takes its settings from the environment of the Nakama process alone', async () => {
    const { nakama } = stack();
    const ready = await nakama.waitForLog('fleet manager ready', 5_000);
    expect(ready).toMatchObject({ regions: 'home', image: 'quiet' });
    const players = await connectPlayers(nakama, 2);
    await matchTogether(players);
    const { sessionId } = await toldOneSession(stack(), players);
    await endSessions(stack(), [sessionId]);
    closeAll(players);
  });

  it('the module takes secrets from the files that <NAME>_FILE names', async () => {
    const token = path.join(folder, 'token');
    const secret = path.join(folder, 'seat-secret');
    await Promise.all([writeFile(token, `${API_TOKEN}\n`), writeFile(secret, `${SEAT_SECRET}\n`)]);
    const nakama = await stack().startNode({
      env: {
        GAMEYE_API_TOKEN: '',
        GAMEYE_API_TOKEN_FILE: token,
        GAMEYE_SEAT_SECRET: '',
        GAMEYE_SEAT_SECRET_FILE: secret,
      },
    });
    const { payload, status } = await nakama.rpc('fleet_create', { max_players: 2 });
    expect(status).toBe(200);
    const { session_id: id } = payload as { session_id: string };
    await until(() => stack().simulator.ledger.get(id)?.runningAtMs, 10_000, 'the session');
    expect(stack().simulator.ledger.get(id)?.envKeys).toContain('SEAT_SECRET');
    await endSessions(stack(), [id]);
    await nakama.stop();
  });

  it('the module accepts values as shells and orchestrators leave them, and warns in one line of those that it does not use', async () => {
    const service = {
      GAMEYE_API_PORT: 'tcp://10.96.12.5:8080',
      GAMEYE_API_SERVICE_HOST: '10.96.12.5',
      GAMEYE_API_SERVICE_PORT: '8080',
      GAMEYE_API_PORT_8080_TCP_ADDR: '10.96.12.5',
    };
    const nakama = await stack().startNode({
      env: { ...service, GAMEYE_API_TOKEN: `"${API_TOKEN}"\r`, GAMEYE_API_REGION: `'home'`, GAMEYE_BACKFILL: 'True' },
    });
    const doubts = nakama.logs.filter(({ msg }) => msg.includes('a setting should be looked at'));
    const ofService = doubts.filter(({ advice }) => String(advice).includes('Kubernetes'));
    expect(ofService).toHaveLength(1);
    for (const name of Object.keys(service)) expect(ofService[0]?.['variable']).toContain(name);
    const { payload } = await nakama.rpc('fleet_create', { max_players: 2 });
    const { session_id: id } = payload as { session_id: string };
    await until(() => stack().simulator.ledger.get(id)?.runningAtMs, 10_000, 'the session');
    await endSessions(stack(), [id]);
    await nakama.stop();
  });

  it('the log names a placeholder that nobody replaced, and an address that game servers cannot reach', async () => {
    const nakama = await stack().startNode({
      env: { GAMEYE_API_TOKEN: '${GAMEYE_API_TOKEN}', GAMEYE_NAKAMA_URL: 'http://localhost:7350' },
    });
    const refused = await nakama.waitForLog('not configured', 5_000);
    expect(refused).toMatchObject({
      count: '1',
      problems: expect.stringContaining('GAMEYE_API_TOKEN holds a placeholder'),
    });
    const doubt = nakama.logs.find(({ variable }) => variable === 'GAMEYE_NAKAMA_URL');
    expect(doubt).toMatchObject({ level: 'warn', msg: expect.stringContaining('a setting should be looked at') });
    await nakama.stop();
  });

  it('the log says at start that game servers report nothing where no address of Nakama is set', async () => {
    const nakama = await stack().startNode({ env: { GAMEYE_NAKAMA_URL: '' } });
    const line = await nakama.waitForLog('game servers report nothing without GAMEYE_NAKAMA_URL', 5_000);
    expect(line).toMatchObject({ level: 'info', ttl: '30m' });
    const ready = stack().nakama.logs.filter(({ msg }) => msg.includes('report nothing'));
    expect(ready).toEqual([]);
    await nakama.stop();
  });

  it('a wrong configuration is logged with all of its mistakes at once, and Nakama goes on running', async () => {
    const entries = broken.logs.filter(({ msg }) => msg.includes('not configured'));
    expect(entries).toHaveLength(1);
    const variables = Object.keys(MISTAKES);
    expect(entries[0]).toMatchObject({ level: 'error', count: String(variables.length) });
    for (const variable of variables) expect(entries[0]?.['problems']).toContain(variable);
    expect(broken.logText()).not.toContain(MISTAKES.GAMEYE_SEAT_SECRET);
    expect((await fetch(`${broken.url}/healthcheck`)).status).toBe(200);
  });

  it('a wrong configuration is explained to servers that call an RPC; players hear only that there is one', async () => {
    const answer = await broken.rpc('fleet_create', { max_players: 2 });
    expect(answer).toMatchObject({ status: 400, code: 9 });
    for (const variable of Object.keys(MISTAKES)) expect(answer.message).toContain(variable);
    expect(answer.message).not.toContain(MISTAKES.GAMEYE_SEAT_SECRET);
    const player = await Player.authenticate(broken);
    const theirs = await player.rpc('update_instance_info', { player_count: 1 });
    expect(theirs).toMatchObject({ code: 9, message: expect.not.stringContaining('GAMEYE_') });
  });

  it('a wrong configuration lets Nakama match players, who hear that there is no session', async () => {
    const players = await connectPlayers(broken, 2);
    await matchTogether(players);
    for (const player of players) {
      expect(await player.waitForAnswer(10_000)).toMatchObject({ kind: 'failed', reason: 'misconfigured' });
      await player.waitUntilMatched(10_000);
    }
    const posts = requestsOf(stack(), 'session-run').filter(({ status }) => status !== 201);
    expect(posts).toEqual([]);
    closeAll(players);
  });
});
