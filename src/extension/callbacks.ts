import type { Allocation } from '../allocation/allocation';
import { publicMetadata } from '../allocation/request';
import type { Instance } from '../instances/instance';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { noteEnd, UNITY_CALLBACK } from '../unity/records';
import { getExtension, type Callback, type CallbackResult } from './extension';

const CODES = { success: 0, timeout: 1, error: 2 } as const;

/** The names that a request may give as its callback, in this VM. */
export function callbackNames(): string[] {
  return Object.keys(getExtension().callbacks ?? {});
}

/** False when the request's callback tells the players instead of us. */
export function notifiesPlayers(a: Allocation): boolean {
  return find(a.request.callback)?.notify !== false;
}

/**
 * Calls the request's callback, if it has one; `instance` when the allocation was a success. Never throws. It is called
 * before the record says that players were told, so a crash in between leads to one more call.
 */
export function callBack(call: Call, a: Allocation, instance?: Instance): void {
  for (const one of groupsOf(a)) callBackOnce(call, one, instance);
}

/** What was asked for: also by the groups that backfill added while the session was being started. */
function groupsOf(a: Allocation): Allocation[] {
  const guests = a.backfill?.guests ?? [];
  if (guests.length === 0) return [a];
  const others = guests.flatMap(({ user_ids }) => user_ids);
  const host = { id: a.id, user_ids: a.request.user_ids.filter((userId) => !others.includes(userId)) };
  return [host, ...guests].map(({ id, user_ids: asked }) => {
    // Without those who cancelled.
    const user_ids = asked.filter((userId) => a.request.user_ids.includes(userId));
    return { ...a, id, request: { ...a.request, user_ids } };
  });
}

function callBackOnce(call: Call, a: Allocation, instance?: Instance): void {
  const name = a.request.callback;
  if (name === undefined) return;
  const logger = withFields(call.logger, { allocation: a.id, callback: name });
  const found = find(name);
  if (!found) {
    logger.error('Gameye: a callback does not exist in this version of the module; its players were told without it.');
    return;
  }
  try {
    // A copy: what a callback changes must not be stored.
    const result = JSON.parse(JSON.stringify(resultOf(a, instance))) as CallbackResult;
    found.run(call.ctx, call.logger, call.nk, result);
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error('Gameye: a callback failed.');
  }
}

function find(name: string | undefined): { run: Callback; notify?: boolean } | undefined {
  if (name === UNITY_CALLBACK) return { run: noteEnd };
  // Own names only: every object has a toString.
  if (name === undefined || !callbackNames().includes(name)) return undefined;
  const callback = getExtension().callbacks?.[name];
  return typeof callback === 'function' ? { run: callback } : callback;
}

function resultOf(a: Allocation, instance: Instance | undefined): CallbackResult {
  const { user_ids, max_players } = a.request;
  const metadata = publicMetadata(a.request.metadata);
  const reason = a.reason ?? 'error';
  const status = instance ? 'success' : reason === 'timeout' ? 'timeout' : 'error';
  return {
    status,
    code: CODES[status],
    id: a.id,
    instance: instance ?? null,
    session_info:
      instance && user_ids.length > 0 ? user_ids.map((user_id) => ({ user_id, session_id: instance.id })) : null,
    metadata: instance ? metadata : null,
    error: instance ? null : reason,
    request: { user_ids, max_players, metadata },
  };
}
