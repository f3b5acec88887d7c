import { describe, expect, it, vi } from 'vitest';
import { readEnvironment } from '../../src/environment';
import { context, fakeNakama, goError } from './support/nakama';

const KNOWN = ['GAMEYE_A', 'GAMEYE_B'];

function lookUp(
  env: { [variable: string]: string },
  process: string[] | undefined,
  files: { [path: string]: string } = {},
) {
  const fake = fakeNakama();
  fake.files = { ...files };
  if (process) fake.files['/proc/self/environ'] = process.join('\0') + '\0';
  return readEnvironment(context({ env }), fake.nk, KNOWN);
}

describe('a variable of the module', () => {
  const files = { '/run/a': 'from the file\n', '/run/b': 'from the other file', '/run/w': '\uFEFF"windows"\r\n' };
  it.each([
    ['runtime.env', { GAMEYE_A: 'x' }, ['GAMEYE_A=p', 'GAMEYE_A_FILE=/run/a'], 'x'],
    ['the process', {}, ['GAMEYE_A=p', 'GAMEYE_A_FILE=/run/a'], 'p'],
    ['the process, with = in it', {}, ['GAMEYE_A=p=q=='], 'p=q=='],
    ['the file that the process names', {}, ['GAMEYE_A_FILE=/run/a'], 'from the file'],
    ['the file that runtime.env names', { GAMEYE_A_FILE: '/run/a' }, ['PATH=/bin'], 'from the file'],
    ['the file named in runtime.env first', { GAMEYE_A_FILE: '/run/a' }, ['GAMEYE_A_FILE=/run/b'], 'from the file'],
    ['the process before a file', { GAMEYE_A_FILE: '/run/a' }, ['GAMEYE_A=p'], 'p'],
    ['the process when runtime.env has it blank', { GAMEYE_A: ' ' }, ['GAMEYE_A=p'], 'p'],
    ['runtime.env, where a shell has left the quotes', { GAMEYE_A: '"x y"' }, [], 'x y'],
    ['the process, where a shell has left the quotes', {}, ["GAMEYE_A=' x '"], 'x'],
    ['a file with a byte order mark and line ends of Windows', { GAMEYE_A_FILE: '/run/w' }, [], 'windows'],
    ['a file that is named in quotes', { GAMEYE_A_FILE: '"/run/a"' }, [], 'from the file'],
    ['runtime.env as it is, when it only looks quoted', { GAMEYE_A: '"x\'' }, [], '"x\''],
    ['runtime.env as it is, when it is a single quote', { GAMEYE_A: '"' }, [], '"'],
    ['the process when runtime.env has nothing but quotes', { GAMEYE_A: '""' }, ['GAMEYE_A=p'], 'p'],
    ['runtime.env as it is, with dollar signs in it', { GAMEYE_A: 'a$b$(c}{' }, [], 'a$b$(c}{'],
    ['the file when compose sets it empty', {}, ['GAMEYE_A=', 'GAMEYE_A_FILE=/run/a'], 'from the file'],
  ])('comes from %s', (_sentence, env, process, value) => {
    const found = lookUp(env as { [variable: string]: string }, process, files);
    expect(found.values['GAMEYE_A']).toBe(value);
    expect(found).toMatchObject({ problems: [], warnings: [] });
  });

  it('that is set nowhere is left out, without a problem', () => {
    expect(lookUp({}, ['GAMEYE_A=p'])).toEqual({
      values: { GAMEYE_A: 'p' },
      names: ['GAMEYE_A'],
      problems: [],
      warnings: [],
    });
  });
  it('whose file cannot be read is a problem that names the variable, not the path', () => {
    const found = lookUp({ GAMEYE_B_FILE: '/run/secret-place' }, []);
    expect(found.problems).toEqual([{ variable: 'GAMEYE_B_FILE', advice: 'names a file that Nakama cannot read.' }]);
  });
  it('whose file is empty is a problem: a secret that nobody wrote is not one that nobody wants', () => {
    const found = lookUp({ GAMEYE_B_FILE: '/run/b' }, [], { '/run/b': ' \n' });
    expect(found.problems).toEqual([{ variable: 'GAMEYE_B_FILE', advice: 'names a file with nothing in it.' }]);
  });
  it.each([
    '${GAMEYE_TOKEN}',
    'https://${HOST}/v1',
    '$GAMEYE_TOKEN',
    '$(GAMEYE_TOKEN)',
    '{{ .Values.token }}',
    '"${T:-}"',
  ])('that holds a placeholder instead of a value is a problem: %s', (text) => {
    for (const [env, process] of [[{ GAMEYE_A: text }, []] as const, [{}, [`GAMEYE_A=${text}`]] as const]) {
      expect(lookUp(env, [...process]).problems).toMatchObject([{ variable: 'GAMEYE_A' }]);
    }
    expect(lookUp({ GAMEYE_B_FILE: text }, []).problems).toMatchObject([{ variable: 'GAMEYE_B_FILE' }]);
  });
});

