import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { kits } from '../project/readme.ts';
import { buildForTest } from './support/build.ts';
import { callVectors } from './support/call-vectors.ts';
import { folderOf, KITS, missingTools, skippedBecause } from './support/kits.ts';
import { tokenVectors } from './support/token-vectors.ts';

const run = promisify(execFile);
const { requests, answers, repetitions } = callVectors();
const every = [tokenVectors(), requests, answers, repetitions].reduce((sum, list) => sum + list.length, 0);
/** A compiler that was never here compiles its standard library first. */
const TIMEOUT_MS = 300_000;

describe.each(KITS)('the kit for $name', (kit) => {
  const isMissing = missingTools(kit).length > 0;
  const read = (file: string): string => readFileSync(path.join(folderOf(kit.name), file), 'utf8');

  it('is shown as its sample server uses it, on the page and in its first lines', () => {
    const shown = kits.blocks.filter(({ language }) => language === kit.language);
    expect(shown).toHaveLength(1);
    const lines = (shown[0]?.text ?? '').split('\n').map((line) => line.trim());
    for (const line of lines) expect(read(kit.file).includes(line), `${kit.file}: ${line}`).toBe(true);
    // The sample says of most calls how they went, so a line of it goes on where one of the page ends.
    const code = lines.filter((line) => !/^(\/\/|#)/.test(line)).map((line) => line.replace(/[);]+$/, ''));
    for (const line of code) expect(read(kit.sample).includes(line), `${kit.sample}: ${line}`).toBe(true);
  });

  it.skipIf(isMissing)(`agrees with every vector${skippedBecause(kit)}`, { timeout: TIMEOUT_MS }, async () => {
    const [file = '', ...args] = await buildForTest(kit, 'test');
    const { stdout, stderr } = await run(file, args, { cwd: folderOf(kit.name) });
    expect(stderr).toBe('');
    expect(stdout).toContain(`${every} vectors`);
  });

  it.skipIf(isMissing)(`has a sample server that can be built${skippedBecause(kit)}`, { timeout: TIMEOUT_MS }, () =>
    expect(buildForTest(kit, 'sample')).resolves.not.toEqual([]),
  );
});
