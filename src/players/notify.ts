import type { Logger, Nakama, NotificationRequest } from '../nakama/runtime';
import { errorText, withFields } from '../nakama/log';
import type { Config } from '../config';
import type { FailureReason } from '../gameye/failure';
import type { Instance } from '../instances/instance';
import { connectionFor } from './connection';

/** Subjects and codes are those of Gameye's reference game. */
const MATCH = { subject: 'gameye_match', code: 7300 };
const FAILED = { subject: 'gameye_failed', code: 7301 };

/**
 * Tells players where their game server is. Persistent: who is offline finds it in the list of notifications. The instance's
 * metadata comes along and cannot replace the address. Answers the users that could not be told, such as deleted ones.
 */
export function notifyMatch(
  nk: Nakama,
  logger: Logger,
  config: Config,
  instance: Instance,
  userIds: string[],
  now: number,
): string[] {
  return sendAll(
    nk,
    logger,
    userIds.map((userId) => ({
      ...MATCH,
      userId,
      persistent: true,
      content: { ...instance.metadata, ...connectionFor({ nk, config }, instance, userId, now) },
    })),
  );
}

/** Tells players that they get no server, and why. Not persistent: it is of no use to somebody who went away. */
export function notifyFailed(nk: Nakama, logger: Logger, reason: FailureReason, userIds: string[]): string[] {
  return sendAll(
    nk,
    logger,
    userIds.map((userId) => ({ ...FAILED, userId, persistent: false, content: { reason } })),
  );
}

/** All at once; when the database refuses the batch, one by one, so that a deleted user does not cost the others theirs. */
function sendAll(nk: Nakama, logger: Logger, notifications: NotificationRequest[]): string[] {
  if (notifications.length === 0) return [];
  try {
    nk.notificationsSend(notifications);
    return [];
  } catch (batchError) {
    const missed: string[] = [];
    for (const notification of notifications) {
      try {
        nk.notificationsSend([notification]);
      } catch (error) {
        missed.push(notification.userId);
        withFields(logger, {
          user_id: notification.userId,
          subject: notification.subject,
          error: errorText(error),
          batch_error: errorText(batchError),
        }).warn('Gameye: a player could not be notified.');
      }
    }
    return missed;
  }
}
