import { startAllocator } from './allocation/allocator';
import { requestFromMatch } from './allocation/request';
import { describeProblems, getConfig } from './config';
import { allocationFor } from './fleet-manager';
import type { FailureReason } from './gameye/failure';
import { errorText, withFields } from './nakama/log';
import type { Context, Logger, MatchmakerResult, Nakama } from './nakama/runtime';
import { notifyFailed } from './players/notify';

/**
 * The matchmaker hook: hands a matched group to an allocator and returns, without waiting for the network, because Nakama
 * matches nobody else before every hook returned (matchmaker.go). Never throws: the group would get a relayed match.
 */
export function matchmakerMatched(ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]): void {
  try {
    const configured = getConfig(ctx, nk);
    if ('problems' in configured) {
      const fields = { problems: describeProblems(configured.problems) };
      withFields(logger, fields).error('Gameye: a match got no game server, because the module is not configured.');
      tell(logger, nk, entries, 'misconfigured');
      return;
    }
    const { config } = configured;
    const request = requestFromMatch(config, entries);
    if (!request) return;
    startAllocator(nk, allocationFor({ ctx, logger, nk, config }, request), '*');
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error(
      'Gameye: a match got no game server: no allocator could be started.',
    );
    tell(logger, nk, entries, 'unavailable');
  }
}

function tell(logger: Logger, nk: Nakama, entries: MatchmakerResult[], reason: FailureReason): void {
  const userIds = entries.map((entry) => entry.presence.userId);
  notifyFailed(
    nk,
    logger,
    reason,
    userIds.filter((id, position) => userIds.indexOf(id) === position),
  );
}
