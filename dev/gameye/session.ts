import { setTimeout as wait } from 'node:timers/promises';
import type { Container } from './container.ts';
import type { Exit } from './game-process.ts';
import type { Ending, LedgerEntry } from './ledger.ts';

export type SessionStatus =
  'created' | 'running' | 'restarting' | 'exited' | 'dead' | 'draining' | 'shuttingdown' | 'server_unreachable';

/** The body of POST /session, after validation. */
export interface RunRequest {
  id?: string;
  location: string;
  image: string;
  env?: Record<string, string>;
  args?: string[];
  restart?: boolean;
  labels?: Record<string, string>;
  version?: string;
  ttl?: string;
  external_id?: string;
}

// Node fires a longer timer at once.
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/**
 * One session from the accepted POST to its end. created → running (→ restarting → running)* → shuttingdown →
 * exited or dead. `end` is the only way out, and runs when the process is really gone.
 */
export class Session {
  status: SessionStatus = 'created';
  container: Container | undefined;
  /** The labels object of list and describe; made once, because a list may hold thousands. */
  labelsView: Record<string, string> = {};
  /** Why it is going to end, once somebody decided that. */
  private ending: Ending | undefined;
  private readonly cancelled = new AbortController();
  private ttlTimer: NodeJS.Timeout | undefined;
  private settle!: () => void;
  /** Settles when it has ended. */
  readonly ended = new Promise<void>((resolve) => (this.settle = resolve));

  constructor(
    readonly entry: LedgerEntry,
    private readonly options: {
      restart: boolean;
      env: Readonly<Record<string, string>>;
      killGraceMs: () => number;
      onEnd: (session: Session) => void;
    },
  ) {
    this.describeLabels();
  }

  /** Aborted as soon as the session is to end: a start that still waits gives up. */
  get cancel(): AbortSignal {
    return this.cancelled.signal;
  }

  get isOver(): boolean {
    return this.entry.endedAtMs !== undefined;
  }

  /** Takes the container it runs in from now on. `ttlMs`: how long it may run. */
  run(container: Container, ttlMs: number | undefined): void {
    this.container = container;
    this.status = 'running';
    this.entry.runningAtMs = Date.now();
    this.entry.ports = container.ports;
    this.describeLabels();
    this.watch(container);
    if (ttlMs !== undefined) {
      this.ttlTimer = setTimeout(() => this.close('ttl'), Math.min(ttlMs, LONGEST_TIMER_MS));
    }
    // Stopped while its process was being started: it ran for a moment, and the ledger says so.
    if (this.ending) this.close(this.ending);
  }

  /** Decides the end: SIGTERM and then SIGKILL for 'stop' and 'shutdown', SIGKILL at once for 'ttl' and 'killed'. */
  close(ending: Ending): void {
    if (this.isOver) return;
    this.ending ??= ending;
    const { status, container } = this;
    this.cancelled.abort();
    // Whoever waits for the start or the restart sees the abort and ends the session.
    if (status === 'created' || status === 'restarting') return;
    this.status = 'shuttingdown';
    if (!container?.process) return this.end(ending === 'killed' ? 137 : 0);
    if (ending === 'ttl' || ending === 'killed') container.process.kill();
    else container.process.terminate(this.options.killGraceMs());
  }

  /** The start was given up or failed: the session ends without having run. */
  abandon(exitCode: number): void {
    this.ending ??= 'exit';
    this.end(exitCode);
  }

  private watch(container: Container): void {
    const { process } = container;
    if (!process) return;
    this.entry.pid = process.pid;
    void process.exited.then((exit) => this.exited(container, exit));
  }

  private exited(container: Container, exit: Exit): void {
    if (!this.ending && this.options.restart && exit.code !== 0) return void this.restart(container, exit);
    this.ending ??= exit.signal ? 'killed' : 'exit';
    this.end(exit.code);
  }

  /** As Docker does it: after 100 ms, and twice as long each time. */
  private async restart(container: Container, exit: Exit): Promise<void> {
    this.status = 'restarting';
    try {
      await wait(Math.min(100 * 2 ** this.entry.restarts, 10_000), undefined, { signal: this.cancel });
      this.entry.restarts++;
      await container.launch();
    } catch {
      return this.abandon(exit.code); // stopped while it waited, or its command cannot be run any more
    }
    this.status = 'running';
    this.watch(container);
    if (this.ending) this.close(this.ending);
  }

  private end(exitCode: number): void {
    if (this.isOver) return;
    clearTimeout(this.ttlTimer);
    const ended = this.ending ?? 'exit';
    this.status = ended === 'killed' ? 'dead' : 'exited';
    Object.assign(this.entry, { endedAtMs: Date.now(), ended, exitCode });
    this.container?.release();
    this.options.onEnd(this);
    this.settle();
  }

  private describeLabels(): void {
    const { id, image, tag, region, labels } = this.entry;
    this.labelsView = {
      tags: JSON.stringify(labels),
      env: JSON.stringify(this.container?.env ?? { ...this.options.env, GAMEYE_SESSION_ID: id }),
      gameye: JSON.stringify({ session: id, image, tag, location: region }),
    };
  }
}
