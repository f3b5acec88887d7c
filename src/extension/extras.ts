import { isRecord } from '../gameye/transport';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import type { Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { ASYNC, getExtension, isPromise } from './extension';

/**
 * What the module's extension adds to one player's `gameye_match`. When it fails, that is logged, and an RPC refusal is
 * thrown: the player needs these fields, so nobody is sent to a session without them.
 */
export function extrasFor(call: Call, instance: Instance, userId: string): { [field: string]: unknown } {
  const { extras } = getExtension();
  if (!extras) return {};
  try {
    const answer: unknown = extras(call.ctx, call.logger, call.nk, instance, userId) ?? {};
    if (isPromise(answer)) throw new Error(ASYNC);
    // As JSON: the notification is stored, and a value that cannot be would cost the player the whole of it.
    const added: unknown = JSON.parse(JSON.stringify(answer));
    if (isRecord(added)) return added;
    throw new Error('extras answered something else than an object.');
  } catch (error) {
    withFields(call.logger, { session: instance.id, user_id: userId, error: errorText(error) }).error(
      'Gameye: the extra fields for a player failed, so the player cannot be sent to the session.',
    );
    return rpcError(Code.UNAVAILABLE, 'What you need for this session could not be made. Try again.');
  }
}
