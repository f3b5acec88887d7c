import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { startSimulator, type Simulator } from '../../dev/gameye/simulator.ts';
import { query } from '../../dev/stack/database.ts';
import { projectRoot } from '../../dev/stack/paths.ts';
import { until } from '../../dev/stack/until.ts';
import { translateQuery } from '../../src/instances/query.ts';
import { useStack } from '../helpers/stack.ts';
import { configured } from '../unit/support/config.ts';
import { commandsOf, docs, doc, pages, readme, rowsOf, section, shapeOf, type Block } from './readme.ts';

const run = promisify(execFile);
const scripts = (JSON.parse(readFileSync(`${projectRoot}/package.json`, 'utf8')) as { scripts: object }).scripts;
const known =
  /const KNOWN = \[([\s\S]*?)\]/
    .exec(readFileSync(`${projectRoot}/src/config.ts`, 'utf8'))?.[1]
    ?.match(/GAMEYE_\w+/g) ?? [];
const every = (language: string): (Block & { file: string })[] =>
  pages.flatMap(({ file, blocks }) =>
    blocks.filter((one) => one.language === language).map((one) => ({ ...one, file })),
  );

/** Runs a command line as a reader would; answers what it prints, also when it fails. */
async function bash(command: string): Promise<string> {
  return run('bash', ['-c', command], { cwd: projectRoot }).then(
    ({ stdout }) => stdout,
    (error: { stdout?: string }) => error.stdout ?? '',
  );
}

