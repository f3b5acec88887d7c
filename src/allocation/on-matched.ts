import { isRecord } from '../gameye/transport';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import type { MatchmakerResult } from '../nakama/runtime';
import type { AllocationRequest, FailureReason } from '../records';
import { Code, rpcError } from '../refusal';
import { hasUnstorable } from '../text';
import { knownFieldsOnly, wholeNumber } from '../fields';
import { SHAPE_FIELDS, shapeOf, sharing } from './shape';
import { ASYNC, getExtension, isExtensionMissing, isPromise } from '../extension/extension';

/**
 * The request of a matched group as the module's `onMatched` shapes it; undefined when it says that the match is not ours;
 * a reason for the players when it made a mistake, which is logged. Never throws.
 */
export function shapeRequest(
  call: Call,
  entries: MatchmakerResult[],
  request: AllocationRequest,
): AllocationRequest | { failed: FailureReason } | undefined {
  if (isExtensionMissing(call.nk)) {
    call.logger.error(
      'Gameye: a match got no game server. configure() was called inside InitModule, which runs in one VM only: call it at the top level of the module.',
    );
    return { failed: 'misconfigured' };
  }
  const { onMatched } = getExtension();
  if (!onMatched) return request;
  let shape: unknown;
  try {
    shape = onMatched(call.ctx, call.logger, call.nk, entries);
  } catch (error) {
    withFields(call.logger, { error: errorText(error) }).error(
      'Gameye: a match got no game server, because onMatched failed.',
    );
    return { failed: 'error' };
  }
  if (shape === false) return undefined;
  if (shape === undefined || shape === null) return request;
  try {
    return shaped(call, request, shape);
  } catch (error) {
    withFields(call.logger, { problem: errorText(error) }).error(
      'Gameye: a match got no game server, because of what onMatched answered.',
    );
    return { failed: 'misconfigured' };
  }
}

function shaped(call: Call, request: AllocationRequest, answer: unknown): AllocationRequest {
  if (isPromise(answer)) return rpcError(Code.INVALID_ARGUMENT, ASYNC);
  if (!isRecord(answer)) return rpcError(Code.INVALID_ARGUMENT, 'It has to be an object, false, or nothing.');
  const payload = knownFieldsOnly(answer, [...SHAPE_FIELDS, 'maxPlayers', 'backfill']);
  if (hasUnstorable(JSON.parse(JSON.stringify(payload)))) {
    return rpcError(Code.INVALID_ARGUMENT, 'It has a text with a NUL character or half a surrogate pair.');
  }
  const fewest = request.user_ids.length;
  const shape = shapeOf(call, payload);
  const usual =
    shape.mode === undefined ? request.max_players : (modeConfig(call.config, shape.mode).maxPlayers ?? fewest);
  const max_players = payload['maxPlayers'] === undefined ? usual : wholeNumber(payload, 'maxPlayers', fewest, 10_000);
  return { ...request, max_players, ...shape, ...sharing(payload) };
}
