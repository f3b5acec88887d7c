import { execFileSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import path from 'node:path';
import { bundleProgram } from './bundle-program.ts';

/** Which Nakama to start: the stand-in in dev/nakama (imitating a version), or a real binary. */
export type NakamaRuntime = { kind: 'embedded'; version?: string } | { kind: 'real'; binary: string };

/** The Nakama version whose behaviour the embedded runtime imitates unless told otherwise. */
export const DEFAULT_EMBEDDED_VERSION = '3.40.0';

export interface RealNakama {
  kind: 'real';
  binary: string;
  /** As the binary prints it, without the build suffix: `3.22.0`. */
  version: string;
}

/**
 * The real Nakama servers of this machine: the files named by NAKAMA_BIN (several: separated as in PATH), else `nakama`
 * on the PATH, else none. A NAKAMA_BIN that cannot be run is an error, because somebody meant it.
 */
export function findNakama(env: NodeJS.ProcessEnv = process.env): RealNakama[] {
  const named = (env['NAKAMA_BIN'] ?? '').split(path.delimiter).filter((file) => file !== '');
  if (named.length > 0) return named.map((binary) => describeBinary(path.resolve(binary)));
  for (const folder of (env['PATH'] ?? '').split(path.delimiter)) {
    const binary = path.join(folder || '.', 'nakama');
    if (isExecutable(binary)) return [describeBinary(path.resolve(binary))];
  }
  return [];
}

/** The runtime for a person at a terminal: the first real Nakama, unless the embedded one is wanted or there is no other. */
export function chooseRuntime(forceEmbedded: boolean): NakamaRuntime {
  const found = forceEmbedded ? undefined : findNakama()[0];
  return found ? { kind: 'real', binary: found.binary } : { kind: 'embedded' };
}

/** The command and first arguments that every call of this runtime starts with. */
export async function runtimeCommand(runtime: NakamaRuntime): Promise<{ command: string; args: string[] }> {
  if (runtime.kind === 'real') return { command: runtime.binary, args: [] };
  return { command: process.execPath, args: [await buildEmbeddedRuntime()] };
}

/** Bundles the embedded runtime to one file and answers its path. */
export function buildEmbeddedRuntime(): Promise<string> {
  return bundleProgram('dev/nakama/main.ts', 'embedded-nakama.mjs');
}

/** How a person calls this runtime, for banners and test names. */
export function describeRuntime(runtime: NakamaRuntime): string {
  if (runtime.kind === 'real') return `Nakama ${versionOf(runtime)}`;
  return `embedded runtime (as Nakama ${versionOf(runtime)})`;
}

/** The Nakama version that this runtime is, or imitates. */
export function versionOf(runtime: NakamaRuntime): string {
  if (runtime.kind === 'real') return describeBinary(runtime.binary).version;
  return runtime.version ?? DEFAULT_EMBEDDED_VERSION;
}

const described = new Map<string, RealNakama>();

function describeBinary(binary: string): RealNakama {
  const known = described.get(binary);
  if (known) return known;
  let printed: string;
  try {
    const options = { encoding: 'utf8', timeout: 10_000, env: { NAKAMA_TELEMETRY: '0' } } as const;
    printed = execFileSync(binary, ['--version'], options).trim();
  } catch (error) {
    const why = (error as Error).message.split('\n')[0];
    throw new Error(`${binary} --version failed (${why}); set NAKAMA_BIN to a Nakama server, or unset it`);
  }
  const found: RealNakama = { kind: 'real', binary, version: printed.replace(/^v/, '').replace(/[+-].*$/, '') };
  described.set(binary, found);
  return found;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false; // Not there, or not ours to run: the next folder of the PATH is tried.
  }
}
