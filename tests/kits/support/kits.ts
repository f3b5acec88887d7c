import { execFile } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { build as bundle } from 'esbuild';
import { cacheDir, projectRoot } from '../../../dev/stack/paths.ts';

const run = promisify(execFile);

/** `test` runs the vectors from the kit's own folder; `sample` is a game server. */
export type Program = 'test' | 'sample';

/** A kit for game servers, and what it takes to try it. */
export interface Kit {
  /** Its folder in kits/. */
  name: string;
  /** What its code blocks are called on the page about the kits. */
  language: string;
  /** The file that a studio copies; its first lines show how the kit is used. */
  file: string;
  /** Where its sample server is. */
  sample: string;
  /** The programs that have to be on the PATH. */
  tools: string[];
  /** How to have them. */
  hint: string;
  /** Builds a program, with what it writes in this folder, and answers the command that runs it. */
  build: (program: Program, folder: string) => Promise<string[]>;
}

/** Nothing is downloaded. Go keeps what it has compiled where it always does, or else here, because that takes a minute. */
const GO_ENV = {
  ...(process.env['HOME'] ? {} : { GOCACHE: path.join(cacheDir, 'go') }),
  ...{ GOFLAGS: '-mod=mod', GOPROXY: 'off', GOTOOLCHAIN: 'local' },
};

export const KITS: Kit[] = [
  {
    name: 'node',
    language: 'ts',
    file: 'gameye.ts',
    sample: 'sample.ts',
    tools: ['node'],
    hint: 'install Node 20 or newer',
    build: async (program, folder) => {
      const outfile = path.join(folder, `${program}.mjs`);
      const entryPoints = [path.join(folderOf('node'), `${program}.ts`)];
      await bundle({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm', target: 'node20' });
      return [process.execPath, outfile];
    },
  },
  {
    name: 'go',
    language: 'go',
    file: 'gameye.go',
    sample: 'sample/main.go',
    tools: ['go'],
    hint: 'install Go 1.21 or newer from https://go.dev/dl',
    build: async (program, folder) => {
      const file = path.join(folder, program);
      const args = program === 'test' ? ['test', '-c', '-o', file, '.'] : ['build', '-o', file, './sample'];
      await run('go', args, { cwd: folderOf('go'), env: { ...process.env, ...GO_ENV } });
      return program === 'test' ? [file, '-test.v'] : [file];
    },
  },
  {
    name: 'cpp',
    language: 'cpp',
    file: 'gameye.hpp',
    sample: 'sample.cpp',
    tools: ['g++'],
    hint: 'install a C++17 compiler that is called g++',
    build: async (program, folder) => {
      const file = path.join(folder, program);
      const strict = ['-std=c++17', '-Wall', '-Wextra', '-Wpedantic', '-Werror', '-fno-exceptions', '-fno-rtti'];
      await run('g++', [...strict, '-pthread', '-o', file, `${program}.cpp`], { cwd: folderOf('cpp') });
      return [file];
    },
  },
  {
    name: 'csharp',
    language: 'csharp',
    file: 'GameyeServer.cs',
    sample: 'sample.cs',
    tools: ['mcs', 'mono'],
    hint: 'install Mono, on Debian the packages mono-mcs, mono-runtime, libmono-system-core4.0-cil and libmono-system-net-http4.0-cil',
    build: async (program, folder) => {
      const file = path.join(folder, `${program}.exe`);
      const files = ['GameyeJson.cs', 'GameyeServer.cs', `${program}.cs`];
      await run('mcs', ['-langversion:7', '-warnaserror', `-out:${file}`, ...files], { cwd: folderOf('csharp') });
      // Mono cannot ignore the SIGTERM that comes while it says that it ends; a shell can, and hands that on.
      return ['/bin/sh', '-c', `trap '' TERM; exec mono '${file}' "$@"`, 'sh'];
    },
  },
  {
    name: 'godot',
    language: 'gdscript',
    file: 'gameye_server.gd',
    sample: 'sample.gd',
    tools: ['godot'],
    hint: 'install Godot 4.2 or newer from https://godotengine.org and call it godot',
    build: async (program) => {
      const script = path.join(folderOf('godot'), `${program}.gd`);
      const folder = program === 'test' ? [path.join(projectRoot, 'kits/vectors')] : [];
      return ['godot', '--headless', '--script', script, '--', ...folder];
    },
  },
];

export function folderOf(kit: string): string {
  return path.join(projectRoot, 'kits', kit);
}

/** The programs that a kit needs and this machine has not. */
export function missingTools({ tools }: Kit): string[] {
  const folders = (process.env['PATH'] ?? '').split(path.delimiter);
  return tools.filter((tool) => !folders.some((folder) => isExecutable(path.join(folder || '.', tool))));
}

/** What the title of a test says, because nothing else is shown of one that is skipped. */
export function skippedBecause(kit: Kit): string {
  const missing = missingTools(kit);
  return missing.length === 0 ? '' : ` (skipped, because ${missing.join(' and ')} is not on the PATH: ${kit.hint})`;
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false; // Not there, or not ours to run: the next folder of the PATH is tried.
  }
}
