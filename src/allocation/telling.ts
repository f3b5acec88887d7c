import { leaveSeats } from '../database/seats';
import { notifiesPlayers } from '../extension/callbacks';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import type { FailureReason, Instance } from '../records';
import { notifyFailed, notifyMatch } from '../told/notify';
import type { Seated, Started } from './allocation';

/** What came of telling the players of an allocation where they play. */
export type Outcome =
  /** `told`: all who can play there; `refused`: the others, who have heard why, and whose seats are free. */
  | { kind: 'told'; told: string[]; refused: string[] }
  /** Nobody could be reached, which may be the database's fault. */
  | { kind: 'missed' }
  /** Nobody can play there: nobody was told yet. */
  | { kind: 'useless'; reason: FailureReason };

/**
 * Tells players where they play. Who cannot play there hears the reason instead and costs the others nothing: players who
 * demand another region, and those for whom the module's `extras` failed.
 */
export function tellPlayers(call: Call, a: Seated | Started, instance: Instance, userIds: string[]): Outcome {
  const reasons = new Map<string, FailureReason>();
  for (const userId of userIds) {
    const regions = a.request.only_in?.[userId];
    if (!regions || regions.includes(instance.region)) continue;
    // The group wanted to play in a region that suits this player, and had to go on.
    reasons.set(userId, regions.includes(a.regions[0] ?? '') ? 'no_capacity' : 'misconfigured');
  }
  const able = userIds.filter((userId) => !reasons.has(userId));
  if (reasons.size > 0) {
    withFields(call.logger, { allocation: a.id, region: instance.region, refused: [...reasons.keys()].join(',') }).warn(
      'Gameye: players got no game server, because they play in other regions only than the others of their match. Add +properties.gameye_region to the query of such tickets.',
    );
  }
  const { missed, failed } = notifiesPlayers(a) ? notifyMatch(call, instance, able) : { missed: [], failed: [] };
  for (const userId of failed) reasons.set(userId, 'error');
  const refused = [...reasons.keys()];
  if (refused.length > 0 && refused.length === userIds.length) {
    return { kind: 'useless', reason: reasons.get(refused[0] ?? '') ?? 'error' };
  }
  for (const reason of ['misconfigured', 'no_capacity', 'error'] as const) {
    const some = refused.filter((userId) => reasons.get(userId) === reason);
    if (some.length === 0) continue;
    notifyFailed(call.nk, call.logger, reason, some, call.config.notify);
    // Last: after a crash before this they are told again.
    leaveSeats(call.nk, call.config.fleet, instance.id, some, reason);
  }
  const told = able.filter((userId) => !failed.includes(userId));
  return told.length > 0 && missed.length === told.length ? { kind: 'missed' } : { kind: 'told', told, refused };
}
