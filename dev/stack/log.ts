/** One log line. Lines that are not JSON (a crash, a usage text) have level `text` and the line as `msg`. */
export interface LogEntry {
  level: string;
  ts?: string;
  caller?: string;
  msg: string;
  [field: string]: unknown;
}

/** What to look for: a part of the message, a pattern for the whole line, or any test. */
export type LogMatch = string | RegExp | ((entry: LogEntry) => boolean);

/** Reads one line of Nakama's output. Never throws. */
export function parseLogLine(line: string): LogEntry {
  if (line.startsWith('{')) {
    try {
      const entry = JSON.parse(line) as Record<string, unknown>;
      if (typeof entry['msg'] === 'string') return { level: 'info', ...entry, msg: entry['msg'] };
    } catch {
      // A line that was cut, or text that happens to start with a brace: kept as text.
    }
  }
  return { level: 'text', msg: line };
}

/** Everything a program printed, readable while it still runs. */
export class LogBook {
  readonly entries: LogEntry[] = [];
  readonly lines: string[] = [];
  private readonly waiters = new Set<() => void>();
  private closedBecause: string | undefined;

  /** Answers the entry that the line became; empty lines become none. */
  add(line: string): LogEntry | undefined {
    if (line === '') return undefined;
    const entry = parseLogLine(line);
    this.lines.push(line);
    this.entries.push(entry);
    this.waiters.forEach((check) => check());
    return entry;
  }

  /** No line will follow; whoever still waits for one gets an error with this reason. */
  close(reason: string): void {
    this.closedBecause = reason;
    this.waiters.forEach((check) => check());
  }

  /** The last lines, for an error text. */
  tail(count = 15): string {
    return this.lines.slice(-count).join('\n');
  }

  /** The first entry that matches, printed already or within `deadlineMs`. */
  waitFor(match: LogMatch, deadlineMs: number): Promise<LogEntry> {
    return new Promise((resolve, reject) => {
      let next = 0;
      const finish = (settle: () => void): void => {
        this.waiters.delete(check);
        clearTimeout(timer);
        settle();
      };
      const fail = (why: string): void =>
        finish(() => reject(new Error(`no log line matched ${String(match)}: ${why}. Last lines:\n${this.tail()}`)));
      const check = (): void => {
        for (; next < this.entries.length; next++) {
          const entry = this.entries[next] as LogEntry;
          if (isMatch(match, entry, this.lines[next] as string)) return finish(() => resolve(entry));
        }
        if (this.closedBecause !== undefined) fail(this.closedBecause);
      };
      const timer = setTimeout(() => fail(`waited ${deadlineMs} ms`), deadlineMs);
      this.waiters.add(check);
      check();
    });
  }
}

function isMatch(match: LogMatch, entry: LogEntry, line: string): boolean {
  if (typeof match === 'string') return entry.msg.includes(match);
  return match instanceof RegExp ? match.test(line) : match(entry);
}
