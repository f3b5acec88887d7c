import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDir } from '../stack/paths.ts';
import type { LogEntry } from '../stack/log.ts';

const HOOK = 'gameyeMatchmakerMatched';
const MESSAGE = 'bench: hook';

/** When the matchmaker hook ran for a group, and how long it kept the matchmaker waiting (whole milliseconds). */
export interface HookRun {
  userIds: string[];
  atMs: number;
  tookMs: number;
}

/**
 * Writes a copy of the module, as `<name>.js` into the cache of the bench, whose hook logs its own duration. Nothing else is
 * changed. Answers that file.
 */
export async function withHookProbe(moduleFile: string, name: string): Promise<string> {
  const code = await readFile(moduleFile, 'utf8');
  const declaration = `function ${HOOK}(`;
  if (code.split(declaration).length !== 2) throw new Error(`${moduleFile} does not declare ${HOOK} exactly once`);
  const probe = `
function ${HOOK}(ctx, logger, nk, entries) {
  var at = Date.now();
  measuredHook(ctx, logger, nk, entries);
  var took = Date.now() - at;
  var users = entries.map(function (entry) { return entry.presence.userId; }).join(',');
  logger.withFields({ users: users, at: String(at), took: String(took) }).info('${MESSAGE}');
}
`;
  const file = path.join(cacheDir, 'bench', `${name}.js`);
  await mkdir(path.dirname(file), { recursive: true });
  await writeFile(file, code.replace(declaration, 'function measuredHook(') + probe);
  return file;
}

/** The probe's lines in a node's log. */
export function hookRuns(logs: LogEntry[]): HookRun[] {
  return logs
    .filter((entry) => entry.msg === MESSAGE)
    .map((entry) => ({
      userIds: String(entry['users']).split(','),
      atMs: Number(entry['at']),
      tookMs: Number(entry['took']),
    }));
}
