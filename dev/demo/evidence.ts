import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Simulator } from '../gameye/simulator.ts';
import { cacheDir } from '../stack/paths.ts';
import { API_TOKEN, type Stack } from '../stack/stack.ts';

/** What one game server has printed so far, also after its end. */
export async function serverLog(simulator: Pick<Simulator, 'url'>, sessionId: string): Promise<string> {
  const headers = { authorization: `Bearer ${API_TOKEN}` };
  const response = await fetch(`${simulator.url}/logs?id=${encodeURIComponent(sessionId)}&follow=false`, { headers });
  return response.ok ? response.text() : '';
}

/** What every game server has printed, by session id. */
export async function serverLogsOf({ simulator }: Stack): Promise<Map<string, string>> {
  const ids = simulator.ledger.entries.map((entry) => entry.id);
  return new Map(await Promise.all(ids.map(async (id) => [id, await serverLog(simulator, id)] as const)));
}

/** Writes what a person needs to find out why a demo failed, and answers the folder. */
export async function saveEvidence(stack: Stack): Promise<string> {
  const folder = path.join(cacheDir, 'demo');
  await mkdir(folder, { recursive: true });
  const { ledger } = stack.simulator;
  const files: Record<string, string> = {
    'sessions.json': JSON.stringify(ledger.entries, null, 2),
    'requests.json': JSON.stringify(stack.simulator.requests(), null, 2),
  };
  for (const node of stack.nodes) files[`nakama-${node.name}.log`] = `${node.logText()}\n`;
  for (const [id, text] of await serverLogsOf(stack)) files[`game-server-${id}.log`] = text;
  await Promise.all(Object.entries(files).map(([name, text]) => writeFile(path.join(folder, name), text)));
  return path.relative(process.cwd(), folder);
}
