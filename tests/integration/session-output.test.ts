import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { API_TOKEN } from '../../dev/stack/stack.ts';
import { until } from '../../dev/stack/until.ts';
import type { Artifact, Logs } from '../../src/operations/output.ts';
import { Player } from '../helpers/players.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack, type TestStackOptions } from '../helpers/stack.ts';
import { ask } from './support/operators.ts';
import { containerEnv, instanceRows, quietStack } from './support/world.ts';

const NOBODY = '11111111-2222-4333-8444-555555555555';

/** Writes what it should not, and whatever is no text; leaves files; says at last that it is there. */
const TALKER = `
  const fs = require('fs'), { HOME, SEAT_SECRET, NAKAMA_SERVER_TOKEN, FILLER } = process.env;
  fs.mkdirSync(HOME + '/game');
  fs.writeFileSync(HOME + '/game/crash.log', 'it crashed');
  fs.writeFileSync(HOME + '/game/large.bin', require('crypto').randomBytes(9 * 1024 * 1024));
  process.stdout.write(Buffer.from([0, 0xff, 0xfe, 10]));
  console.log('token ${API_TOKEN}');
  console.log('env ' + JSON.stringify({ SEAT_SECRET, NAKAMA_SERVER_TOKEN }));
  for (let i = 0; i < Number(FILLER || 0); i++) console.log('secret ' + SEAT_SECRET);
  console.log('ready \\u2713');
  setInterval(() => {}, 1000);
`;

function talkingStack(): TestStackOptions {
  const { env, simulator } = quietStack(['home']);
  const talker = { command: [process.execPath, '-e', TALKER], ports: ['7777/udp'] };
  return { env: { ...env }, simulator: { ...simulator, images: { ...simulator?.images, talker } } };
}

