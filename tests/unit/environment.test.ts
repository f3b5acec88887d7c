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

describe('a variable', () => {
  const files = { '/run/a': 'from the file\n', '/run/b': 'from the other file' };
  it.each([
    ['runtime.env', { GAMEYE_A: 'x' }, ['GAMEYE_A=p', 'GAMEYE_A_FILE=/run/a'], 'x'],
    ['the process', {}, ['GAMEYE_A=p', 'GAMEYE_A_FILE=/run/a'], 'p'],
    ['the process, with = in it', {}, ['GAMEYE_A=p=q=='], 'p=q=='],
    ['the file that the process names', {}, ['GAMEYE_A_FILE=/run/a'], 'from the file\n'],
    ['the file that runtime.env names', { GAMEYE_A_FILE: '/run/a' }, ['PATH=/bin'], 'from the file\n'],
    ['the file named in runtime.env first', { GAMEYE_A_FILE: '/run/a' }, ['GAMEYE_A_FILE=/run/b'], 'from the file\n'],
    ['the process before a file', { GAMEYE_A_FILE: '/run/a' }, ['GAMEYE_A=p'], 'p'],
    ['the process when runtime.env has it blank', { GAMEYE_A: ' ' }, ['GAMEYE_A=p'], 'p'],
    ['the file when compose sets it empty', {}, ['GAMEYE_A=', 'GAMEYE_A_FILE=/run/a'], 'from the file\n'],
  ])('comes from %s', (_sentence, env, process, value) => {
    const found = lookUp(env as { [variable: string]: string }, process, files);
    expect(found.values['GAMEYE_A']).toBe(value);
    expect(found.problems).toEqual([]);
  });

  it('that is nowhere is not there, and is no problem here', () => {
    expect(lookUp({}, ['GAMEYE_A=p'])).toEqual({ values: { GAMEYE_A: 'p' }, names: ['GAMEYE_A'], problems: [] });
  });
  it('whose file cannot be read is a problem that names the variable, not the path', () => {
    const found = lookUp({ GAMEYE_B_FILE: '/run/secret-place' }, []);
    expect(found.problems).toEqual([{ variable: 'GAMEYE_B_FILE', advice: 'names a file that Nakama cannot read.' }]);
  });
});

describe('the environment', () => {
  it('is kept only as far as it is ours', () => {
    const found = lookUp({ OTHER: 'a' }, ['HOME=/root', 'GAMEYE_B=b', 'DB_PASSWORD=s3cr3t', '=C:', '', 'GAMEYE_']);
    expect(found.values).toEqual({ GAMEYE_B: 'b' });
    expect(JSON.stringify(found)).not.toMatch(/s3cr3t|root|OTHER/);
  });
  it('names every GAMEYE_ variable once, known or not', () => {
    const found = lookUp({ GAMEYE_X: '1', GAMEYE_A: '2' }, ['GAMEYE_A=3', 'GAMEYE_Y_FILE=/y']);
    expect(found.names).toEqual(['GAMEYE_X', 'GAMEYE_A', 'GAMEYE_Y_FILE']);
  });
  it('that cannot be read is fine when runtime.env has what is needed', () => {
    expect(lookUp({ GAMEYE_A: 'x' }, undefined).problems).toEqual([]);
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
