import { SHAPE_FIELDS, shapeOf } from '../allocation/shape';
import { invalid, optionalObject, wholeNumber, type Payload } from '../fields';
import { ENV_KEY } from '../metadata';
import { inMode, type Call } from '../nakama/caller';
import type { AllocationRequest, FailureReason, Instance } from '../records';
import { Code, rpcError } from '../refusal';
import { allocateMatch, allocationIdOf, standingOf, type Standing } from '../unity/match';

/*
 * For a Cloud Code module of Unity, which asks on behalf of Unity's Matchmaker. Requests and answers have the names of
 * Unity.Services.CloudCode.Apis.Matchmaker (AllocateRequest and so on); a request's may also begin in lower case, as some
 * serializers write them. The players are Unity's: no Nakama user is notified or gets a seat.
 */

const MATCH_ID = ['match_id', 'matchId', 'MatchId'];
const RESULTS = ['matchmakingResults', 'MatchmakingResults'];
/** No callback: Unity asks for itself. */
const SHAPE = SHAPE_FIELDS.filter((field) => field !== 'callback');
const DATA = ['allocationData', 'AllocationData'];

export const ALLOCATE_FIELDS = [...MATCH_ID, ...RESULTS, 'max_players', ...SHAPE];

export function unityAllocate(call: Call, payload: Payload): object {
  const matchId = matchIdOf(payload);
  const standing = allocateMatch(call, matchId, requestOf(call, payload, matchId));
  if (standing.state === 'over') return { Status: 'Error', Message: messageOf(standing.reason) };
  const data = standing.state === 'ready' ? addressOf(standing.instance) : {};
  return { Status: 'Created', AllocationData: { sessionId: allocationIdOf(call, matchId), ...data } };
}

export const POLL_FIELDS = [...MATCH_ID, ...DATA];

export function unityPoll(call: Call, payload: Payload): object {
  objectIn(payload, DATA);
  return pollResponse(standingOf(call, allocationIdOf(call, matchIdOf(payload))));
}

function pollResponse(standing: Standing | undefined): object {
  switch (standing?.state) {
    case undefined:
      return {
        Status: 'Error',
        Message: 'Nobody asked for a server for this match: call gameye_unity_allocate first.',
      };
    case 'pending':
      return { Status: 'Pending' };
    case 'over':
      return { Status: 'Error', Message: messageOf(standing.reason) };
    case 'ready': {
      const { ip_address: Ip, port: Port } = standing.instance.connection_info;
      return { Status: 'Allocated', AssignmentData: { Ip, Port, CustomData: addressOf(standing.instance) } };
    }
  }
}

/** With the names of Gameye's own Cloud Code module. */
function addressOf(instance: Instance): { [name: string]: string | number } {
  const { ip_address: host, port } = instance.connection_info;
  const ports = Object.entries(instance.ports).map(([name, number]): [string, number] => {
    const [container, protocol] = name.split('/');
    return [`port_${protocol}_${container}`, number];
  });
  return { sessionId: instance.id, host, port, location: instance.region, ...Object.fromEntries(ports) };
}

function messageOf(reason: FailureReason | undefined): string {
  return reason === undefined
    ? 'The session of this match is over.'
    : `The match got no game server: ${reason}. Nakama's log says more.`;
}

function matchIdOf(payload: Payload): string {
  const values = MATCH_ID.map((field) => payload[field]).filter((value) => value !== undefined);
  const value = values[0];
  if (values.length === 1 && typeof value === 'string' && /^[\x21-\x7e]{1,200}$/.test(value)) return value;
  return invalid('MatchId', "must be the match's id, a text of 1 to 200 characters without spaces.");
}

function requestOf(call: Call, payload: Payload, matchId: string): AllocationRequest {
  const results = objectIn(payload, RESULTS);
  const properties = objectIn(results, ['matchProperties', 'MatchProperties']);
  const shape = shapeOf(call, payload);
  const env = { ...(shape.metadata[ENV_KEY] as object | undefined), MATCH_ID: matchId };
  const names = { match_id: matchId, ...named(results, 'pool'), ...named(results, 'queue') };
  return {
    user_ids: [],
    max_players: maxPlayers(inMode(call, shape), payload, properties),
    latencies: [],
    regions: regionsFor(inMode(call, shape), properties),
    ...shape,
    backfill: false,
    metadata: { ...shape.metadata, matchmaker: 'unity', ...names, [ENV_KEY]: env },
  };
}

/** What the payload says, else Unity's rules, else the configuration, else as many as were matched. */
function maxPlayers(call: Call, payload: Payload, properties: Payload): number {
  if (payload['max_players'] !== undefined) return wholeNumber(payload, 'max_players', 1, 10_000);
  const most = properties['maxPlayers'] ?? properties['MaxPlayers'];
  if (typeof most === 'number' && Number.isInteger(most) && most >= 1 && most <= 10_000) return most;
  const players = properties['players'] ?? properties['Players'];
  const matched = Array.isArray(players) ? players.length : 0;
  return Math.max(1, call.config.maxPlayers ?? 0, Math.min(matched, 10_000));
}

/** The region that Unity chose comes first, if it is one of ours; the others are there for when it is full. */
function regionsFor(call: Call, properties: Payload): string[] {
  const { regions } = call.config;
  const chosen = properties['region'] ?? properties['Region'];
  return [...regions.filter((region) => region === chosen), ...regions.filter((region) => region !== chosen)];
}

function named(results: Payload, what: 'pool' | 'queue'): { [key: string]: string } {
  const value = results[`${what}Name`] ?? results[what === 'pool' ? 'PoolName' : 'QueueName'];
  return typeof value === 'string' && value !== '' ? { [what]: value.slice(0, 200) } : {};
}

/** The object in one of these fields, whichever is there; an empty one when none is. */
function objectIn(payload: Payload, fields: string[]): Payload {
  const isThere = (one: string): boolean => (payload[one] ?? undefined) !== undefined;
  const field = fields.find(isThere);
  if (fields.every((one) => !isThere(one) || one === field)) return optionalObject(payload, field ?? '');
  return rpcError(Code.INVALID_ARGUMENT, `Send "${fields.join('" or "')}", not both.`);
}