describe('a variable that Kubernetes makes for a service', () => {
  const service = [
    'GAMEYE_A=tcp://10.96.12.5:8080',
    'GAMEYE_API_SERVICE_HOST=10.96.12.5',
    'GAMEYE_API_SERVICE_PORT=8080',
    'GAMEYE_API_SERVICE_PORT_HTTP=8080',
    'GAMEYE_API_PORT_8080_TCP=tcp://10.96.12.5:8080',
    'GAMEYE_API_PORT_8080_TCP_PROTO=tcp',
    'GAMEYE_API_PORT_8080_TCP_PORT=8080',
    'GAMEYE_API_PORT_8080_TCP_ADDR=10.96.12.5',
  ];

  it('is no setting and no misspelt one: one warning names all of it', () => {
    const found = lookUp({}, ['GAMEYE_B=b', ...service]);
    expect(found).toMatchObject({ values: { GAMEYE_B: 'b' }, names: ['GAMEYE_B'], problems: [] });
    expect(found.warnings).toHaveLength(1);
    for (const pair of service) expect(found.warnings[0]!.variable).toContain(pair.split('=')[0]!);
  });
  it('hides no value that was set elsewhere', () => {
    expect(lookUp({ GAMEYE_A: '7777/udp' }, service).values['GAMEYE_A']).toBe('7777/udp');
    const found = lookUp({}, [...service, 'GAMEYE_A_FILE=/run/a'], { '/run/a': '7777/udp\n' });
    expect(found.values['GAMEYE_A']).toBe('7777/udp');
  });
});

describe('the environment', () => {
  it('gives the module its own variables, and no others', () => {
    const found = lookUp({ OTHER: 'a' }, ['HOME=/root', 'GAMEYE_B=b', 'DB_PASSWORD=s3cr3t', '=C:', '', 'GAMEYE_']);
    expect(found.values).toEqual({ GAMEYE_B: 'b' });
    expect(JSON.stringify(found)).not.toMatch(/s3cr3t|root|OTHER/);
  });
  it('names every GAMEYE_ variable once, known or not', () => {
    const found = lookUp({ GAMEYE_X: '1', GAMEYE_A: '2' }, ['GAMEYE_A=3', 'GAMEYE_Y_FILE=/y']);
    expect(found.names).toEqual(['GAMEYE_X', 'GAMEYE_A', 'GAMEYE_Y_FILE']);
  });
  it('that cannot be read is mentioned, and no mistake, when runtime.env has values', () => {
    const found = lookUp({ GAMEYE_A: 'x' }, undefined);
    expect(found.problems).toEqual([]);
    expect(found.warnings).toMatchObject([
      { variable: 'runtime.env', advice: expect.stringContaining('cannot be read') },
    ]);
  });
  it('that cannot be read, with nothing in runtime.env, says where to set variables', () => {
    const [problem] = lookUp({}, undefined).problems;
    expect(problem?.variable).toBe('runtime.env');
    expect(problem?.advice).toContain('--runtime.env');
  });
  it('may be missing in the context', () => {
    const fake = fakeNakama();
    const ctx = { ...context(), env: undefined as unknown as { [key: string]: string } };
    expect(readEnvironment(ctx, fake.nk, KNOWN).values).toEqual({});
  });
  it('is read from the root, wherever runtime.path is', () => {
    const fake = fakeNakama();
    const fileRead = vi.spyOn(fake.nk, 'fileRead').mockImplementation(() => {
      throw goError('no');
    });
    readEnvironment(context(), fake.nk, KNOWN);
    expect(fileRead.mock.calls[0]![0]).toMatch(/^(\.\.\/){20,}proc\/self\/environ$/);
  });
});
