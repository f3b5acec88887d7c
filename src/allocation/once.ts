import { derivedId } from '../credentials/derived-id';
import type { AllocationRow } from '../database/allocation-row';
import { readAllocation } from '../database/allocations';
import type { Call } from '../nakama/caller';
import type { AllocationRequest } from '../records';
import { Code, rpcError } from '../refusal';
import type { Waiting } from './allocation';
import { KEEP_MS, newAllocation, startAllocation } from './create';
import { canonical, shortHash } from './pool';

/*
 * Requests that may be repeated: the id of the allocation follows from what the caller calls it, so a repetition on any node,
 * after any lost answer, finds the first one. Its row is kept for two days after everybody was told, and while its session runs.
 */

const MOST_TRIES = 3;

/** The allocation of a name in this fleet: always the same. `kind` keeps the names of different callers apart. */
export function onceId({ nk, config }: Call, kind: 'unity' | 'request', name: string): string {
  return derivedId(nk, name, `gameye-${kind}:${config.fleet}`);
}

/**
 * Starts the allocation with this id unless there is one: then its row. `admit` may refuse a new one before it is stored. `asked`: see `sameAsked`.
 */
export function startOnce(
  call: Call,
  id: string,
  request: AllocationRequest,
  { admit, asked }: { admit?: (a: Waiting) => void; asked?: string } = {},
): AllocationRow | 'started' | 'too-often' {
  for (let i = 0; i < MOST_TRIES; i++) {
    const row = readAllocation(call.nk, call.config.fleet, id);
    if (row) return row;
    const allocation = { ...newAllocation(call, request, false), id, session_id: id };
    admit?.(allocation);
    const named = asked === undefined ? allocation : { ...allocation, asked };
    const outcome = startAllocation(call, named, { keepMs: KEEP_MS });
    if (outcome === 'started' || outcome === 'too-often') return outcome;
    // Somebody asks for the same at the same time.
  }
  return rpcError(Code.ABORTED, 'The same is being asked for just now. Try again.');
}

/** What stands for a payload: the order of its fields does not matter, what it says does. */
export function askedIn({ nk }: Call, payload: object): string {
  return shortHash(nk, canonical(JSON.parse(JSON.stringify(payload))));
}

/** Ends a repetition that asks for something else than the first call: code 10, and nothing changes. */
export function sameAsked({ doc }: AllocationRow, asked: string): void {
  if ((doc as { asked?: string }).asked === asked) return;
  rpcError(Code.ABORTED, 'Something else was asked for with this request_id. Use a new one for each request.');
}
