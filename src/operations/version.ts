import { SECOND } from '../config';
import { adviceFor } from '../gameye/failure';
import { sessionApiError } from '../gameye/refusal';
import { tagExists } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/** Asking every region ends in time for the RPC's answer (Nakama cuts it off after 10 s). */
const CHECK_MS = 8 * SECOND;
const ASK_MS = 3 * SECOND;

/** Ends the RPC unless all of these regions have this version of the image. */
export function requireVersion(call: Call, version: string, regions = call.config.regions): void {
  const { nk, config } = call;
  const deadline = Date.now() + CHECK_MS;
  const missing: string[] = [];
  for (const region of regions) {
    const timeoutMs = Math.min(ASK_MS, deadline - Date.now());
    if (timeoutMs < 100) {
      return rpcError(Code.UNAVAILABLE, `There was no time to ask for ${region}. Try again, or set it with "force".`);
    }
    const outcome = tagExists(nk, config, region, config.image, version, timeoutMs);
    if (outcome.kind === 'done') {
      if (!outcome.value) missing.push(region);
    } else if (outcome.failure.kind === 'not-found') {
      return rpcError(
        Code.FAILED_PRECONDITION,
        `Gameye knows no image ${config.image} in ${region}. ${adviceFor(outcome.failure)}`,
      );
    } else if (outcome.failure.kind === 'forbidden') {
      return rpcError(
        Code.FAILED_PRECONDITION,
        `The version cannot be checked. ${adviceFor(outcome.failure)} Or set it unchecked, with "force": true.`,
      );
    } else {
      return sessionApiError(outcome.failure);
    }
  }
  if (missing.length === 0) return;
  return rpcError(
    Code.FAILED_PRECONDITION,
    `${config.image} has no version ${version} in ${missing.join(', ')}. Push it there first.`,
  );
}
