import { Code, isRpcError, rpcError } from '../refusal';
import { errorText, withFields } from './log';
import type { Context, Logger } from './runtime';

/** Errors of ours go out as they are; anything else is logged, and the caller hears nothing of its text. */
export function guarded<Answer>(ctx: Context, logger: Logger, act: () => Answer): Answer {
  try {
    return act();
  } catch (error) {
    if (isRpcError(error)) throw error;
    withFields(logger, { error: errorText(error), user_id: ctx.userId }).error('Gameye: an RPC failed.');
    return rpcError(Code.UNAVAILABLE, 'This could not be done now, probably because of the database. Try again.');
  }
}
