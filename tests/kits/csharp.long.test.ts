import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it, onTestFinished } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { useStack } from '../helpers/stack.ts';
import { folderOf, KITS, missingTools, skippedBecause } from './support/kits.ts';

const run = promisify(execFile);
const csharp = KITS.find(({ name }) => name === 'csharp')!;
const isMissing = missingTools(csharp).length > 0;
/** Mono compiles while other tests keep the machine busy. */
const TIMEOUT_MS = 120_000;

/** Compiles files of kits/csharp, and answers the program. */
async function compile(files: string[], ...options: string[]): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'csharp-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const program = path.join(folder, 'program.exe');
  const args = ['-langversion:7', '-warnaserror', ...options, `-out:${program}`, ...files];
  await run('mcs', args, { cwd: folderOf('csharp') });
  return program;
}

describe('the client helper in C#', () => {
  it.skipIf(isMissing)(
    `finds every match that the one in TypeScript finds${skippedBecause(csharp)}`,
    { timeout: TIMEOUT_MS },
    async () => {
      const program = await compile(['GameyeJson.cs', 'GameyeClient.cs', 'client-test.cs']);
      const { stdout, stderr } = await run('mono', [program]);
      expect(stderr).toBe('');
      expect(stdout).toMatch(/^\d+ checks\n$/);
    },
  );
});

describe('the Cloud Code module for Unity', () => {
  const stack = useStack({ kind: 'embedded' }, { leavesSessions: 'Unity ends its matches, not the module' });

  it.skipIf(isMissing)(`gets a match of Unity a server${skippedBecause(csharp)}`, { timeout: TIMEOUT_MS }, async () => {
    const stubs = path.join(projectRoot, 'tests/kits/support/UnityStubs.cs');
    const program = await compile(['GameyeJson.cs', 'GameyeAllocator.cs', stubs], '-r:System.Net.Http.dll');
    const { nakama, simulator } = stack();
    const matchId = randomUUID();
    const { stdout } = await run('mono', [program, nakama.url, nakama.httpKey, matchId, 'eu-west-1']);
    expect(stdout).toMatch(/^Created \n(Pending\n)*Allocated 127\.0\.0\.1:\d+\n$/);
    expect(simulator.ledger.entries.filter(({ labels }) => labels['match_id'] === matchId)).toHaveLength(1);

    const silent = await run('mono', [program, 'http://127.0.0.1:1', 'a-key', matchId, 'eu-west-1', 'once']);
    expect(silent.stdout).toBe('Error Nakama does not answer.\nPending\nPending :\n');
    expect(silent.stderr).not.toContain('a-key');
    const refused = await run('mono', [program, nakama.url, 'a-wrong-key', matchId, 'eu-west-1', 'once']);
    expect(refused.stdout).toMatch(/^Error .+\nError .+\n$/);
  });
});
