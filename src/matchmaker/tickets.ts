import { agreeOnRegions, agreeOnVersion, demandsOf, REGION_PROPERTY, VERSION_PROPERTY, type Tickets } from './demands';
import { isOurs } from '../allocation/request';
import { getExtension } from '../extension/extension';
import { closedReason, openRegions } from '../allocation/decide';
import { ordersInForce, type Orders } from '../allocation/orders';
import { isDraining, isServed, versionInForce, versionsInForce } from '../allocation/version';
import { getConfig, type Config } from '../config';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count } from '../nakama/metrics';
import type { Context, Logger, MatchmakerResult, Nakama } from '../nakama/runtime';
import type { AllocationRequest, FailureReason } from '../records';
import { Code, rpcError } from '../refusal';
import { modeOf } from './modes';
import { guarded } from '../nakama/guard';

/** A ticket as a hook before `MatchmakerAdd` or `PartyMatchmakerAdd` sees it; versions differ in what they leave out. */
interface Ticket {
  minCount?: unknown;
  stringProperties?: { [name: string]: unknown } | null;
  numericProperties?: { [name: string]: unknown } | null;
}

/** That a ticket was warned of; for WARN_SECONDS. */
const WARNED = 'gameye_warned_of_ticket';
const WARN_SECONDS = 60;

/** Versions that the door of this process has let in, so that a match of them counts although another is in force by now. */
const ADMITTED = 'gameye_admitted_';

/**
 * The hook before a ticket is added: refuses one whose mode, `gameye_version` or `gameye_region` the fleet does not serve, while
 * its player can still do something about it, and warns of one that asks for more players than a session takes. Does not
 * use the network; a ticket that demands nothing costs nothing. The envelope goes back as it came: Nakama takes what a hook
 * returns for the whole message, cid included.
 */
export function beforeMatchmakerAdd<Envelope extends object>(
  ctx: Context,
  logger: Logger,
  nk: Nakama,
  envelope: Envelope,
): Envelope {
  const { matchmakerAdd, partyMatchmakerAdd } = envelope as { matchmakerAdd?: Ticket; partyMatchmakerAdd?: Ticket };
  const { stringProperties, numericProperties, minCount } = matchmakerAdd ?? partyMatchmakerAdd ?? {};
  const properties: { [name: string]: unknown } = { ...stringProperties, ...numericProperties };
  const configured = getConfig(ctx, nk);
  // A module that is not configured says so when the match is made.
  if ('problems' in configured || !isOurs(configured.config, properties)) return envelope;
  const mode = modeOf(configured.config, properties);
  const config = modeConfig(configured.config, mode);
  warnOfTooMany(logger, nk, config, minCount);
  const demands = properties[VERSION_PROPERTY] !== undefined || properties[REGION_PROPERTY] !== undefined;
  if (!demands && mode === '' && typeof properties[config.modeProperty] !== 'number') return envelope;
  return guarded(ctx, logger, () => {
    admit(nk, config, properties);
    return envelope;
  });
}

/** A group of so many can only end without a server, unless onMatched says how many a session takes. Once in a while. */
function warnOfTooMany(logger: Logger, nk: Nakama, { maxPlayers }: Config, minCount: unknown): void {
  if (maxPlayers === undefined || typeof minCount !== 'number' || minCount <= maxPlayers) return;
  if (getExtension().onMatched || nk.localcacheGet(WARNED) !== undefined) return;
  nk.localcachePut(WARNED, 'yes', WARN_SECONDS);
  withFields(logger, { min_count: minCount, max_players: maxPlayers }).warn(
    'Gameye: a ticket asks for more players than GAMEYE_MAX_PLAYERS or max_players of its mode, so its match gets no game server.',
  );
}

function admit(nk: Nakama, config: Config, properties: { [name: string]: unknown }): void {
  const texts = Object.keys(config.modes).length > 0 ? [config.modeProperty] : [];
  for (const name of [...texts, VERSION_PROPERTY, REGION_PROPERTY]) {
    if (typeof properties[name] === 'number') {
      refuse(nk, 'not_a_text', Code.INVALID_ARGUMENT, `${name} must be a string property.`);
    }
  }
  if (config.mode !== '' && !config.modes[config.mode]) {
    const there = Object.keys(config.modes).join(', ');
    refuse(nk, 'mode', Code.FAILED_PRECONDITION, `gameye_mode_unknown: no such mode. There are: ${there}.`);
  }
  const { version, regions } = demandsOf(properties);
  refuseWhenClosed(nk, config, regions);
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
  const orders = ordersInForce(nk, config);
  if (!isServed(orders, config, version)) {
    const served = versionsInForce(orders, config).join(', ');
    const sentence =
      served === ''
        ? `this server does not tell versions apart: leave ${VERSION_PROPERTY} out.`
        : `this version is not served, but ${served} is.`;
    refuse(nk, 'version', Code.FAILED_PRECONDITION, `gameye_version_mismatch: ${sentence}`);
  }
  nk.localcachePut(ADMITTED + version, 'yes');
}

