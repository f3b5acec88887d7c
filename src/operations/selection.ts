import type { Allocation } from '../allocation/allocation';
import { imageOf, regionOf } from '../allocation/launch';
import { ALLOCATIONS } from '../allocation/store';
import type { Config } from '../config';
import type { Instance } from '../instances/instance';
import { INSTANCES } from '../instances/store';
import type { Nakama } from '../nakama/runtime';
import { listRows, visitRows, type Page } from '../nakama/pages';

/** Which instances an operator means: those to which all of these apply. */
export interface Selection {
  version?: string;
  region?: string;
}

/** How far a sweep came: with `more`, it goes on from `cursor`. */
export interface Swept {
  cursor: string;
  more: boolean;
}

/** A page is written in one transaction; a sweep that runs out of time begins its page anew. */
const PAGE = 100;

export type Selected = Page<Instance>['rows'][number];

/** True when everything in the selection applies. */
export function isSelected(selection: Selection, instance: { region: string; version: string }): boolean {
  return (
    (selection.region === undefined || selection.region === instance.region) &&
    (selection.version === undefined || selection.version === instance.version)
  );
}

/**
 * Calls `act` with the selected instances of each page that the database has, until the time is up or `act` answers that it
 * did not finish its page. What was done must show in the record, or the record be gone: such a page is read again. The
 * records are for reading only. Undefined: the cursor is none of ours.
 */
export function sweep(
  nk: Nakama,
  selection: Selection,
  cursor: string,
  deadlineMs: number,
  act: (rows: Selected[]) => boolean,
): Swept | undefined {
  let position = cursor;
  do {
    const page = listRows<Instance>(nk, INSTANCES, PAGE, position);
    if (page === 'bad-cursor') return undefined;
    const selected = page.rows.filter(({ value }) => isSelected(selection, value));
    if (selected.length > 0 && !act(selected)) return { cursor: position, more: true };
    position = page.cursor;
  } while (position !== '' && Date.now() < deadlineMs);
  return { cursor: position, more: position !== '' };
}

/** How many selected sessions are being started: they have no instance yet, so nothing can be done to them. */
export function countStarting(nk: Nakama, config: Config, selection: Selection, deadlineMs: number): number {
  let count = 0;
  visitRows<Allocation>(nk, ALLOCATIONS, deadlineMs, (a) => {
    const starting = a.state === 'queued' || a.state === 'starting' || a.state === 'started';
    const view = { region: regionOf(a), version: imageOf(config, a.request).version ?? '' };
    if (starting && isSelected(selection, view)) count++;
    return true;
  });
  return count;
}