forEachRuntime((runtime) => {
  describe('the output of a session', () => {
    const stack = useStack(runtime, talkingStack());
    const logs = (id: string, more: object = {}): Promise<Logs> =>
      ask<Logs>(stack().nakama, 'gameye_logs', { id, ...more });

    async function talk(env: object = {}): Promise<string> {
      const asked = { max_players: 2, image: 'talker', env };
      const { session_id: id } = await ask<{ session_id: string }>(stack().nakama, 'fleet_create', asked);
      await until(async () => (await instanceRows(stack(), [id])).length === 1, 10_000, 'the instance');
      const isDone = async (): Promise<boolean> => (await logs(id)).text.includes('ready');
      await until(isDone, 10_000, 'its last line', 100);
      return id;
    }

    it('is for servers only, and every wrong field is named', async () => {
      const player = await Player.authenticate(stack().nakama);
      for (const rpc of ['gameye_logs', 'gameye_artifacts']) {
        expect(await stack().nakama.rpc(rpc, {}, { token: player.token })).toMatchObject({ status: 403, code: 7 });
        expect((await stack().nakama.rpc(rpc, { id: '../x' })).message).toContain(
          rpc === 'gameye_logs' ? '"id"' : '"path"',
        );
      }
      for (const path of [undefined, '', 'game', 7, `/${'x'.repeat(1000)}`]) {
        const answer = await stack().nakama.rpc('gameye_artifacts', { id: NOBODY, path });
        expect(answer, String(path)).toMatchObject({ status: 400, code: 3 });
        expect(answer.message).toContain('"path"');
      }
      for (const limit of [0, 1_000_001, 'all']) {
        expect((await stack().nakama.rpc('gameye_logs', { id: NOBODY, limit })).message).toContain('"limit"');
      }
    });

    it('can be read while the session runs, without secrets, and its files once it has ended', async () => {
      const id = await talk();
      const { text, truncated, session_id } = await logs(id);
      expect([session_id, truncated]).toEqual([id, false]);
      expect(text).toBe(
        '\ufffd\ufffd\ufffd\ntoken [token]\nenv {"SEAT_SECRET":"[secret]","NAKAMA_SERVER_TOKEN":"[secret]"}\nready \u2713\n',
      );
      expect(await logs(id, { limit: 8 })).toEqual({ session_id: id, text: 'ready \u2713\n', truncated: true });

      const artifact = (path: string) => stack().nakama.rpc('gameye_artifacts', { id, path });
      const early = await artifact('/game/crash.log');
      expect(early).toMatchObject({ status: 400, code: 9 });
      expect(early.message).toContain('still runs');
      await ask(stack().nakama, 'fleet_delete', { id });
      await until(() => stack().simulator.ledger.get(id)?.endedAtMs !== undefined, 10_000, 'its end');
      expect((await logs(id)).text).toContain('ready');

      const file = await ask<Artifact>(stack().nakama, 'gameye_artifacts', { id, path: '/game/crash.log' });
      const archive = Buffer.from(file.tar_gz, 'base64');
      expect(file).toMatchObject({ session_id: id, path: '/game/crash.log', bytes: archive.length });
      expect(execFileSync('tar', ['-xzOf', '-'], { input: archive }).toString()).toBe('it crashed');

      const large = await artifact('/game');
      expect(large).toMatchObject({ status: 400, code: 9 });
      expect(large.message).toContain('smaller part');
      expect(await artifact('/none')).toMatchObject({ status: 404, code: 5 });
    });

    it('has no half of a secret where a long output is cut', async () => {
      const id = await talk({ FILLER: '2000' });
      const secret = (await containerEnv(stack(), id))['SEAT_SECRET'] ?? '';
      for (const limit of [40, 100, 1000, 30_000]) {
        const { text, truncated } = await logs(id, { limit });
        expect([text.length <= limit, truncated]).toEqual([true, true]);
        for (let at = 0; at + 8 <= secret.length; at++) expect(text).not.toContain(secret.slice(at, at + 8));
      }
      await ask(stack().nakama, 'fleet_delete', { id });
    });

    it('is refused with a plain sentence when Gameye does not have it, or does not answer as it should', async () => {
      const { nakama, simulator } = stack();
      const both = async (): Promise<[number, string][]> => {
        const answers = [];
        for (const [rpc, more] of [
          ['gameye_logs', {}],
          ['gameye_artifacts', { path: '/game' }],
        ] as const) {
          const { code, message } = await nakama.rpc(rpc, { id: NOBODY, ...more });
          answers.push([code, message] as [number, string]);
        }
        return answers;
      };
      const [logs, artifacts] = await both();
      expect(logs).toEqual([5, expect.stringContaining('no output of such a session')]);
      expect(artifacts).toEqual([5, expect.stringContaining('no such artifact')]);

      const during = async (action: Parameters<typeof simulator.faults.add>[0]['action']) => {
        const ids = (['stream-logs', 'artifacts'] as const).map((operation) =>
          simulator.faults.add({ operation, on: 'always', action }),
        );
        const answers = await both();
        for (const id of ids) simulator.faults.remove(id);
        return answers.map(([code]) => code);
      };
      expect(await during({ kind: 'drop', when: 'before' })).toEqual([14, 14]);
      expect(await during({ kind: 'status', status: 404, html: true })).toEqual([14, 14]);
      // Whatever a game server writes is its output, but no archive begins like this.
      expect(await during({ kind: 'body', status: 200, body: {} })).toEqual([undefined, 14]);
    });

    it('is refused with the name of the scope that a token lacks', async () => {
      const { nakama, simulator } = stack();
      const status = { kind: 'status', status: 403 } as const;
      const faults = (['stream-logs', 'artifacts'] as const).map((operation) =>
        simulator.faults.add({ operation, on: 'always', action: status }),
      );
      const scopes = [
        (await nakama.rpc('gameye_logs', { id: NOBODY })).message,
        (await nakama.rpc('gameye_artifacts', { id: NOBODY, path: '/' })).message,
      ];
      for (const fault of faults) simulator.faults.remove(fault);
      expect(scopes).toEqual([expect.stringContaining('logs:read'), expect.stringContaining('artifact:read')]);
    });
  });
});
