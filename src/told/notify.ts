import type { Logger, Nakama, NotificationRequest } from '../nakama/runtime';
import { errorText, withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Dialect } from '../config';
import type { Call } from '../nakama/caller';
import type { FailureReason, Instance } from '../records';
import { isRpcError } from '../refusal';
import { matchContent, type MatchContent } from './content';

/** Subjects and codes are those of Gameye's reference game, */
const MATCH = { subject: 'gameye_match', code: 7300 };
const FAILED = { subject: 'gameye_failed', code: 7301 };

/** and those of the guides to Nakama's older fleet managers (GAMEYE_NOTIFY=connection-info). */
const CONNECTION_INFO = { subject: 'connection-info', code: 111 };
const CREATE_TIMEOUT = { subject: 'create-timeout', code: 112 };
const CREATE_FAILED = { subject: 'create-failed', code: 113 };

/** A friend asks a player into a room. */
const INVITATION = { subject: 'gameye_room_invitation', code: 7302 };

/** What came of telling players where they play. */
export interface Told {
  /** Who could not be told, such as deleted users. */
  missed: string[];
  /** Who cannot be sent there, because the module's `extras` failed for them; they were told nothing. */
  failed: string[];
}

/**
 * Tells players where their game server is. Persistent: who is offline finds it in the list of notifications. `contentOf`: what
 * a player is told, where that was made already.
 */
export function notifyMatch(
  call: Call,
  instance: Instance,
  userIds: string[],
  contentOf = (userId: string): MatchContent => matchContent(call, instance, userId),
): Told {
  const { nk, logger, config } = call;
  const isOurs = config.notify.includes('gameye');
  const { notifications, failed } = isOurs ? contents(userIds, contentOf) : { notifications: [], failed: [] };
  const missed = sendAll(nk, logger, notifications);
  if (!config.notify.includes('connection-info')) return { missed, failed };
  const { ip_address: IpAddress, dns_name: DnsName, port: Port } = instance.connection_info;
  const content = { IpAddress, DnsName, Port, SessionId: instance.id };
  const others = userIds.filter((userId) => !missed.includes(userId) && !failed.includes(userId));
  const missedOlder = sendAll(nk, logger, toEach(others, CONNECTION_INFO, content));
  return { missed: isOurs ? missed : missedOlder, failed };
}

function contents(
  userIds: string[],
  contentOf: (userId: string) => MatchContent,
): { notifications: NotificationRequest[]; failed: string[] } {
  const notifications: NotificationRequest[] = [];
  const failed: string[] = [];
  for (const userId of userIds) {
    try {
      notifications.push({ ...MATCH, userId, persistent: true, content: contentOf(userId) });
    } catch (error) {
      if (!isRpcError(error)) throw error;
      failed.push(userId);
    }
  }
  return { notifications, failed };
}

/** Tells players that they get no server, and why. Not persistent: it is of no use to somebody who went away. */
export function notifyFailed(
  nk: Nakama,
  logger: Logger,
  reason: FailureReason,
  userIds: string[],
  dialects: Dialect[] = ['gameye'],
  message?: string,
): string[] {
  const older = reason === 'timeout' ? CREATE_TIMEOUT : CREATE_FAILED;
  return sendAll(nk, logger, [
    ...(dialects.includes('gameye')
      ? toEach(userIds, FAILED, { reason, ...(message === undefined ? {} : { message }) })
      : []),
    ...(dialects.includes('connection-info') ? toEach(userIds, older, {}) : []),
  ]);
}

/** Asks a player into a room. Not persistent: tomorrow it is over. False: there is no such player, or the database fails. */
export function notifyInvitation(call: Call, userId: string, content: { [field: string]: unknown }): boolean {
  return sendAll(call.nk, call.logger, toEach([userId], INVITATION, content)).length === 0;
}

function toEach(
  userIds: string[],
  kind: { subject: string; code: number },
  content: { [field: string]: unknown },
): NotificationRequest[] {
  return userIds.map((userId) => ({ ...kind, userId, persistent: false, content }));
}

/** All at once; when the database refuses the batch, one by one, so that a deleted user does not cost the others theirs. */
function sendAll(nk: Nakama, logger: Logger, notifications: NotificationRequest[]): string[] {
  if (notifications.length === 0) return [];
  const missed = sendEach(nk, logger, notifications);
  for (const { subject } of [MATCH, FAILED, INVITATION, CONNECTION_INFO, CREATE_TIMEOUT, CREATE_FAILED]) {
    const sent = notifications.filter((one) => one.subject === subject);
    const lost = sent.filter((one) => missed.includes(one.userId)).length;
    count(nk, 'gameye_notifications', { subject, outcome: 'sent' }, sent.length - lost);
    count(nk, 'gameye_notifications', { subject, outcome: 'missed' }, lost);
  }
  return missed;
}

function sendEach(nk: Nakama, logger: Logger, notifications: NotificationRequest[]): string[] {
  try {
    nk.notificationsSend(notifications);
    return [];
  } catch (batchError) {
    // Twice, because a database that fails in between is not a deleted user.
    const failed = notifications.filter((one) => sendOne(nk, one) !== undefined);
    return failed.flatMap((notification) => {
      const error = sendOne(nk, notification);
      if (error === undefined) return [];
      withFields(logger, {
        user_id: notification.userId,
        subject: notification.subject,
        error,
        batch_error: errorText(batchError),
      }).warn('Gameye: a player could not be notified.');
      return [notification.userId];
    });
  }
}

/** Answers what went wrong. */
function sendOne(nk: Nakama, notification: NotificationRequest): string | undefined {
  try {
    nk.notificationsSend([notification]);
    return undefined;
  } catch (error) {
    return errorText(error);
  }
}
