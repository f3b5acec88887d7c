import { readFile } from 'node:fs/promises';

/** Of Linux on every machine that Node runs on: what /proc/<pid>/stat counts in. */
const TICKS_PER_SECOND = 100;

/** Processor time that a process has used so far, all its threads together, in milliseconds. Linux only. */
export async function processorMs(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  // The name of the program, in brackets, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  return ((user + system) * 1000) / TICKS_PER_SECOND;
}

/** Processor time of the whole machine that somebody has used so far, in milliseconds over all cores. Linux only. */
export async function machineMs(): Promise<number> {
  const [line = ''] = (await readFile('/proc/stat', 'utf8')).split('\n');
  const [user, nice, system, , , irq, softirq, steal] = line.trim().split(/\s+/).slice(1).map(Number) as number[];
  return (([user, nice, system, irq, softirq, steal] as number[]).reduce((a, b) => a + b) * 1000) / TICKS_PER_SECOND;
}

/** Memory of a process in MB: now, and the most that it ever had. Linux only. */
export async function memoryMb(pid: number): Promise<{ now: number; most: number }> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const mb = (field: string): number => Number(new RegExp(`${field}:\\s+(\\d+) kB`).exec(status)?.[1]) / 1024;
  return { now: mb('VmRSS'), most: mb('VmHWM') };
}
