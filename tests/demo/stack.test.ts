import { delimiter } from 'node:path';
import { describe, expect, it } from 'vitest';
import { serverFlags, type ServerSettings } from '../../dev/stack/command-line.ts';
import { portBlock } from '../../dev/stack/ports.ts';
import { readAnswer } from '../../dev/stack/rpc.ts';
import { findNakama } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { linesWithSecret } from '../helpers/secrets.ts';

const settings: ServerSettings = {
  runtime: { kind: 'real', binary: '/opt/nakama' },
  name: 'n1',
  database: 'u:p@127.0.0.1:5432/d',
  modulePath: '/modules',
  env: { GAMEYE_FLEET: 'a=b' },
  ports: portBlock(10_000),
  httpKey: 'http',
  serverKey: 'server',
  dataDir: '/data',
  matchmakerIntervalSec: 1,
  shutdownGraceSec: 0,
  flags: ['--logger.level', 'debug'],
};

const valueOf = (flags: string[], name: string) => flags[flags.lastIndexOf(name) + 1];

describe('the command line of a server', () => {
  it('keeps the distances between ports that Nakama computes', () => {
    const ports = portBlock(10_000);
    expect(ports.grpc).toBe(ports.http - 1);
    expect(ports.consoleGrpc).toBe(ports.console - 3);
    expect(new Set(Object.values(ports)).size).toBe(5);
  });

  it('passes variables whole, and lets the flags of the caller win', () => {
    const flags = serverFlags(settings);
    expect(valueOf(flags, '--runtime.env')).toBe('GAMEYE_FLEET=a=b');
    expect(valueOf(flags, '--logger.level')).toBe('debug');
    expect(valueOf(flags, '--database.max_open_conns')).toBe('40');
  });

  it('loads a single file as entry point of its folder', () => {
    const flags = serverFlags({ ...settings, modulePath: '/modules/game.js' });
    expect(valueOf(flags, '--runtime.path')).toBe('/modules');
    expect(valueOf(flags, '--runtime.js_entrypoint')).toBe('game.js');
  });

  it('binds a real server to this machine only', () => {
    expect(valueOf(serverFlags(settings), '--socket.address')).toBe('127.0.0.1');
  });
});

describe('findNakama', () => {
  it('finds no Nakama where none is installed', () => {
    expect(findNakama({ PATH: ['/nonexistent', ''].join(delimiter) })).toEqual([]);
  });

  it('does not ignore a NAKAMA_BIN that cannot run', () => {
    expect(() => findNakama({ NAKAMA_BIN: '/nonexistent/nakama' })).toThrow(/NAKAMA_BIN/);
  });

  it('reads the version that a binary prints', () => {
    const [found] = findNakama({ NAKAMA_BIN: process.execPath });
    expect(found).toEqual({ kind: 'real', binary: process.execPath, version: process.versions.node });
  });
});

describe('the answer of an RPC', () => {
  it.each([
    [200, '{"payload":"{\\"a\\":1}"}', { status: 200, payload: { a: 1 } }],
    [200, '{"payload":"plain text"}', { status: 200, payload: 'plain text' }],
    [200, '{}', { status: 200 }],
    [400, '{"code":3,"error":{"stackTrace":"x"},"message":"bad"}', { status: 400, code: 3, message: 'bad' }],
    [502, '<html>', { status: 502, message: '<html>' }],
  ])('with status %i is read whatever its body is: %s', (status, body, result) => {
    expect(readAnswer(status, body)).toEqual(result);
  });
});

describe('until', () => {
  it('answers what the condition answers, as soon as it does', async () => {
    let asked = 0;
    expect(await until(() => (++asked === 3 ? 'here' : undefined), 5_000, 'it', 1)).toBe('here');
  });

  it('says what it waited for, and the last error', async () => {
    const failing = until(() => Promise.reject(new Error('refused')), 20, 'an answer', 1);
    await expect(failing).rejects.toThrow('waited 20 ms for an answer; last error: refused');
  });
});

describe('the search for secrets', () => {
  it('finds a secret and a credential, and nothing in a clean text', () => {
    const jwt = 'eyJhbGciOiJIUzI1NiJ9.eyJ0aWQiOiIxMjM0NTY3ODkwIn0.abcdefghijklmnop';
    const text = `clean\nauth sim-token here\n${jwt}\nalso clean`;
    expect(linesWithSecret(text, ['sim-token'])).toEqual(['auth sim-token here', jwt]);
    expect(linesWithSecret('all is clean', ['sim-token'])).toEqual([]);
  });
});