/** A player who can only play in regions that an operator has closed hears why. */
function refuseWhenClosed(nk: Nakama, config: Config, demanded: string[] | undefined): void {
  const orders = knownOrders({ nk, config });
  const wanted = config.regions.filter((region) => demanded?.includes(region) ?? true);
  if (!orders || wanted.length === 0 || openRegions(orders, wanted).length > 0) return;
  const reason = closedReason(orders, wanted) ?? 'no region is open now.';
  refuse(nk, 'closed', Code.FAILED_PRECONDITION, `gameye_region_closed: ${reason}`);
}

/** The message reaches the player's socket; its code is always 7 there (pipeline.go), so the message begins with a word. */
function refuse(
  nk: Nakama,
  reason: 'mode' | 'version' | 'region' | 'closed' | 'not_a_text',
  code: number,
  message: string,
): never {
  count(nk, 'gameye_tickets_refused', { reason });
  return rpcError(code, message);
}

/** What a group asks for, and who of it cannot be part of that. */
export interface Agreed {
  request: AllocationRequest;
  refused: string[];
}

/**
 * The request of a matched group with what its tickets demand, where the module's `onMatched` has not said otherwise. Who
 * demands what the group cannot have is refused, and costs the others nothing; when nobody is left, all are told the
 * reason. Both are logged. A version counts when it is in force, or was when the ticket check let its ticket in: otherwise
 * players could have any tag of the image started.
 */
export function withDemands(
  call: Call,
  entries: MatchmakerResult[],
  request: AllocationRequest,
): Agreed | { failed: FailureReason } {
  const { nk, config } = call;
  const isVersionOpen = request.version === undefined && request.image === undefined;
  const properties = (userId: string): { [name: string]: unknown } =>
    entries.find(({ presence }) => presence.userId === userId)?.properties ?? {};
  const tickets: Tickets = {};
  for (const userId of request.user_ids) {
    const { version, regions } = demandsOf(properties(userId));
    tickets[userId] = {
      ...(version !== undefined && isVersionOpen ? { version } : {}),
      ...(regions && request.regions === undefined ? { regions } : {}),
    };
  }
  const orders = (): Orders | undefined => knownOrders(call);
  const inForce = (): string | undefined => {
    const known = orders();
    return known && versionInForce(known, config);
  };
  const isPossible = (version: string): boolean => {
    const known = orders();
    const isAdmitted = nk.localcacheGet(ADMITTED + version) !== undefined;
    return known ? isServed(known, config, version) || (isAdmitted && !isDraining(known, config, version)) : isAdmitted;
  };
  const { version, refused } = agreeOnVersion(tickets, isPossible, inForce);
  const left = Object.fromEntries(Object.entries(tickets).filter(([userId]) => !refused.includes(userId)));
  const { regions, only_in, refused: elsewhere } = agreeOnRegions(config.regions, left);
  const isRefused = (userId: string): boolean => refused.includes(userId) || elsewhere.includes(userId);
  const user_ids = request.user_ids.filter((userId) => !isRefused(userId));
  const problem = problemOf(refused, elsewhere);
  if (user_ids.length === 0) return refuseGroup(call, problem);
  if (problem !== '') {
    withFields(call.logger, { problem, refused: request.user_ids.filter(isRefused).join(',') }).error(
      'Gameye: players of a match got no game server, because of what their tickets demand; the others play.',
    );
  }
  return {
    request: {
      ...request,
      user_ids,
      latencies: request.latencies.filter(({ user_id }) => !isRefused(user_id)),
      ...(version === undefined ? {} : { version }),
      ...(regions === undefined ? {} : { regions }),
      ...(only_in === undefined ? {} : { only_in }),
    },
    refused: request.user_ids.filter(isRefused),
  };
}

/** What operators ordered; undefined when the database does not say: one ticket must not cost the group its match for that. */
function knownOrders({ nk, config }: Pick<Call, 'nk' | 'config'>): Orders | undefined {
  try {
    return ordersInForce(nk, config);
  } catch {
    return undefined;
  }
}

function problemOf(otherVersion: string[], otherRegion: string[]): string {
  const query = (name: string): string => `Add +properties.${name}:… to the query of such tickets.`;
  return [
    otherVersion.length > 0
      ? `Their ${VERSION_PROPERTY} is not served, or not the group's. ${query(VERSION_PROPERTY)} Register gameyeBeforeMatchmakerAdd, which tells players in time.`
      : '',
    otherRegion.length > 0
      ? `Their ${REGION_PROPERTY} is not served, or not the group's. ${query(REGION_PROPERTY)}`
      : '',
  ]
    .filter((sentence) => sentence !== '')
    .join(' ');
}

function refuseGroup(call: Call, problem: string): { failed: FailureReason } {
  withFields(call.logger, { problem }).error('Gameye: a match got no game server, because of what its tickets demand.');
  return { failed: 'misconfigured' };
}

/**
 * A reason for the players when more were matched than one session takes, which is logged: whoever sets the limit means it,
 * and nobody can tell which of them should go.
 */
export function refuseTooMany(call: Call, { user_ids, max_players }: AllocationRequest): FailureReason | undefined {
  if (user_ids.length <= max_players) return undefined;
  withFields(call.logger, { players: user_ids.length, max_players }).error(
    'Gameye: a match got no game server, because it has more players than GAMEYE_MAX_PLAYERS. Raise that, or lower the maxCount of tickets.',
  );
  return 'misconfigured';
}
