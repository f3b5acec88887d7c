import { spawn } from 'node:child_process';
import { constants } from 'node:os';
import { delimiter, dirname } from 'node:path';
import type { Guard } from './guard.ts';
import type { Output } from './output.ts';

export interface Launch {
  command: readonly string[];
  /** The container's environment; nothing of the simulator's own is added but PATH. */
  env: Readonly<Record<string, string>>;
  /** Becomes HOME and TMPDIR: what the game server writes there can be fetched as an artifact. */
  workFolder: string;
  output: Output;
  guard: Guard;
}

export interface Exit {
  /** As a shell reports it: 128 + number of the signal when one ended the process. */
  code: number;
  signal: NodeJS.Signals | null;
}

/** A game server: a real process, the leader of a process group of its own. */
export class GameProcess {
  private constructor(
    readonly pid: number,
    /** Settles when the process is gone; whatever it left behind in its group has been killed by then. */
    readonly exited: Promise<Exit>,
    /** Settles when all it wrote has been read, which may be a moment after its exit. */
    readonly flushed: Promise<void>,
  ) {}

  /** Starts it. Rejects when the command cannot be run at all. */
  static async launch(launch: Launch): Promise<GameProcess> {
    const [file, ...args] = launch.command;
    const child = spawn(file!, args, {
      // A container sees neither the simulator's NODE_OPTIONS nor its secrets. The simulator's own node comes first in
      // PATH, so that an image whose command is `node …` runs on the same version.
      env: {
        PATH: dirname(process.execPath) + delimiter + (process.env['PATH'] ?? ''),
        HOME: launch.workFolder,
        TMPDIR: launch.workFolder,
        ...launch.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    });
    child.stdout.on('data', (chunk: Buffer) => launch.output.write(chunk));
    child.stderr.on('data', (chunk: Buffer) => launch.output.write(chunk));
    const pid = child.pid;
    if (pid !== undefined) launch.guard.started(pid);
    const exited = new Promise<Exit>((resolve) => {
      child.once('exit', (code, signal) => {
        // A container takes its whole process tree with it.
        sendSignal(-pid!, 'SIGKILL');
        launch.guard.ended(pid!);
        resolve({ code: signal ? 128 + constants.signals[signal] : (code ?? 0), signal });
      });
    });
    const flushed = new Promise<void>((resolve) => child.once('close', () => resolve()));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    child.on('error', () => undefined); // a signal that could not be sent: the process was gone already
    return new GameProcess(pid!, exited, flushed);
  }

  /** SIGTERM to the process itself, as a container's first process gets it; SIGKILL to its group after the grace. */
  terminate(graceMs: number): void {
    sendSignal(this.pid, 'SIGTERM');
    const timer = setTimeout(() => this.kill(), graceMs);
    void this.exited.then(() => clearTimeout(timer));
  }

  kill(): void {
    sendSignal(-this.pid, 'SIGKILL');
  }
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Gone already: that is what was wanted.
  }
}
