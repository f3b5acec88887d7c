import { SECOND } from '../config';
import { sessionSeatSecret } from '../credentials/seat-token';
import { readAllocation } from '../database/allocations';
import { findInstance } from '../database/instances';
import type { Failure } from '../gameye/failure';
import { LONGEST_SECRET, outputRedaction } from '../gameye/redaction';
import { sessionApiError } from '../gameye/refusal';
import { readArtifact, readLogs } from '../gameye/session-api';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { Code, rpcError } from '../refusal';
import { storable } from '../text';

/*
 * What a session wrote and left behind, from Gameye. Records of ended sessions are gone, so any id is asked for. An RPC's VM
 * waits for the answer, which arrives as a whole: for operators, not for every session.
 */

/** One request, and time for the answer: Nakama cuts it off after 10 s. */
const ASK_MS = 8 * SECOND;
const MOST_BYTES = 8 * 1024 * 1024;

export interface Logs {
  session_id: string;
  /** The end of what stdout and stderr had. */
  text: string;
  /** There is more in front of it. */
  truncated: boolean;
}

/** The end of what a session's game server has written, so many characters of it, without secrets. */
export function sessionLogs(call: Call, id: string, limit: number): Logs {
  const { nk, config } = call;
  const session_id = sessionIdOf(call, id);
  const outcome = readLogs(nk, config, session_id, ASK_MS);
  if (outcome.kind !== 'done') return refuse(call, session_id, outcome.failure);
  const written = outcome.value;
  const end = written.slice(-(limit + 2 * LONGEST_SECRET));
  const redacted = redactionOf(call, session_id)(end);
  const whole = end.length < written.length ? redacted.slice(LONGEST_SECRET) : redacted;
  return { session_id, text: storable(whole.slice(-limit), limit), truncated: written.length > limit };
}

export interface Artifact {
  session_id: string;
  path: string;
  bytes: number;
  /** The archive in base64. */
  tar_gz: string;
}

/** A file or a folder of a session that has ended; as its container has it, secrets included. */
export function sessionArtifact(call: Call, id: string, path: string): Artifact {
  const { nk, config } = call;
  const session_id = sessionIdOf(call, id);
  const outcome = readArtifact(nk, config, session_id, path, ASK_MS);
  if (outcome.kind !== 'done') {
    if (outcome.failure.kind === 'not-found' && findInstance(nk, config.fleet, session_id)?.status === 'running') {
      return rpcError(
        Code.FAILED_PRECONDITION,
        'The session still runs, and Gameye has artifacts of ended ones only. Stop it first, or wait for its end.',
      );
    }
    return refuse(call, session_id, outcome.failure);
  }
  const tar_gz = outcome.value;
  const bytes = (tar_gz.length / 4) * 3 - (/=*$/.exec(tar_gz)?.[0].length ?? 0);
  if (bytes <= MOST_BYTES) return { session_id, path, bytes, tar_gz };
  return rpcError(
    Code.FAILED_PRECONDITION,
    `The archive has ${bytes} bytes, and an answer at most ${MOST_BYTES}: ask for a smaller part, or ask the Session API itself.`,
  );
}

/** What `fleet_create` answered may have led to a session with another id. */
function sessionIdOf({ nk, config }: Call, id: string): string {
  return findInstance(nk, config.fleet, id)?.id ?? readAllocation(nk, config.fleet, id)?.session_id ?? id;
}

function redactionOf({ nk, config }: Call, sessionId: string): (text: string) => string {
  const { apiToken, seatSecret, previousSeatSecret } = config;
  const secrets = previousSeatSecret === undefined ? [seatSecret] : [seatSecret, previousSeatSecret];
  return outputRedaction(
    apiToken,
    secrets.map((secret) => sessionSeatSecret(nk, secret, sessionId)),
  );
}

function refuse(call: Call, sessionId: string, failure: Failure): never {
  const { kind, operation, status, message: detail, identifier } = failure;
  withFields(call.logger, { session: sessionId, operation, failure: kind, status, detail, identifier }).warn(
    'Gameye: the output or a file of a session could not be had.',
  );
  return sessionApiError(failure);
}
