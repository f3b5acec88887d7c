import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { babel } from '@rollup/plugin-babel';
import { nodeResolve } from '@rollup/plugin-node-resolve';
import * as esbuild from 'esbuild';
import { rollup, type Plugin } from 'rollup';
import webpack from 'webpack';
import { cacheDir, projectRoot } from '../../../dev/stack/paths.ts';

/** A studio's project, in which our package is installed. */
const project = path.join(cacheDir, 'studio');
const library = path.join(project, 'node_modules', 'nakama-gameye');

const IMPORTED = ['initializeGameye', 'fleetManager', 'configure', 'gameyeMatchmakerMatched', 'rpcFleetCreate'];
const MATCH = ['Init', 'JoinAttempt', 'Join', 'Leave', 'Loop', 'Terminate', 'Signal'];

const CONFIGURE = `
configure({
  callbacks: { noted: noteEnd },
  onMatched() { return { metadata: { made: 'by the studio' } }; },
});
function noteEnd(_ctx: Ctx, _logger: Log, nk: Nk, result: Result): void {
  nk.localcachePut('studio_' + result.id, result.status);
}`;

/** The studio's own RPC uses what old targets need helpers for. */
const MODULE = `
function rpcStudio(ctx: Ctx, logger: Log, nk: Nk, payload: string): string {
  const { id, ...others } = JSON.parse(payload) as { id: string };
  const instance = fleetManager(ctx, logger, nk).get(id);
  const noted = nk.localcacheGet('studio_' + id);
  return JSON.stringify({ ...instance, others, noted: typeof noted === 'object' ? '' : noted });
}
function InitModule(ctx: Ctx, logger: Log, nk: Nk, initializer: Init): void {
  initializer.registerRpc('studio', rpcStudio);
  initializer.registerRpc('fleet_create', rpcFleetCreate);
  initializer.registerMatchmakerMatched(gameyeMatchmakerMatched);
  initializer.registerMatch('gameye_allocator', {
${MATCH.map((name) => `    match${name}: allocator${name},`).join('\n')}
  });
  initializeGameye(ctx, logger, nk, initializer);
}
!InitModule && InitModule.bind(null);
`;

const TYPES = Object.entries({
  Ctx: 'Context',
  Log: 'Logger',
  Nk: 'Nakama',
  Init: 'Initializer',
  Result: 'CallbackResult',
})
  .map(([name, type]) => `type ${name} = import('nakama-gameye').${type};\n`)
  .join('');

type Build = (entry: string, out: string) => Promise<unknown>;

/** Every way to one file that the page names, set as the page says. @see docs/library.md */
export const BUNDLERS: { [name: string]: Build } = {
  rollup: (entry, out) => withRollup(entry, out, []),
  // As Heroic Labs' documentation has it: everything becomes ES5.
  'rollup and babel preset-env': (entry, out) =>
    withRollup(entry, out, [
      babel({
        babelHelpers: 'bundled',
        extensions: ['.js', '.ts'],
        presets: ['@babel/env'],
        configFile: false,
        compact: false,
        cwd: projectRoot,
      }),
    ]),
  esbuild: (entry, out) =>
    esbuild.build({ entryPoints: [entry], outfile: out, bundle: true, format: 'esm', target: 'es2020' }),
  webpack: withWebpack,
  'tsc --outFile': withCompiler,
};

export interface Built {
  bundler: string;
  configured: boolean;
  /** The bundler, and whether configure() is called. */
  how: string;
  file: string;
}

/** What buildAll() makes. */
export const BUILDS: Built[] = Object.keys(BUNDLERS).flatMap((bundler) =>
  [true, false].map((configured) => {
    const name = `${bundler.replace(/\W+/g, '-')}${configured ? '' : '-plain'}`;
    return {
      bundler,
      configured,
      how: `${bundler}${configured ? '' : ', without configure()'}`,
      file: path.join(project, 'build', `${name}.js`),
    };
  }),
);

