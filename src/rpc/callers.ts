import { describeProblems, getConfig } from '../config';
import { callingServer } from '../credentials/server-token';
import { noteReport } from '../database/control';
import { parsePayload, sessionId, type Payload } from '../fields';
import { shortestSilence } from '../mode-config';
import type { Call } from '../nakama/caller';
import { guarded } from '../nakama/guard';
import type { Context, Logger, Nakama } from '../nakama/runtime';
import { Code, rpcError } from '../refusal';
import { hear } from '../servers/liveness';
import { ensureSupervisor } from '../supervision/heartbeat';
import { ReadyJson } from '../text';
import { rpcOf, type Rpc } from './table';

/** Answers an RPC of the table, or refuses it: who calls is checked before the payload is read. */
export function answerRpc(id: string, ctx: Context, logger: Logger, nk: Nakama, text: string): string {
  return answer(rpcOf(id), ctx, logger, nk, text);
}

/** The same for a row that is at hand. */
export function answer(rpc: Rpc, ctx: Context, logger: Logger, nk: Nakama, text: string): string {
  return guarded(ctx, logger, () => {
    refuseStrangers(rpc, ctx);
    const call = callOf(ctx, logger, nk);
    const proven = ctx.userId ? callingServer(ctx, nk, call.config) : undefined;
    if (rpc.caller === 'player' && proven !== undefined) {
      return rpcError(Code.PERMISSION_DENIED, 'Only players may call this, not game servers.');
    }
    if (rpc.caller === 'game server' && ctx.userId && proven === undefined) {
      return rpcError(
        Code.PERMISSION_DENIED,
        'Only game servers may call this: use NAKAMA_SERVER_TOKEN as bearer token.',
      );
    }
    const payload = parsePayload(text, rpc.fields, rpc.nulls);
    const about = who(rpc, ctx, payload, proven);
    const answered = rpc.answer(call, payload, about);
    // A report that was refused changes nothing.
    if (proven !== undefined) noteReport(nk, call.config.fleet);
    if (rpc.caller === 'game server' && shortestSilence(call.config) !== undefined) hear(call, about);
    return answered instanceof ReadyJson ? answered.text : JSON.stringify(answered);
  });
}

/** With http_key there is no user. Players and game servers have one. */
function refuseStrangers(rpc: Rpc, ctx: Context): void {
  if (rpc.caller === 'server' && ctx.userId) {
    rpcError(Code.PERMISSION_DENIED, 'Only servers may call this: use the http_key, not a session.');
  }
  if (rpc.caller === 'player' && !ctx.userId) {
    rpcError(Code.UNAUTHENTICATED, 'Only players may call this: use a session, not the http_key.');
  }
}

/**
 * Whom the RPC is about: the player whose session it is; the session of a game server, `proven` by its credential. Other
 * servers may speak about any session, which their payload names.
 */
function who(rpc: Rpc, ctx: Context, payload: Payload, proven: string | undefined): string {
  if (rpc.caller !== 'game server') return ctx.userId ?? '';
  const named = payload['id'] === undefined && proven !== undefined ? proven : sessionId(payload);
  if (proven === undefined || named === proven) return named;
  return rpcError(Code.PERMISSION_DENIED, 'A game server may speak about its own session only: leave "id" out.');
}

/** The session whose game server calls; undefined for everybody else, and while the module is not configured. */
export function serverOf(ctx: Context, nk: Nakama): string | undefined {
  const configured = getConfig(ctx, nk);
  return 'config' in configured ? callingServer(ctx, nk, configured.config) : undefined;
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
