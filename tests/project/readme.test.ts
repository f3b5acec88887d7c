import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startSimulator, type Simulator } from '../../dev/gameye/simulator.ts';
import { projectRoot } from '../../dev/stack/paths.ts';
import { until } from '../../dev/stack/until.ts';
import { parseConfig } from '../../src/config.ts';
import { useStack } from '../helpers/stack.ts';
import { blocks, commandsOf, readme, shapeOf, tableAfter } from './readme.ts';

const run = promisify(execFile);
const scripts = (JSON.parse(readFileSync(`${projectRoot}/package.json`, 'utf8')) as { scripts: object }).scripts;
const shell = blocks.filter((block) => block.language === 'sh');

/** Runs a command line as a reader would; answers what it prints, also when it fails. */
async function bash(command: string): Promise<string> {
  return run('bash', ['-c', command], { cwd: projectRoot }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
}

describe('the README', () => {
  it('names only npm scripts that exist', () => {
    const named = [...readme.matchAll(/npm (?:run )?(start|test|dev|build|bench|gameye|format|chaos)\b/g)].map(
      (m) => m[1],
    );
    expect(named.length).toBeGreaterThan(5);
    for (const script of named) expect(Object.keys(scripts)).toContain(script);
  });

  it('has a shell block only for what is run here or in the demo test', () => {
    const kinds = shell.map((block) => commandsOf(block)[0]?.split(/[ =]/)[0]);
    expect(new Set(kinds)).toEqual(new Set(['npm', 'curl', 'S']));
  });

  it('lists every variable that the module knows, and no other', () => {
    const listed = tableAfter('Configuration')
      .slice(1)
      .map((row) => row[0]?.replace(/`/g, ''));
    const source = readFileSync(`${projectRoot}/src/config.ts`, 'utf8');
    const known = /const KNOWN = \[([\s\S]*?)\]/.exec(source)?.[1]?.match(/GAMEYE_\w+/g) ?? [];
    expect(listed.sort()).toEqual([...known].sort());
  });

  it('shows a configuration that the module accepts', () => {
    const yaml = blocks.find((block) => block.language === 'yaml')?.text ?? '';
    const values = (parse(yaml) as { environment: Record<string, string> }).environment;
    const found = parseConfig({ values: { ...values, GAMEYE_API_TOKEN: 'token' }, names: [], problems: [] });
    expect(found).toMatchObject({
      config: { regions: ['eu-central-1', 'eu-west-1'], ttl: '30m', seatTimeoutMs: 60_000 },
    });
  });

  it('links only to files that exist', () => {
    const links = [...readme.matchAll(/\]\((?!http)([^)#]+)\)/g)].map((match) => match[1] ?? '');
    expect(links.length).toBeGreaterThan(1);
    for (const link of links) expect(() => readFileSync(`${projectRoot}/${link}`), link).not.toThrow(/ENOENT/);
  });
});

describe('the README, its curl lines for Nakama', () => {
  const stack = useStack({ kind: 'embedded' }, { leavesSessions: 'the examples start a session and leave it running' });

  it('answer what it shows', async () => {
    let realId = '';
    for (const [position, block] of blocks.entries()) {
      if (block.language !== 'sh' || !block.text.startsWith('curl') || !block.text.includes(':7350')) continue;
      const { nakama } = stack();
      const command = commandsOf(block)
        .join('\n')
        .replace('http://127.0.0.1:7350', nakama.url)
        .replace('defaulthttpkey', nakama.httpKey)
        .replace(/"[0-9a-f]{8}-[0-9a-f-]{27}"/g, `"${realId}"`);
      const shown = blocks[position + 1];
      const answer = await until(
        async () => {
          const json = JSON.parse(await bash(command)) as Record<string, unknown>;
          return json['status'] === 'starting' || json['Status'] === 'Pending' ? undefined : json;
        },
        20_000,
        command,
      );
      expect(answer, command).not.toHaveProperty('code');
      if (typeof answer['session_id'] === 'string') realId = answer['session_id'];
      if (shown?.language !== 'json') continue;
      const example = JSON.parse(shown.text) as Record<string, unknown>;
      expect(shapeOf(answer), command).toEqual(shapeOf(example));
    }
    expect(realId).not.toBe('');
  });
});

describe('the README, its curl lines for the simulator', () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ images: { 'demo-game': { command: ['sleep', '60'], ports: ['7777/udp'] } } });
  });
  afterAll(() => simulator.stop());

  it('do what their comments say', async () => {
    const block = shell.find((one) => one.text.startsWith('S='));
    const [variables = '', ...commands] = commandsOf(block ?? { language: '', text: '' });
    const setup = variables.replace('http://127.0.0.1:8700', simulator.url);
    const answers: string[] = [];
    for (const command of commands) answers.push(await bash(`${setup}\n${command}`));
    expect(commands.length).toBe(8);
    expect(answers[3], 'the lost answer').toBe('');
    expect(JSON.parse(answers[4] ?? ''), 'and yet it runs').toMatchObject({ id: 'lost', status: 'running' });
    expect(answers[5]).toContain('"lost"');
    await until(() => simulator.ledger.get('lost')?.ended === 'killed', 5000, 'the kill of the session');
    expect(simulator.faults.list()).toEqual([]);
  });
});
