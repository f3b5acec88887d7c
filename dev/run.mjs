/*
 * What `npm start`, `npm test` and the other scripts run: installs the packages when they are missing or out of date,
 * builds the module, then runs the task. Node's own modules only, because nothing may be installed yet.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const [task = '', ...args] = process.argv.slice(2);
const typescript = (file, ...more) => [process.execPath, ['--import', 'tsx', file, ...more, ...args]];
const tasks = {
  demo: { build: true, command: typescript('dev/demo/main.ts') },
  dev: { build: true, command: typescript('dev/demo/dev.ts') },
  gameye: { build: false, command: typescript('dev/gameye/main.ts') },
  chaos: { build: true, command: typescript('dev/chaos/main.ts') },
  bench: { build: true, command: typescript('dev/bench/main.ts') },
  test: { build: false, command: typescript('dev/test.ts') },
  'test:all': { build: false, command: typescript('dev/test.ts', '--all') },
  'release:check': { build: true, command: typescript('dev/release-check.ts') },
  build: { build: true },
};

const chosen = tasks[task];
if (!chosen) fail(`Unknown task "${task}". There are: ${Object.keys(tasks).join(', ')}.`);
const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19))
  fail(`Node ${process.versions.node} is too old: install 20.19 or newer.`);
install();
if (chosen.build) build();
if (chosen.command) run(...chosen.command);

function install() {
  const lock = createHash('sha256')
    .update(readFileSync(path.join(root, 'package-lock.json')))
    .digest('hex');
  const packages = path.join(root, 'node_modules');
  // A link leads to another checkout's packages, which `npm ci` would delete.
  if (lstatSync(packages, { throwIfNoEntry: false })?.isSymbolicLink()) return;
  const stamp = path.join(packages, '.installed-lock');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return;
  console.error('Installing packages (only when package-lock.json changed) …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const result = spawnSync(npm, ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (result.status !== 0) fail('npm ci failed: see above. Check the network or the registry settings of npm.');
  writeFileSync(stamp, lock);
}

function build() {
  const rollup = path.join(root, 'node_modules', 'rollup', 'dist', 'bin', 'rollup');
  // Only other modules need the library, so nothing else waits for it.
  const configs = ['build', 'release:check'].includes(task)
    ? ['rollup.config.mjs', 'rollup.library.config.mjs']
    : ['rollup.config.mjs'];
  for (const config of configs) {
    const result = spawnSync(process.execPath, [rollup, '-c', config, '--silent'], {
      cwd: root,
      stdio: ['ignore', 2, 2],
    });
    if (result.status !== 0) fail('The module does not build: see above.');
  }
  if (task !== 'build') return;
  console.log('Built build/index.js. Copy it into the modules folder of Nakama (data/modules).');
  console.log('Built dist/nakama-gameye.js, which modules of your own can import.');
}

// The child gets the terminal's signals by itself; passing ours on serves `kill` of this process.
function run(program, programArgs) {
  const child = spawn(program, programArgs, { cwd: root, stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
  child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)));
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
