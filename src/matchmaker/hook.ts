import { handOver, newAllocation, queue } from '../allocation/create';
import { requestFromMatch } from '../allocation/request';
import { describeProblems, getConfig, type Dialect } from '../config';
import { inMode } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { count, time } from '../nakama/metrics';
import type { Context, Logger, MatchmakerResult, Nakama } from '../nakama/runtime';
import type { FailureReason } from '../records';
import { ensureSupervisor } from '../supervision/heartbeat';
import { notifyFailed } from '../told/notify';
import { modeOf, modesProblem } from './modes';
import { shapeRequest } from '../allocation/on-matched';
import { refuseTooMany, withDemands } from './tickets';

/**
 * The matchmaker hook: hands a matched group to an allocator and returns, without waiting for the network, because Nakama
 * matches nobody else before every hook returned (matchmaker.go). Never throws: the group would get a relayed match.
 *
 * A server that shuts down starts no matches: then the allocation is stored, and any node's supervisor takes it. Only when
 * that fails as well are the players told that there is no server.
 */
export function matchmakerMatched(ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]): void {
  const calledAt = Date.now();
  count(nk, 'gameye_matches', { outcome: answer(ctx, logger, nk, entries) });
  time(nk, 'gameye_hook', {}, Date.now() - calledAt);
}

/** Answers what became of the group. */
function answer(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  entries: MatchmakerResult[],
): 'requested' | 'queued' | 'not_ours' | FailureReason {
  try {
    const configured = getConfig(ctx, nk);
    if ('problems' in configured) {
      const fields = { problems: describeProblems(configured.problems) };
      withFields(logger, fields).error('Gameye: a match got no game server, because the module is not configured.');
      tell(logger, nk, entries, 'misconfigured');
      return 'misconfigured';
    }
    const { config } = configured;
    const call = { ctx, logger, nk, config };
    const modes = entries.map(({ properties }) => modeOf(config, properties));
    const problem = modesProblem(config, modes);
    const request = requestFromMatch(config, entries, problem === undefined ? modes[0] : '');
    if (!request) return 'not_ours';
    if (problem !== undefined) {
      withFields(logger, { problem }).error('Gameye: a match got no game server, because of the modes of its tickets.');
      tell(logger, nk, entries, 'misconfigured', config.notify);
      return 'misconfigured';
    }
    const asked = shapeRequest(call, entries, request);
    if (!asked) return 'not_ours';
    const agreed = 'failed' in asked ? asked : withDemands(inMode(call, asked), entries, asked);
    if ('failed' in agreed) {
      tell(logger, nk, entries, agreed.failed, config.notify);
      return agreed.failed;
    }
    const tooMany = refuseTooMany(call, agreed.request);
    if (tooMany !== undefined) {
      tell(logger, nk, entries, tooMany, config.notify);
      return tooMany;
    }
    if (agreed.refused.length > 0) notifyFailed(nk, logger, 'misconfigured', agreed.refused, config.notify);
    entries = entries.filter(({ presence }) => !agreed.refused.includes(presence.userId));
    // Its worker says when its time begins, by the database's clock.
    const allocation = { ...newAllocation(call, agreed.request), created_at_ms: 0 };
    if (!handOver(call, allocation)) {
      if (queue(call, allocation).kind !== 'too-often') return 'queued';
      tell(logger, nk, entries, 'quota_exceeded', config.notify);
      return 'quota_exceeded';
    }
    ensureSupervisor(nk);
    return 'requested';
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error(
      'Gameye: a match got no game server: no allocator could be started.',
    );
    tell(logger, nk, entries, 'unavailable');
    return 'unavailable';
  }
}

function tell(
  logger: Logger,
  nk: Nakama,
  entries: MatchmakerResult[],
  reason: FailureReason,
  dialects?: Dialect[],
): void {
  const userIds = entries.map((entry) => entry.presence.userId);
  notifyFailed(
    nk,
    logger,
    reason,
    userIds.filter((id, position) => userIds.indexOf(id) === position),
    dialects,
  );
}
