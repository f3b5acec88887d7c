import { commonDemands, demandsOf, REGION_PROPERTY, VERSION_PROPERTY, type Demands } from './demands';
import { isOurs } from '../allocation/request';
import { versionInForce } from '../allocation/version';
import { getConfig, type Config } from '../config';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Context, Logger, MatchmakerResult, Nakama } from '../nakama/runtime';
import type { AllocationRequest, FailureReason } from '../records';
import { Code, rpcError } from '../refusal';
import { guarded } from '../nakama/guard';

/** A ticket as a hook before `MatchmakerAdd` or `PartyMatchmakerAdd` sees it; versions differ in what they leave out. */
interface Ticket {
  stringProperties?: { [name: string]: unknown } | null;
  numericProperties?: { [name: string]: unknown } | null;
}

/** Versions that the door of this process has let in, so that a match of them counts although another is in force by now. */
const ADMITTED = 'gameye_admitted_';

/**
 * The hook before a ticket is added: refuses one whose `gameye_version` or `gameye_region` the fleet does not serve, while
 * its player can still do something about it. Does not use the network; a ticket that demands nothing costs nothing. The
 * envelope goes back as it came: Nakama takes what a hook returns for the whole message, cid included.
 */
export function beforeMatchmakerAdd<Envelope extends object>(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  envelope: Envelope,
): Envelope {
  const { matchmakerAdd, partyMatchmakerAdd } = envelope as { matchmakerAdd?: Ticket; partyMatchmakerAdd?: Ticket };
  const { stringProperties, numericProperties } = matchmakerAdd ?? partyMatchmakerAdd ?? {};
  const properties: { [name: string]: unknown } = { ...stringProperties, ...numericProperties };
  if (properties[VERSION_PROPERTY] === undefined && properties[REGION_PROPERTY] === undefined) return envelope;
  const configured = getConfig(ctx, nk);
  // A module that is not configured says so when the match is made.
  if ('problems' in configured || !isOurs(configured.config, properties)) return envelope;
  return guarded(ctx, logger, () => {
    admit(nk, configured.config, properties);
    return envelope;
  });
}

function admit(nk: Nakama, config: Config, properties: { [name: string]: unknown }): void {
  for (const name of [VERSION_PROPERTY, REGION_PROPERTY]) {
    if (typeof properties[name] === 'number') {
      refuse(nk, 'not_a_text', Code.INVALID_ARGUMENT, `${name} must be a string property.`);
    }
  }
  const { version, regions } = demandsOf(properties);
  if (regions && !regions.some((region) => config.regions.includes(region))) {
    const there = config.regions.join(', ');
    refuse(
      nk,
      'region',
      Code.FAILED_PRECONDITION,
      `gameye_region_mismatch: no such region is served. There are: ${there}.`,
    );
  }
  if (version === undefined) return;
  const inForce = versionInForce(nk, config);
  if (version !== inForce) {
    const sentence =
      inForce === ''
        ? `this server does not tell versions apart: leave ${VERSION_PROPERTY} out.`
        : `this version is not served, but ${inForce} is.`;
    refuse(nk, 'version', Code.FAILED_PRECONDITION, `gameye_version_mismatch: ${sentence}`);
  }
  nk.localcachePut(ADMITTED + version, 'yes');
}

/** The message reaches the player's socket; its code is always 7 there (pipeline.go), so the message begins with a word. */
function refuse(nk: Nakama, reason: 'version' | 'region' | 'not_a_text', code: number, message: string): never {
  count(nk, 'gameye_tickets_refused', { reason });
  return rpcError(code, message);
}

/**
 * The request of a matched group with what its tickets demand, where the module's `onMatched` has not said otherwise; or a
 * reason for the players when that cannot be had, which is logged. A version counts when it is in force, or was when the
 * door let its ticket in: otherwise players could have any tag of the image started.
 */
export function withDemands(
  call: Call,
  entries: MatchmakerResult[],
  request: AllocationRequest,
): AllocationRequest | { failed: FailureReason } {
  const { nk, config } = call;
  const isVersionOpen = request.version === undefined && request.image === undefined;
  const demands = entries.map((entry): Demands => {
    const { version, regions } = demandsOf(entry.properties);
    return {
      ...(version !== undefined && isVersionOpen ? { version } : {}),
      ...(regions && request.regions === undefined ? { regions } : {}),
    };
  });
  const common = commonDemands(config.regions, demands);
  if ('conflict' in common) return refuseGroup(call, common.conflict);
  const { version } = common;
  if (version === undefined || nk.localcacheGet(ADMITTED + version) !== undefined) return { ...request, ...common };
  if (versionInForce(nk, config) === version) return { ...request, ...common };
  const advice = 'Register gameyeBeforeMatchmakerAdd, which tells players in time.';
  return refuseGroup(call, `Their ${VERSION_PROPERTY} is not served. ${advice}`);
}

function refuseGroup(call: Call, problem: string): { failed: FailureReason } {
  withFields(call.logger, { problem }).error('Gameye: a match got no game server, because of what its tickets demand.');
  return { failed: 'misconfigured' };
}
