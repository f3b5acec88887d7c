import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheDir, projectRoot } from './paths.ts';

/** A browser that speaks the Chrome DevTools Protocol, and what its process needs in its environment. */
export interface Chromium {
  binary: string;
  /** Where it comes from, for messages. */
  from: string;
  env: Record<string, string>;
}

const run = promisify(execFile);

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome', 'msedge'];
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
/** Its binary is Linux on x64 only; there it needs nothing else on the machine. */
const PACKAGE = path.join(projectRoot, 'node_modules', '@sparticuz', 'chromium');

/** What to do when there is no browser. */
export const HOW_TO_GET_ONE =
  'Install Chromium or Chrome, or set CHROME_BIN=/path/to/one. On Linux x64 one comes with npm ci.';

/** CHROME_BIN, else the one that `npm ci` installs, else one of the machine; undefined when there is none. */
export async function findChromium(): Promise<Chromium | undefined> {
  const named = process.env['CHROME_BIN'];
  if (named) {
    if (!isProgram(named)) throw new Error(`CHROME_BIN is no program: ${named}`);
    return { binary: named, from: 'CHROME_BIN', env: {} };
  }
  if (process.platform === 'linux' && process.arch === 'x64' && existsSync(PACKAGE)) {
    const ours = await unpacked();
    // Not where the C library is another one, as in Alpine Linux.
    if (await run(ours.binary, ['--version'], { env: ours.env }).then(Boolean, () => false)) return ours;
  }
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const candidates = [...folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name))), ...PLACES];
  const binary = candidates.find(isProgram);
  return binary === undefined ? undefined : { binary, from: 'this machine', env: {} };
}

/** The package's browser, unpacked into the cache when that has not been done yet. */
async function unpacked(): Promise<Chromium> {
  const { version } = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8')) as { version: string };
  const folder = path.join(cacheDir, `chromium-${version}`);
  if (!existsSync(folder)) await unpack(folder);
  const env = { LD_LIBRARY_PATH: path.join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: path.join(folder, 'fonts') };
  return { binary: path.join(folder, 'chromium'), from: 'npm ci', env };
}

/**
 * The package unpacks into the folder for temporary files, for its whole process, and its shared libraries only where it
 * takes the machine for a serverless one. Complete or not at all: several may do this at once, or be interrupted.
 */
async function unpack(folder: string): Promise<void> {
  const temporary = `${folder}.${process.pid}`;
  await mkdir(temporary, { recursive: true });
  const script = `import('@sparticuz/chromium').then((it) => it.default.executablePath())`;
  const env = { ...process.env, TMPDIR: temporary, AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs20.x' };
  await run(process.execPath, ['-e', script], { cwd: projectRoot, env });
  await rename(temporary, folder).catch(async (error: unknown) => {
    await rm(temporary, { recursive: true, force: true });
    if (!existsSync(folder)) throw error;
  });
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
