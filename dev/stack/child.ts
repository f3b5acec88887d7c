import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';

/** How a program ended: an exit code, or the signal that ended it. */
export interface ExitInfo {
  code: number | null;
  signal: NodeJS.Signals | null;
}

export interface ChildOptions {
  command: string;
  args: string[];
  cwd: string;
  /** The whole environment: nothing is inherited beside it. */
  env: Record<string, string>;
  /** Called for every line on stdout and stderr, without the line end. */
  onLine: (line: string) => void;
}

/** A program that never outlives this process, however this process ends. */
export interface Child {
  pid: number;
  /** Resolves when the program has ended and its last line was read. */
  exited: Promise<ExitInfo>;
  isRunning(): boolean;
  /** SIGTERM, and SIGKILL when it has not ended after `deadlineMs`. */
  stop(deadlineMs: number): Promise<ExitInfo>;
  /** SIGKILL at once. */
  kill(): Promise<ExitInfo>;
}

const running = new Set<number>();
let hooked = false;

/** Starts a program in a process group of its own (a Ctrl-C in the terminal reaches only us, and we end it in order). */
export async function startChild(options: ChildOptions): Promise<Child> {
  const { command, args, cwd, env } = options;
  const child = spawn(command, args, { cwd, env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = new Promise<ExitInfo>((resolve) => {
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  readLines(child, options.onLine);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(new Error(`cannot start ${command}: ${error.message}`)));
  });
  const pid = child.pid as number;
  endWithParent(pid, child);
  const kill = (): Promise<ExitInfo> => {
    signalGroup(pid, 'SIGKILL');
    return ended;
  };
  return {
    pid,
    exited: ended,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill,
    async stop(deadlineMs) {
      signalGroup(pid, 'SIGTERM');
      const timer = setTimeout(() => signalGroup(pid, 'SIGKILL'), deadlineMs);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
  };
}

function readLines(child: ChildProcess, onLine: (line: string) => void): void {
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream, crlfDelay: Infinity }).on('line', onLine);
  }
}

/**
 * An exit hook is not enough: a test runner may kill its workers with SIGKILL. So a shell waits for the end of a pipe
 * that only this process holds open, and ends the program then.
 */
function endWithParent(pid: number, child: ChildProcess): void {
  running.add(pid);
  if (!hooked) {
    hooked = true;
    process.on('exit', () => running.forEach((id) => signalGroup(id, 'SIGKILL')));
  }
  const forget = (): void => void running.delete(pid);
  if (process.platform === 'win32') {
    child.once('exit', forget);
    return;
  }
  const script = 'trap "" INT TERM HUP; read _; kill -s KILL -- "-$1" 2>/dev/null';
  const guard = spawn('sh', ['-c', script, 'guard', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.on('error', () => {}); // No shell: the exit hook is what is left.
  guard.unref();
  (guard.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  child.once('exit', () => {
    forget();
    guard.kill('SIGKILL');
  });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  if (!running.has(pid)) return; // Its id may belong to somebody else by now.
  try {
    process.kill(process.platform === 'win32' ? pid : -pid, signal);
  } catch {
    // It ended a moment ago; that is what was wanted.
  }
}
