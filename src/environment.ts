import type { Context, Nakama } from './nakama/runtime';

/** One mistake in the configuration: the variable, and what to do about it. Never contains the value of a secret. */
export interface Problem {
  variable: string;
  advice: string;
}

/** The `GAMEYE_*` variables found, wherever they came from. */
export interface Lookup {
  values: { [variable: string]: string };
  /** Every GAMEYE_ name that is set anywhere, known or not. */
  names: string[];
  problems: Problem[];
}

// nk.fileRead joins this with runtime.path and does not check where it leads (core_file.go, all versions); more `..` than
// there are folders stop at the root.
const ROOT = '../'.repeat(32);

/**
 * Looks up each variable in `ctx.env` (Nakama's `runtime.env`), then in the server process's own environment, then in the
 * file that `<NAME>_FILE` names (a mounted secret). Only `GAMEYE_*` of what is read is kept.
 */
export function readEnvironment(ctx: Context, nk: Nakama, known: string[]): Lookup {
  const runtimeEnv: { [key: string]: string | undefined } = ctx.env ?? {};
  const process = readProcessEnvironment(nk);
  // Blank is not set: compose files pass on variables that their user left empty.
  const find = (name: string): string | undefined =>
    [runtimeEnv[name], process.values[name]].find((value) => value !== undefined && value.trim() !== '');
  const found: Lookup = { values: {}, names: [], problems: [] };
  for (const name of Object.keys(runtimeEnv).concat(Object.keys(process.values))) {
    if (name.startsWith('GAMEYE_') && !found.names.includes(name)) found.names.push(name);
  }
  for (const variable of known) {
    const value = find(variable);
    const file = find(`${variable}_FILE`);
    if (value !== undefined) {
      found.values[variable] = value;
    } else if (file !== undefined) {
      const content = readFile(nk, file);
      if (content !== undefined) found.values[variable] = content;
      else found.problems.push({ variable: `${variable}_FILE`, advice: 'names a file that Nakama cannot read.' });
    }
  }
  if (!process.readable && Object.keys(found.values).length === 0) {
    found.problems.push({
      variable: 'runtime.env',
      advice:
        'holds no GAMEYE_ variable, and the environment of the server process cannot be read here: set them with --runtime.env "GAMEYE_API_URL=…" or under runtime.env in the configuration file.',
    });
  }
  return found;
}

/**
 * The server process's environment. The JavaScript runtime gives no access to it; the kernel does, as a file of
 * NUL-separated pairs (tried on Nakama 3.22.0 and 3.40.0, also inside InitModule).
 */
function readProcessEnvironment(nk: Nakama): { readable: boolean; values: { [key: string]: string } } {
  const text = readFile(nk, '/proc/self/environ');
  const values: { [key: string]: string } = {};
  for (const pair of (text ?? '').split('\0')) {
    const equals = pair.indexOf('=');
    if (equals > 0 && pair.startsWith('GAMEYE_')) values[pair.slice(0, equals)] = pair.slice(equals + 1);
  }
  return { readable: text !== undefined, values };
}

function readFile(nk: Nakama, absolutePath: string): string | undefined {
  try {
    return nk.fileRead(ROOT + absolutePath.replace(/^\/+/, ''));
  } catch {
    return undefined; // Not Linux, or not allowed: the caller reports what is missing then.
  }
}
