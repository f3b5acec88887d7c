import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
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
