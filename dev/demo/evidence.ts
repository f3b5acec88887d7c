import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { cacheDir } from '../stack/paths.ts';
import { API_TOKEN, type Stack } from '../stack/stack.ts';

/** What every game server has printed, by session id. */
export async function serverLogsOf(stack: Stack): Promise<Map<string, string>> {
  const logs = new Map<string, string>();
  for (const { id } of stack.simulator.ledger.entries) {
    const headers = { authorization: `Bearer ${API_TOKEN}` };
    const response = await fetch(`${stack.simulator.url}/logs?id=${encodeURIComponent(id)}&follow=false`, { headers });
    logs.set(id, await response.text());
  }
  return logs;
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
