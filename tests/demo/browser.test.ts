import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { startBrowser } from '../../dev/stack/browser.ts';

/** A program that is no browser: a shell script, in a folder of its own. */
async function program(name: string, script: string): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'gameye-browser-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const file = path.join(folder, name);
  await writeFile(file, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return file;
}

describe.skipIf(process.platform === 'win32')('a program that is called like a browser', () => {
  afterEach(() => vi.unstubAllEnvs());

  it('is passed over when it loads no page in time', async () => {
    const file = await program('chromium', 'exec sleep 60');
    vi.stubEnv('CHROME_BIN', '');
    vi.stubEnv('PATH', `${path.dirname(file)}${path.delimiter}/bin`);
    const since = Date.now();
    const started = await startBrowser(1_500);
    await started?.browser.close();
    expect(started?.from).not.toBe(file);
    expect(Date.now() - since).toBeLessThan(50_000);
  });

  it('is an error when CHROME_BIN names it', async () => {
    vi.stubEnv('CHROME_BIN', await program('broken', 'echo "no such library" >&2; exit 127'));
    await expect(startBrowser()).rejects.toThrow(/^CHROME_BIN .*broken.* loads no page: /);
  });
});
