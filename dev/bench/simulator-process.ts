import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startChild } from '../stack/child.ts';
import { cacheDir, projectRoot } from '../stack/paths.ts';
import { until } from '../stack/until.ts';
import { BENCH_REGIONS } from './servers.ts';
import type { RequestLogEntry } from '../gameye/request-log.ts';

/** The simulator in a process of its own, so that its work does not delay the players that are measured here. */
export interface SimulatorProcess {
  url: string;
  requests(): Promise<RequestLogEntry[]>;
  stop(): Promise<void>;
}

/** Starts the simulator with sessions that are no processes: what is measured is Nakama and the module. */
export async function startSimulatorProcess(startMs: number): Promise<SimulatorProcess> {
  const config = path.join(cacheDir, 'bench', 'simulator.json');
  await mkdir(path.dirname(config), { recursive: true });
  const images = { 'demo-game': { command: [], ports: ['7777/udp'], tags: ['latest'] } };
  await writeFile(
    config,
    JSON.stringify({
      images,
      regions: Object.fromEntries(BENCH_REGIONS.map((region) => [region, { capacity: 100_000 }])),
      startMs,
    }),
  );
  const lines: string[] = [];
  const child = await startChild({
    command: process.execPath,
    args: ['--import', 'tsx', path.join(projectRoot, 'dev/gameye/main.ts'), '--config', config],
    cwd: projectRoot,
    env: { PATH: process.env['PATH'] ?? '' },
    onLine: (line) => void lines.push(line),
  });
  const url = await until(
    () => lines.map((line) => /http:\/\/127\.0\.0\.1:\d+/.exec(line)?.[0]).find((found) => found !== undefined),
    30_000,
    'the address of the simulator',
  );
  return {
    url,
    requests: async () => {
      const answer = await fetch(`${url}/_sim/requests`);
      return ((await answer.json()) as { requests: RequestLogEntry[] }).requests;
    },
    stop: async () => void (await child.stop(10_000)),
  };
}
