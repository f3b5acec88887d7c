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
  /** What is odd and harms nothing by itself. */
  warnings: Problem[];
}

// nk.fileRead joins this with runtime.path and does not check where it leads (core_file.go, all versions); more `..` than
// there are folders stop at the root.
const ROOT = '../'.repeat(32);

/** What Kubernetes sets in every pod for a service: that of `gameye-api` is called like a variable of ours. */
const SERVICE_NAME = /_SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$/;
const SERVICE_ADDRESS = /^(tcp|udp|sctp):\/\//;

/** Somebody should have put a value there: a shell, compose, Helm or an orchestrator. Nakama expands nothing. */
const PLACEHOLDER = /\$\{[A-Za-z_][^}]*\}|\$\([A-Za-z_][\w.-]*\)|\{\{.*\}\}|^\$[A-Z_][A-Z0-9_]*$/;

/**
 * Looks up each variable in `ctx.env` (Nakama's `runtime.env`), then in the server process's own environment, then in the
 * file that `<NAME>_FILE` names (a mounted secret). Only `GAMEYE_*` of what is read is kept.
 */
export function readEnvironment(ctx: Context, nk: Nakama, known: string[]): Lookup {
  const process = readProcessEnvironment(nk);
  const sources: { [key: string]: string | undefined }[] = [ctx.env ?? {}, process.values];
  // Blank is not set: compose files pass on variables that their user left empty.
  const find = (name: string): string | undefined =>
    sources.map((source) => bare(source[name] ?? '')).find((value) => value !== '' && !SERVICE_ADDRESS.test(value));
  const found: Lookup = { values: {}, names: [], problems: [], warnings: [] };
  const services: string[] = [];
  for (const source of sources) {
    for (const name of Object.keys(source)) {
      if (!name.startsWith('GAMEYE_')) continue;
      const isService = SERVICE_NAME.test(name) || SERVICE_ADDRESS.test(bare(source[name] ?? ''));
      const names = isService ? services : found.names;
      if (!names.includes(name)) names.push(name);
    }
  }
  for (const variable of known) {
    const value = find(variable);
    const file = value === undefined ? find(`${variable}_FILE`) : undefined;
    const name = file === undefined ? variable : `${variable}_FILE`;
    const said = value ?? file;
    const problem = (advice: string): number => found.problems.push({ variable: name, advice });
    if (said !== undefined && PLACEHOLDER.test(said)) {
      problem('holds a placeholder such as ${NAME} that nobody replaced, and Nakama does not: set the value itself.');
    } else if (file !== undefined) {
      const content = readFile(nk, file);
      if (content === undefined) problem('names a file that Nakama cannot read.');
      else if (bare(content) === '') problem('names a file with nothing in it.');
      else found.values[variable] = bare(content);
    } else if (value !== undefined) {
      found.values[variable] = value;
    }
  }
  if (services.length > 0) found.warnings.push({ variable: services.join(', '), advice: SERVICE_ADVICE });
  if (!process.readable) {
    const isAll = Object.keys(found.values).length === 0;
    (isAll ? found.problems : found.warnings).push({ variable: 'runtime.env', advice: isAll ? NOTHING : ONLY });
  }
  return found;
}

const SERVICE_ADVICE =
  'describes a Kubernetes service and is not used: enableServiceLinks: false in the pod keeps such variables away.';
const NOTHING =
  'holds no GAMEYE_ variable, and the environment of the server process cannot be read here: set them with --runtime.env "GAMEYE_API_URL=…" or under runtime.env in the configuration file.';
const ONLY =
  'is all that counts here, because the environment of the server process cannot be read: a variable that is set there has no effect.';

/** The value as its author meant it: without a byte order mark, line ends and spaces around, and one pair of quotes. */
function bare(text: string): string {
  const trimmed = text.trim();
  const quote = trimmed.charAt(0);
  const isQuoted = trimmed.length > 1 && (quote === '"' || quote === "'") && trimmed.endsWith(quote);
  return isQuoted ? trimmed.slice(1, -1).trim() : trimmed;
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
