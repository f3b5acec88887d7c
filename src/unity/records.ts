import type { Callback } from '../extension/extension';
import type { FailureReason } from '../gameye/failure';
import { listRows } from '../nakama/pages';
import type { Nakama } from '../nakama/runtime';
import { deleteRow, readRows, writeRows, type Row, type Write } from '../nakama/storage';

/**
 * What is remembered of a match of Unity's Matchmaker when its allocation and its session are over: that it was asked for,
 * so that a request which is repeated late starts nothing, and why it failed. The key is the allocation's id.
 */
export interface UnityMatch {
  match_id: string;
  created_at_ms: number;
  failure?: FailureReason;
}

const DAY = 24 * 60 * 60 * 1000;
const FORGOTTEN_PER_CALL = 5;

/**
 * Records of a day are a collection of their own, because storage cannot be listed by age. Four collections take turns:
 * today's and yesterday's are read, and that of three days ago is emptied before it is tomorrow's.
 */
const collection = (at: number): string => `_gameye_unity_${Math.floor(at / DAY) % 4}`;

const isForgotten = (match: UnityMatch, now: number): boolean => match.created_at_ms < now - 2 * DAY;

/** The record of a match of today or yesterday, and where it is. */
export function readMatch(nk: Nakama, id: string, now: number): (Row<UnityMatch> & { collection: string }) | undefined {
  for (const name of [collection(now), collection(now - DAY)]) {
    const row = readRows<UnityMatch>(nk, name, [id])[0];
    if (row && !isForgotten(row.value, now)) return { ...row, collection: name };
  }
  return undefined;
}

/** The write that stores a new match, for a transaction with its allocation. */
export function matchInsertion(nk: Nakama, id: string, matchId: string, now: number): Write {
  const value: UnityMatch = { match_id: matchId, created_at_ms: now };
  const name = collection(now);
  const leftOver = readRows<UnityMatch>(nk, name, [id])[0];
  const version = leftOver && isForgotten(leftOver.value, now) ? leftOver.version : '*';
  return { collection: name, key: id, value, version };
}

/** The callback of a match's allocation; it comes before one of the same name that a module may have. */
export const UNITY_CALLBACK = 'gameye unity match';

/** Notes why a match has no server. */
export const noteEnd: Callback = (_ctx, _logger, nk, { id, error }) => {
  const row = error === null ? undefined : readMatch(nk, id, Date.now());
  if (!row || error === null) return;
  const value: UnityMatch = { ...row.value, failure: error };
  writeRows(nk, [{ collection: row.collection, key: id, value, version: row.version }]);
};

/** Deletes some of the records that nobody reads any more; more than a call adds, so that they all go. */
export function forgetOldMatches(nk: Nakama, now: number): void {
  const name = collection(now + DAY);
  const page = listRows<UnityMatch>(nk, name, FORGOTTEN_PER_CALL, '');
  if (page === 'bad-cursor') return;
  for (const { key, value, version } of page.rows) if (isForgotten(value, now)) deleteRow(nk, name, key, version);
}