/** Builds the studio's module with each bundler, with `configure()` and without. */
export async function buildAll(): Promise<void> {
  await rm(project, { recursive: true, force: true });
  await mkdir(path.join(project, 'build'), { recursive: true });
  await install();
  await Promise.all(
    BUILDS.map(async ({ bundler, configured, file }) => {
      const isScript = bundler === 'tsc --outFile';
      const names = [...IMPORTED, ...MATCH.map((name) => `allocator${name}`)].join(', ');
      const typed = `${TYPES}${configured ? CONFIGURE : ''}${MODULE}`;
      const text = isScript ? typed : `import { ${names} } from 'nakama-gameye';\n${typed}`;
      const entry = path.join(project, path.basename(file, '.js') + '.ts');
      await writeFile(entry, text);
      await BUNDLERS[bundler]!(entry, file);
    }),
  );
}

/** Packs this project as a release is packed, and installs that without a network. */
async function install(): Promise<void> {
  const npm = (args: string[], cwd: string) => promisify(execFile)('npm', args, { cwd, encoding: 'utf8' });
  const { stdout } = await npm(['pack', '--json', '--ignore-scripts', '--pack-destination', project], projectRoot);
  const [packed] = JSON.parse(stdout) as { filename: string }[];
  await writeFile(path.join(project, 'package.json'), '{"private":true}');
  await npm(['install', '--offline', '--no-audit', '--no-fund', `./${packed?.filename}`], project);
}

/** Rollup and webpack take JavaScript; types are taken away as TypeScript's own plugins do it. */
const withoutTypes: Plugin = {
  name: 'without-types',
  transform: async (code, id) => (id.endsWith('.ts') ? (await stripped(code)).code : null),
};
const stripped = (code: string) => esbuild.transform(code, { loader: 'ts', target: 'es2020' });

async function withRollup(entry: string, out: string, more: Plugin[]): Promise<void> {
  const bundle = await rollup({ input: entry, plugins: [nodeResolve(), withoutTypes, ...more] });
  await bundle.write({ file: out });
  await bundle.close();
}

async function withWebpack(entry: string, out: string): Promise<void> {
  const script = entry.replace(/\.ts$/, '.webpack.js');
  await writeFile(script, (await stripped(await readFile(entry, 'utf8'))).code);
  const settings: webpack.Configuration = {
    mode: 'production',
    entry: script,
    target: ['web', 'es2020'],
    output: { path: path.dirname(out), filename: path.basename(out), iife: false },
    optimization: { minimize: false },
  };
  const problems = await new Promise<string[]>((resolve) =>
    webpack(settings, (error, stats) => {
      const found = stats?.toJson({ all: false, errors: true }).errors ?? [];
      resolve(error ? [error.message] : found.map(({ message }) => message));
    }),
  );
  if (problems.length > 0) throw new Error(`webpack: ${problems.join('; ')}`);
}

async function withCompiler(entry: string, out: string): Promise<void> {
  const own = out.replace(/\.js$/, '.own.js');
  const tsconfig = entry.replace(/\.ts$/, '.tsconfig.json');
  const compilerOptions = { target: 'ES2020', lib: ['ES2020'], types: [], outFile: own, ignoreDeprecations: '6.0' };
  const files = [path.join(library, 'dist', 'script.d.ts'), entry];
  await writeFile(tsconfig, JSON.stringify({ compilerOptions: { ...compilerOptions, strict: true }, files }));
  const compiler = path.join(projectRoot, 'node_modules', 'typescript', 'bin', 'tsc');
  await promisify(execFile)(process.execPath, [compiler, '-p', tsconfig]).catch((error: { stdout: string }) => {
    throw new Error(`tsc: ${error.stdout}`);
  });
  const script = await readFile(path.join(library, 'dist', 'script.js'), 'utf8');
  await writeFile(out, script + (await readFile(own, 'utf8')));
}
