/** How a session ended: by itself, by DELETE, by its ttl, by a signal from outside, or with the simulator. */
export type Ending = 'exit' | 'stop' | 'ttl' | 'killed' | 'shutdown';

export interface Port {
  type: 'tcp' | 'udp';
  container: number;
  host: number;
}

/** One session that was ever started. Plain data, kept up to date in place; all times are Unix milliseconds. */
export interface LedgerEntry {
  readonly id: string;
  readonly region: string;
  readonly image: string;
  readonly tag: string;
  /** The caller's labels; empty for a session from a warm pool, which ignores them. */
  readonly labels: Readonly<Record<string, string>>;
  readonly externalId?: string;
  /** 'token-1' is the first configured token; never the token itself. */
  readonly tokenName: string;
  /** Ordinal in the request log of the POST that started it. */
  readonly requestOrdinal: number;
  readonly warm: boolean;
  readonly host: string;
  readonly envKeys: readonly string[];
  /** The players that the caller started it for (NAKAMA_MATCH_USER_IDS in its environment); the only value kept of it. */
  readonly matchUserIds: readonly string[];
  readonly requestedAtMs: number;
  /** Absent when it was stopped before its start was over: it never ran. */
  runningAtMs?: number;
  stopRequestedAtMs?: number;
  /** When the process was really gone. */
  endedAtMs?: number;
  ended?: Ending;
  /** 128 + signal number when a signal ended it, as a shell reports it. */
  exitCode?: number;
  ports: Port[];
  /** Players in it now, or at its end. */
  players: string[];
  peakPlayers: number;
  /** Of its latest process, also after the end; absent for a session without a process. */
  pid?: number;
  restarts: number;
}

/** Every session ever started, in the order of the requests. Refused requests are in the request log only. */
export interface Ledger {
  readonly entries: readonly LedgerEntry[];
  get(id: string): LedgerEntry | undefined;
}

/** Those whose process ran at an instant; a session that ended in that very millisecond did not. */
export function runningAt(entries: readonly LedgerEntry[], atMs: number = Date.now()): LedgerEntry[] {
  return entries.filter(
    (e) => e.runningAtMs !== undefined && e.runningAtMs <= atMs && (e.endedAtMs ?? Infinity) > atMs,
  );
}

/** Those that have not ended, starting ones included. */
export function notEnded(entries: readonly LedgerEntry[]): LedgerEntry[] {
  return entries.filter((entry) => entry.endedAtMs === undefined);
}

/** Sessions by the value of `keyOf`; those without a key are left out. */
export function groupBy(
  entries: readonly LedgerEntry[],
  keyOf: (entry: LedgerEntry) => string | undefined,
): Map<string, LedgerEntry[]> {
  const groups = new Map<string, LedgerEntry[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(entry);
    else groups.set(key, [entry]);
  }
  return groups;
}

/**
 * Pairs of sessions with the same key that ran at the same time: what must be empty when one key means one session.
 * A session counts until it was told to stop or ended by itself; how long its process then takes is not its caller's fault.
 */
export function overlaps(
  entries: readonly LedgerEntry[],
  keyOf: (entry: LedgerEntry) => string | undefined,
): [LedgerEntry, LedgerEntry][] {
  const overMs = (entry: LedgerEntry): number =>
    Math.min(entry.stopRequestedAtMs ?? Infinity, entry.endedAtMs ?? Infinity);
  const pairs: [LedgerEntry, LedgerEntry][] = [];
  for (const group of groupBy(entries, keyOf).values()) {
    const ran = group.filter((e) => e.runningAtMs !== undefined && e.runningAtMs < overMs(e));
    ran.sort((a, b) => a.runningAtMs! - b.runningAtMs!);
    for (const [i, a] of ran.entries()) {
      for (const b of ran.slice(i + 1)) if (b.runningAtMs! < overMs(a)) pairs.push([a, b]);
    }
  }
  return pairs;
}
