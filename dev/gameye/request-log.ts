import type { Operation } from './faults.ts';

/** One request to the API, refused ones included; what goes to /_sim is not logged. */
export interface RequestLogEntry {
  /** From 1, in the order of arrival. */
  readonly ordinal: number;
  readonly operation: Operation | 'unknown';
  readonly method: string;
  /** With the query. */
  readonly path: string;
  /** 'pending' until the answer is decided; for a broken answer the status it would have had. */
  status: number | 'pending' | 'dropped';
  readonly atMs: number;
  /** Until the answer was handed to the connection. */
  tookMs?: number;
  tokenName?: string;
  region?: string;
  sessionId?: string;
  /** The rules that hit it, e.g. 'fault-1 delay, fault-2 drop'. */
  fault?: string;
  /** The caller had given up before the answer was ready; the request was processed all the same. */
  callerGone?: boolean;
}

const LIMIT = 100_000;

/** The latest 100,000 requests. */
export class RequestLog {
  private entries: RequestLogEntry[] = [];
  private count = 0;

  open(operation: RequestLogEntry['operation'], method: string, path: string): RequestLogEntry {
    const entry: RequestLogEntry = {
      ordinal: ++this.count,
      operation,
      method,
      path,
      status: 'pending',
      atMs: Date.now(),
    };
    this.entries.push(entry);
    // Cut rarely, not at every request: cutting copies the whole list.
    if (this.entries.length > LIMIT * 1.1) this.entries = this.entries.slice(-LIMIT);
    return entry;
  }

  close(entry: RequestLogEntry, status: number | 'dropped'): void {
    entry.status = status;
    entry.tookMs = Date.now() - entry.atMs;
  }

  all(): RequestLogEntry[] {
    return [...this.entries];
  }

  latest(count: number): RequestLogEntry[] {
    return this.entries.slice(-count);
  }

  get total(): number {
    return this.count;
  }
}
