import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { publicMetadata } from '../metadata';
import type { AllocationRequest, FailureReason, Guest, Instance } from '../records';
import { ASYNC, getExtension, isPromise, type Callback, type CallbackResult } from './extension';

const CODES = { success: 0, timeout: 1, error: 2 } as const;

/** What a callback hears of an allocation that has ended. */
export interface EndedRequest {
  /** What `create` answered. */
  id: string;
  request: AllocationRequest;
  guests: Guest[];
  /** Its players who were told, its guests' included. */
  user_ids: string[];
  reason?: FailureReason;
}

/** The names that a request may give as its callback, in this VM. */
export function callbackNames(): string[] {
  return Object.keys(getExtension().callbacks ?? {});
}

/** False when the request's callback, or whoever asked, tells the players instead of us. */
export function notifiesPlayers({ request }: { request: AllocationRequest }): boolean {
  return request.notify !== false && find(request.callback)?.notify !== false;
}

/**
 * Calls the request's callback, if it has one; `instance` when the allocation was a success. Once for each group that was
 * asked for, also those that backfill added while the session was being started. Never throws. It is called before the
 * record says that players were told, so a crash in between leads to one more call.
 */
export function callBack(call: Call, ended: EndedRequest, instance?: Instance): void {
  if (ended.request.callback === undefined) return;
  const own = { id: ended.id, user_ids: ended.request.user_ids };
  for (const { id, user_ids } of [own, ...ended.guests]) {
    // Without those who went away meanwhile.
    callBackOnce(
      call,
      { ...ended, id, user_ids: user_ids.filter((userId) => ended.user_ids.includes(userId)) },
      instance,
    );
  }
}

function callBackOnce(call: Call, ended: EndedRequest, instance?: Instance): void {
  const name = ended.request.callback;
  const logger = withFields(call.logger, { allocation: ended.id, callback: name });
  const found = find(name);
  if (!found) {
    logger.error('Gameye: a callback does not exist in this version of the module; its players were told without it.');
    return;
  }
  try {
    // A copy: what a callback changes must not be stored.
    const result = JSON.parse(JSON.stringify(resultOf(ended, instance))) as CallbackResult;
    const answer: unknown = found.run(call.ctx, call.logger, call.nk, result);
    if (isPromise(answer)) withFields(logger, { problem: ASYNC }).error('Gameye: a callback may not be async.');
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error('Gameye: a callback failed.');
  }
}

function find(name: string | undefined): { run: Callback; notify?: boolean } | undefined {
  // Own names only: every object has a toString.
  if (name === undefined || !callbackNames().includes(name)) return undefined;
  const callback = getExtension().callbacks?.[name];
  return typeof callback === 'function' ? { run: callback } : callback;
}

function resultOf({ id, request, user_ids, reason = 'error' }: EndedRequest, instance?: Instance): CallbackResult {
  const metadata = publicMetadata(request.metadata);
  const status = instance ? 'success' : reason === 'timeout' ? 'timeout' : 'error';
  return {
    status,
    code: CODES[status],
    id,
    instance: instance ?? null,
    session_info:
      instance && user_ids.length > 0 ? user_ids.map((user_id) => ({ user_id, session_id: instance.id })) : null,
    metadata: instance ? metadata : null,
    error: instance ? null : reason,
    request: { user_ids, max_players: request.max_players, metadata },
  };
}
