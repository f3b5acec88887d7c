import { readFileSync } from 'node:fs';
import { parse } from 'yaml';
import { configProblems, defaultConfig, setFlag, type Config } from './config.ts';

export type Command =
  | { kind: 'serve'; config: Config }
  | { kind: 'migrate'; config: Config }
  | { kind: 'healthcheck'; port: number }
  | { kind: 'version'; config: Config };

/**
 * Reads Nakama's command line: `[migrate up | healthcheck [port] | --version] --flag value …`. A file named by --config
 * comes first, flags win over it. @throws Error whose text says what to change.
 */
export function parseCommand(argv: string[]): Command {
  const args = [...argv];
  if (args[0] === 'healthcheck') return { kind: 'healthcheck', port: Number(args[1] ?? 7350) };
  const migrate = args[0] === 'migrate';
  if (migrate) {
    args.shift();
    const direction = args.shift();
    if (direction !== 'up') throw new Error(`migrate ${direction ?? ''}: the embedded runtime knows "migrate up" only`);
  }
  const version = args.includes('--version');
  const pairs = flagPairs(args.filter((arg) => arg !== '--version'));
  const config = defaultConfig();
  for (const [flag, value] of pairs) if (flag === 'config') readConfigFile(config, value);
  for (const [flag, value] of pairs) setFlag(config, flag, value);
  const problems = configProblems(config);
  if (problems.length > 0) throw new Error(problems.join('\n'));
  return { kind: version ? 'version' : migrate ? 'migrate' : 'serve', config };
}

function flagPairs(args: string[]): [string, string][] {
  const pairs: [string, string][] = [];
  for (let i = 0; i < args.length; i += 1) {
    const match = /^--?([^=]+)(?:=([\s\S]*))?$/.exec(args[i]!);
    if (match === null) throw new Error(`unexpected argument ${args[i]!}: flags are written --name value`);
    const value = match[2] ?? args[(i += 1)];
    if (value === undefined) throw new Error(`--${match[1]!} needs a value`);
    pairs.push([match[1]!, value]);
  }
  return pairs;
}

function readConfigFile(config: Config, file: string): void {
  const walk = (node: unknown, path: string[]): void => {
    if (typeof node === 'object' && node !== null && !Array.isArray(node)) {
      for (const [key, value] of Object.entries(node)) walk(value, [...path, key]);
    } else if (path.join('.') === 'database.address' && Array.isArray(node)) {
      setFlag(config, 'database.address', (node as unknown[])[0]);
    } else setFlag(config, path.join('.'), node);
  };
  walk(parse(readFileSync(file, 'utf8')) as unknown, []);
}
