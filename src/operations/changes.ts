import { listChanges, type Change, type NotedChange } from '../database/changes';
import { invalid } from '../fields';
import type { Call } from '../nakama/caller';

/** A change that this call asks for, to be noted. Undefined fields of `meant` are left out. */
export function changeBy({ ctx, config }: Call, change: string, meant: object): Change {
  return { fleet: config.fleet, change, node: ctx.node, client_ip: ctx.clientIp ?? '', meant };
}

export interface Changes {
  changes: Omit<NotedChange, 'id'>[];
  /** For the next page; empty when there is none. */
  cursor: string;
}

/** What operators changed, the latest first. */
export function changes({ nk, config }: Call, limit: number, cursor: string): Changes {
  const found = listChanges(nk, config.fleet, idIn(cursor), limit + 1);
  const page = found.slice(0, limit);
  const last = found.length > limit ? page[limit - 1] : undefined;
  return { changes: page.map(({ id: _id, ...change }) => change), cursor: last ? `before:${last.id}` : '' };
}

function idIn(cursor: string): number | undefined {
  if (cursor === '') return undefined;
  const id = /^before:(\d{1,15})$/.exec(cursor)?.[1];
  return id === undefined ? invalid('cursor', 'must be one that gameye_changes answered, or be left out.') : Number(id);
}
