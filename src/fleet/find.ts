import { locatePending, type StartingInstance } from '../allocation/pending';
import { findInstance } from '../database/instances';
import type { Call } from '../nakama/caller';
import type { FailureReason, Instance } from '../records';
import { Code, rpcError } from '../refusal';

/* From an id to what it leads to. It may be a session's, or what `fleet_create` answered when its session got another. */

/** What there is of a session: its instance, how it looks while it starts, or why it never will. Undefined: nothing. */
export function find(call: Call, id: string): Instance | StartingInstance | { failed: FailureReason } | undefined {
  const { nk, config } = call;
  // Its session may have started between two looks.
  return findInstance(nk, config.fleet, id) ?? locatePending(call, id) ?? findInstance(nk, config.fleet, id);
}

/** The instance; code 5 when there is none (yet). */
export function instanceOf(call: Call, id: string): Instance {
  return findInstance(call.nk, call.config.fleet, id) ?? notFound(id);
}

/** What `act` answers for the session of an id; it answers undefined when there is no such instance. Code 5 then. */
export function withSession<T>(call: Call, id: string, act: (sessionId: string) => T | undefined): T {
  const done = act(id);
  if (done !== undefined) return done;
  const sessionId = instanceOf(call, id).id;
  return (sessionId === id ? undefined : act(sessionId)) ?? notFound(id);
}

export function notFound(id: string): never {
  return rpcError(Code.NOT_FOUND, `No session ${id} runs in this fleet. fleet_list shows those that do.`);
}