describe('the README', () => {
  it('is read in five minutes', () => {
    expect(readme.text.split('\n').length).toBeLessThanOrEqual(220);
  });

  it('leads to every page of docs/', () => {
    for (const { file } of docs) expect(readme.text, file).toContain(`](${file})`);
  });

  it('lists every variable that the module knows, once, and no other', () => {
    const listed = rowsOf(section(readme, 'Configuration'))
      .slice(1)
      .map((row) => row[0]?.replace(/`/g, ''));
    expect(known.length).toBeGreaterThan(20);
    expect(listed.sort()).toEqual([...known].sort());
  });

  it('shows a configuration that the module accepts', () => {
    const values = (parse(every('yaml')[0]?.text ?? '') as { environment: Record<string, string> }).environment;
    const found = configured({ ...values, GAMEYE_API_TOKEN: 'token' });
    expect(found).toMatchObject({
      config: { regions: ['eu-central-1', 'eu-west-1'], ttl: '30m', seatTimeoutMs: 60_000 },
    });
  });

  it('has code for the client that can be parsed, like every page', () => {
    const code = every('ts');
    expect(code.length).toBeGreaterThan(3);
    for (const { file, text } of code) {
      const { diagnostics = [] } = ts.transpileModule(text, {
        reportDiagnostics: true,
        compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
      });
      expect(
        diagnostics.map(({ messageText }) => messageText),
        `${file}:\n${text}`,
      ).toEqual([]);
    }
  });
});

describe('the pages', () => {
  it.each(pages)('$file has at most 400 lines', ({ text }) => {
    expect(text.split('\n').length).toBeLessThanOrEqual(400);
  });

  it.each(pages)('$file links only to files and headings that exist', ({ file, text }) => {
    const links = [...text.matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, link = '']) => link);
    expect(links.length).toBeGreaterThan(0);
    for (const link of links) {
      const [target = '', anchor] = link.split('#');
      const linked = target === '' ? file : path.join(path.dirname(file), target);
      expect(existsSync(`${projectRoot}/${linked}`), link).toBe(true);
      if (anchor !== undefined) expect(pages.find((page) => page.file === linked)?.anchors, link).toContain(anchor);
    }
  });

  it.each(pages)('$file names only variables that exist, and no others', ({ text }) => {
    const inContainers = /^GAMEYE_(SESSION_ID|PORT_UDP_\d+|API_)$/;
    const named = text.match(/\bGAMEYE_[A-Z0-9_]*[A-Z0-9_]/g) ?? [];
    for (const name of named.filter((one) => !inContainers.test(one))) expect(known).toContain(name);
  });

  it('name only npm scripts that exist', () => {
    const named = pages.flatMap(({ text }) =>
      [...text.matchAll(/npm (?:(?:run )(\S+?)|(start|test))(?=[\s`.,;]|:? |:?$)/g)].map(([, a, b]) => a ?? b ?? ''),
    );
    expect(named.length).toBeGreaterThan(10);
    for (const script of named) expect(Object.keys(scripts)).toContain(script);
  });

  it('have shell blocks only for npm and for what is run here', () => {
    const kinds = every('sh').map((block) => commandsOf(block)[0]?.split(/[ =]/)[0]);
    expect(new Set(kinds)).toEqual(new Set(['npm', 'curl', 'S', 'UPDATE_DOCS']));
  });

  it('name only files that npm can test', () => {
    const named = pages.flatMap(({ text }) =>
      [...text.matchAll(/npm test -- (\S+?)`?$/gm)].map(([, file = '']) => file),
    );
    expect(named.length).toBeGreaterThan(0);
    for (const file of named) expect(existsSync(`${projectRoot}/${file}`), file).toBe(true);
  });

  it('show terms of a query that a list takes', () => {
    const terms = rowsOf(section(doc('rpc.md'), 'Query the list'))
      .slice(1)
      .flatMap(([cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, term = '']) => term));
    expect(terms.length).toBeGreaterThan(8);
    for (const term of terms) expect(translateQuery(term, 1), term).toHaveProperty('sql');
  });

  it('have JSON that can be read', () => {
    for (const { file, text } of every('json')) expect(() => void JSON.parse(text), `${file}:\n${text}`).not.toThrow();
  });

  it.each([
    ['regions-and-backfill.md', 'When is another region tried?'],
    ['regions-and-backfill.md', 'How long is a seat held?'],
    ['rpc.md', 'Who may call fleet_join?'],
    ['failures.md', 'What happens to a session nobody knows?'],
    ['failures.md', 'What happens when the database is down in the hook?'],
  ])('%s answers the question: %s', (name, question) => {
    expect(section(doc(name), question).trim().length).toBeGreaterThan(100);
  });
});

describe('the pages, their curl lines and statements', () => {
  const stack = useStack({ kind: 'embedded' }, { leavesSessions: 'the examples start a session and leave it running' });

  it('answer what the pages show', async () => {
    let ran = 0;
    for (const { blocks, file } of pages) {
      let realId = '';
      for (const [position, block] of blocks.entries()) {
        if (block.language !== 'sh' || !block.text.startsWith('curl')) continue;
        const { nakama } = stack();
        const command = commandsOf(block)
          .join('\n')
          .replace('http://127.0.0.1:7350', nakama.url)
          .replace('defaulthttpkey', nakama.httpKey)
          .replace(/"id": "[0-9a-f]{8}-[0-9a-f-]{27}"/g, `"id": "${realId}"`);
        const shown = blocks[position + 1];
        const answer = await until(
          async () => {
            const json = JSON.parse(await bash(command)) as Record<string, unknown>;
            return json['status'] === 'starting' || json['Status'] === 'Pending' ? undefined : json;
          },
          20_000,
          command,
        );
        ran++;
        expect(answer, `${file}: ${command}`).not.toHaveProperty('code');
        if (typeof answer['session_id'] === 'string') realId = answer['session_id'];
        if (shown?.language !== 'json') continue;
        expect(shapeOf(answer), `${file}: ${command}`).toEqual(shapeOf(JSON.parse(shown.text)));
      }
    }
    expect(ran).toBeGreaterThan(5);
  });

  it('can be run in the database', async () => {
    const statements = every('sql');
    expect(statements.length).toBeGreaterThan(3);
    // The embedded runtime keeps its tables in a schema of its own.
    const schema = 'SET LOCAL search_path TO embedded_nakama, public;';
    for (const { file, text } of statements) {
      const own = text.replace('TO nakama;', 'TO current_user;');
      const refusal = await query(stack().database, `BEGIN; ${schema} ${own} ROLLBACK;`).then(
        () => undefined,
        (error: Error) => error.message,
      );
      expect(refusal, `${file}:\n${text}`).toBeUndefined();
    }
  });
});

describe('the pages, their curl lines for the simulator', () => {
  let simulator: Simulator;
  beforeAll(async () => {
    simulator = await startSimulator({ images: { 'demo-game': { command: ['sleep', '60'], ports: ['7777/udp'] } } });
  });
  afterAll(() => simulator.stop());

  it('do what their comments say', async () => {
    const block = every('sh').find((one) => one.text.startsWith('S='));
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
