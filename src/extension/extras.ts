import { isRecord } from '../gameye/transport';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import type { Instance } from '../records';
import { getExtension } from './extension';

/** What the module's extension adds to one player's `gameye_match`. Never throws. */
export function extrasFor(call: Call, instance: Instance, userId: string): { [field: string]: unknown } {
  const { extras } = getExtension();
  if (!extras) return {};
  try {
    // As JSON: the notification is stored, and a value that cannot be would cost the player the whole of it.
    const text = JSON.stringify(extras(call.ctx, call.logger, call.nk, instance, userId) ?? {});
    const added: unknown = JSON.parse(text);
    if (isRecord(added)) return added;
    throw new Error('extras answered something else than an object.');
  } catch (error) {
    withFields(call.logger, { session: instance.id, user_id: userId, error: errorText(error) }).error(
      'Gameye: the extra fields for a player failed; the player is told without them.',
    );
    return {};
  }
}
