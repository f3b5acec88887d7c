import { describe, expect, it } from 'vitest';
import { startChild } from '../../dev/stack/child.ts';
import { projectRoot } from '../../dev/stack/paths.ts';
import { describeRuntime, type NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { allRuntimes } from '../helpers/runtimes.ts';

/** Runs what `npm start` runs, in an environment without any variable that it does not need. */
async function runDemo(runtime: NakamaRuntime): Promise<{ code: number | null; lines: string[] }> {
  const lines: string[] = [];
  const flags = runtime.kind === 'embedded' ? ['--embedded'] : [];
  const env: Record<string, string> = { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '/' };
  if (runtime.kind === 'real') env['NAKAMA_BIN'] = runtime.binary;
  const child = await startChild({
    command: process.execPath,
    args: ['--import', 'tsx', 'dev/demo/main.ts', ...flags],
    cwd: projectRoot,
    env,
    onLine: (line) => void lines.push(line),
  });
  const { code } = await child.exited;
  return { code, lines };
}

describe('npm start', () => {
  for (const runtime of allRuntimes()) {
    it(`plays three matches and a room to their end on ${describeRuntime(runtime)}`, { timeout: 120_000 }, async () => {
      const { code, lines } = await runDemo(runtime);
      const text = lines.join('\n');
      expect(lines.at(-1), text).toMatch(
        /^OK: 3 matches, 1 room, 13 players, 4 sessions started and ended, none doubled, 2 players seated in a running game, 1 party kept whole, 1 player back after a lost connection, scores on the leaderboard, \d{3,} packets exchanged\.$/,
      );
      expect(code, text).toBe(0);
      expect(text).toContain(describeRuntime(runtime));
      expect(text).toMatch(/finn and gus as a party, hana, ivo queue for mode arena/);
      expect(text).toMatch(/us-east-1, is full.*[^]*duel .*session \w+ in eu-west-1/);
      expect(text).toMatch(/jo asks for a game alone and is seated in the running game/);
      expect(text).toMatch(/kai picks a game from the list and is seated in the running game/);
      expect(text).toMatch(
        /lou makes a room.*[^]*max types the code.*[^]*the seat is held[^]*max came back to the same game/,
      );
      expect(text).toMatch(/mallory, who has no seat.*is turned away/);
      expect(text.includes('\x1b'), 'no colours where there is no terminal').toBe(false);
    });
  }
});
