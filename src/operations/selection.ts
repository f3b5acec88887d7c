import { imageOf } from '../allocation/launch';
import { countStarting, type Selection } from '../database/operators';
import type { Call } from '../nakama/caller';
import { invalid } from '../fields';

/** How far a sweep over the selected instances came: with `more`, it goes on from `cursor`. */
export interface Swept {
  cursor: string;
  more: boolean;
}

/** How many selected sessions are being started: nobody is sent there yet, so nothing can be done to them. */
export function startingIn({ nk, config }: Call, selection: Selection): number {
  const request = { user_ids: [], max_players: 1, latencies: [], metadata: {} };
  const modes = ['', ...Object.keys(config.modes)];
  const configured = Object.fromEntries(modes.map((mode) => [mode, imageOf(config, { ...request, mode })]));
  return countStarting(nk, config.fleet, selection, configured);
}

const AFTER = 'after:';

/** A cursor that goes on after this session; from the beginning for an empty id. */
export function cursorAfter(sessionId: string): string {
  return sessionId === '' ? '' : AFTER + sessionId;
}

/** The session after which a cursor goes on. Refuses one that this RPC never answered. */
export function readCursor(cursor: string, rpc: string): string {
  if (cursor === '') return '';
  if (cursor.startsWith(AFTER)) return cursor.slice(AFTER.length);
  return invalid('cursor', `must be one that ${rpc} answered, or be left out.`);
}
