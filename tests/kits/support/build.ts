import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { onTestFinished } from 'vitest';
import type { Kit, Program } from './kits.ts';

/** Builds a kit's program in a folder that goes with the test, and answers the command that runs it. */
export async function buildForTest(kit: Kit, program: Program): Promise<string[]> {
  const folder = await mkdtemp(path.join(tmpdir(), `kit-${kit.name}-`));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return kit.build(program, folder);
}
