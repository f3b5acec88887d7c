import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readFileSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { cacheDir, projectRoot } from './paths.ts';

/** A program that may be a browser of Chromium's family; whether it works, nobody has tried. */
export interface BrowserProgram {
  binary: string;
  /** Where it comes from, for messages. */
  from: string;
  /** What its process needs in its environment. */
  env: Record<string, string>;
  /** Somebody asked for this one and no other. */
  isDemanded: boolean;
}

const run = promisify(execFile);

const NAMES = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome', 'msedge'];
const PLACES = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  'C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe',
];
/** Its binary is Linux on x64 only; there it needs nothing of the machine but glibc. */
const PACKAGE = path.join(projectRoot, 'node_modules', '@sparticuz', 'chromium');

/** CHROME_BIN alone when it is set; else those of the machine, then the one that `npm ci` installs. */
export async function* browserCandidates(): AsyncGenerator<BrowserProgram> {
  const named = process.env['CHROME_BIN'];
  if (named) return yield { binary: named, from: `CHROME_BIN (${named})`, env: {}, isDemanded: true };
  const folders = (process.env['PATH'] ?? '').split(path.delimiter).filter((folder) => folder !== '');
  const places = [...folders.flatMap((folder) => NAMES.map((name) => path.join(folder, name))), ...PLACES];
  for (const binary of places.filter(isProgram)) yield { binary, from: binary, env: {}, isDemanded: false };
  const ours = await unpacked().catch(() => undefined);
  if (ours) yield ours;
}

/** The package's browser, unpacked into the cache when that has not been done yet. */
async function unpacked(): Promise<BrowserProgram | undefined> {
  if (process.platform !== 'linux' || process.arch !== 'x64' || !existsSync(PACKAGE)) return undefined;
  const { version } = JSON.parse(readFileSync(path.join(PACKAGE, 'package.json'), 'utf8')) as { version: string };
  const folder = path.join(cacheDir, `chromium-${version}`);
  if (!existsSync(folder)) await unpack(folder);
  const env = { LD_LIBRARY_PATH: path.join(folder, 'al2023', 'lib'), FONTCONFIG_PATH: path.join(folder, 'fonts') };
  return { binary: path.join(folder, 'chromium'), from: 'npm ci', env, isDemanded: false };
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
