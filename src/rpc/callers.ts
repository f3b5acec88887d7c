import { describeProblems, getConfig } from '../config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import type { Context, Logger, Nakama } from '../nakama/runtime';
import { ensureSupervisor } from '../worker/supervisor';
import { callingServer } from '../credentials/server-token';
import { Code, isRpcError, rpcError } from '../refusal';
import { parsePayload, sessionId, type Payload } from '../fields';

/** One RPC: the payload's fields it knows, and what it answers (as JSON). */
export interface Rpc<Caller> {
  fields: string[];
  answer: (call: Call, payload: Payload, caller: Caller) => object;
}

/** For other servers only: with http_key there is no user. Players and game servers have one and are refused. */
export function serverToServer(ctx: Context, logger: Logger, nk: Nakama, text: string, rpc: Rpc<undefined>): string {
  if (ctx.userId)
    return rpcError(Code.PERMISSION_DENIED, 'Only servers may call this: use the http_key, not a session.');
  return answer(ctx, logger, () => rpc.answer(callOf(ctx, logger, nk), parsePayload(text, rpc.fields), undefined));
}

/**
 * For game servers, about their own session: `caller` is its id, proven by the credential. Other servers (http_key) may
 * speak about any session, which their payload names.
 */
export function gameServer(ctx: Context, logger: Logger, nk: Nakama, text: string, rpc: Rpc<string>): string {
  return answer(ctx, logger, () => {
    const call = callOf(ctx, logger, nk);
    const proven = callingServer(ctx, nk, call.config);
    if (ctx.userId && proven === undefined) {
      return rpcError(
        Code.PERMISSION_DENIED,
        'Only game servers may call this: use NAKAMA_SERVER_TOKEN as bearer token.',
      );
    }
    const payload = parsePayload(text, rpc.fields);
    const named = payload['id'] === undefined && proven !== undefined ? proven : sessionId(payload);
    if (proven !== undefined && named !== proven) {
      return rpcError(Code.PERMISSION_DENIED, 'A game server may speak about its own session only: leave "id" out.');
    }
    return rpc.answer(call, payload, named);
  });
}

/** For players, about themselves: `caller` is who the session says they are. */
export function player(ctx: Context, logger: Logger, nk: Nakama, text: string, rpc: Rpc<string>): string {
  const userId = ctx.userId;
  if (!userId) return rpcError(Code.UNAUTHENTICATED, 'Only players may call this: use a session, not the http_key.');
  return answer(ctx, logger, () => {
    const call = callOf(ctx, logger, nk);
    if (callingServer(ctx, nk, call.config) !== undefined) {
      return rpcError(Code.PERMISSION_DENIED, 'Only players may call this, not game servers.');
    }
    return rpc.answer(call, parsePayload(text, rpc.fields), userId);
  });
}

/** What a verb needs; code 9 when the module is not configured. */
export function callOf(ctx: Context, logger: Logger, nk: Nakama): Call {
  const configured = getConfig(ctx, nk);
  if ('config' in configured) {
    ensureSupervisor(nk);
    return { ctx, logger, nk, config: configured.config };
  }
  return rpcError(
    Code.FAILED_PRECONDITION,
    // Players get no details of the server's configuration.
    ctx.userId
      ? 'The server is not configured. Its log says what is missing.'
      : `nakama-gameye is not configured: ${describeProblems(configured.problems)}`,
  );
}

function answer(ctx: Context, logger: Logger, act: () => object): string {
  return guarded(ctx, logger, () => JSON.stringify(act()));
}

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
