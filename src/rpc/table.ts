import { allocationRequest, findRequest, modeIn, ownLatencies, SHAPE_FIELDS } from '../allocation/shape';
import { KEPT_DAYS } from '../database/usage';
import { flag, optionalFlag, optionalText, sessionId, userIds, wholeNumber, type Payload } from '../fields';
import { create } from '../fleet/create';
import { instanceOf } from '../fleet/find';
import { findOrCreate } from '../fleet/find-or-create';
import { get } from '../fleet/get';
import { join } from '../fleet/join';
import { list } from '../fleet/list';
import { remove } from '../fleet/remove';
import { leave } from '../fleet/seats';
import { report, update } from '../fleet/update';
import type { Call } from '../nakama/caller';
import { changes } from '../operations/changes';
import { checkHealth } from '../operations/health';
import { fleetStatus } from '../operations/status';
import { usage } from '../operations/usage';
import { joinFriend } from '../players/friend';
import { pingTargets } from '../players/ping-targets';
import { wantRematch } from '../players/rematch';
import { ownRoom, rematch } from '../players/rooms';
import { startSolo } from '../players/solo';
import { watch } from '../players/spectators';
import { cancelStart, leaveAll, standing } from '../players/standing';
import { Code, rpcError } from '../refusal';
import { heartbeat } from '../servers/liveness';
import { playersKicked, playersLeft, playersLost } from '../servers/players';
import { openToBackfill, playersArrived, serverIsReady } from '../servers/reports';
import { reportResult, results } from '../servers/results';
import { joinOptions, namedIn, orderIn, saidIn } from './fleet';
import { artifactOf, drainMeant, logsOf, SELECTING, setVersion, switchRegion, terminateMeant } from './operators';
import { resultIds, resultIn, roundIn } from './results';
import { playerMeant, roomCreate, roomInvite, roomJoin, roomList, roomUpdate, watchMeant } from './rooms';
import { ALLOCATE_FIELDS, POLL_FIELDS, unityAllocate, unityPoll } from './unity';

/**
 * Who may call an RPC: another server with the http_key; the game server of the session that is spoken of, or another server;
 * a player, about themselves.
 */
export type Caller = 'server' | 'game server' | 'player';

/** One RPC. */
export interface Rpc {
  id: string;
  caller: Caller;
  /** The payload's fields that it knows. */
  fields: string[];
  /** Those of them in which null says something; in all others it is the same as nothing. */
  nulls?: string[];
  /** Payload → answer, for the documentation. */
  doc: string;
  /** What it answers, as JSON. `who`: the session that a game server speaks of, or the player; empty for servers. */
  answer: (call: Call, payload: Payload, who: string) => object;
}

const players = (payload: Payload): string[] => userIds(payload, 'user_ids', 1);
const number = (payload: Payload, field: string, fallback: number, most: number): number =>
  payload[field] === undefined ? fallback : wholeNumber(payload, field, 1, most);

export const RPCS: Rpc[] = [
  {
    id: 'fleet_create',
    caller: 'server',
    fields: ['max_players', 'user_ids', 'latencies', 'request_id', 'backfill', 'empty_timeout', ...SHAPE_FIELDS],
    doc: '`max_players` (unless the mode has it), `user_ids?`, `latencies?: [{user_id, region, ms}]`, `mode?`, `metadata?`, `regions?`, `image?`, `version?`, `env?`, `args?`, `ttl?`, `port?`, `ready?`, `create_timeout?`, `callback?`, `request_id?`, `backfill?`, `empty_timeout?` → `session_id` at once; players are notified',
    answer: (call, payload) => create(call, allocationRequest(call, payload), namedIn(call, payload)),
  },
  {
    id: 'fleet_find_or_create',
    caller: 'server',
    fields: ['user_ids', 'query', 'max_players', 'latencies', 'notify', 'request_id', 'backfill', ...SHAPE_FIELDS],
    doc: '`user_ids`, `query?`, `latencies?: [{user_id, region, ms}]`, `max_players?`, `notify?`, `request_id?`, `mode?`, and `metadata?`, `regions?`, `image?`, `version?`, `env?`, `args?`, `ttl?`, `port?`, `ready?`, `create_timeout?`, `callback?`, `backfill?` → `session_id`, `created`; when a running session had room, `created` is `false`, and `instance_info`, `session_info` and `matches` are those of `fleet_join`',
    answer: (call, payload) => {
      const query = optionalText(payload, 'query', 1000, '');
      return findOrCreate(call, findRequest(call, payload), query, namedIn(call, payload));
    },
  },
  {
    id: 'fleet_get',
    caller: 'server',
    fields: ['id'],
    doc: '`id` → the instance, compared with the Session API',
    answer: (call, payload) => get(call, sessionId(payload)),
  },
  {
    id: 'fleet_list',
    caller: 'server',
    fields: ['query', 'limit', 'order', 'cursor'],
    doc: '`query?`, `limit?` (100, at most 1000), `order?`, `cursor?` → `instances`, `cursor`',
    answer: (call, payload) => {
      const limit = number(payload, 'limit', 100, 1000);
      const query = optionalText(payload, 'query', 1000, '');
      return list(call, query, limit, optionalText(payload, 'cursor', 6000, ''), orderIn(payload));
    },
  },
  {
    id: 'fleet_join',
    caller: 'server',
    fields: ['id', 'user_ids', 'partial', 'notify'],
    doc: '`id`, `user_ids`, `partial?`, `notify?` → `instance_info`, `session_info`, `matches`: for each player `user_id` and what `gameye_match` carries; all or nobody, with `partial: true` as many as fit: `session_info` names them',
    answer: (call, payload) => join(call, sessionId(payload), players(payload), joinOptions(payload)),
  },
  {
    id: 'fleet_watch',
    caller: 'server',
    fields: ['id', 'user_id'],
    doc: '`id`, `user_id` → `match`: a [place to watch](rooms.md#how-do-others-watch), whoever they are',
    answer: (call, payload) => watch(call, instanceOf(call, sessionId(payload)), playerMeant(payload)),
  },
  {
    id: 'fleet_leave',
    caller: 'server',
    fields: ['id', 'user_ids'],
    doc: '`id`, `user_ids` → `instance_info`',
    answer: (call, payload) => leave(call, sessionId(payload), players(payload)),
  },
  {
    id: 'fleet_update',
    caller: 'server',
    fields: ['id', 'player_count', 'playerCount', 'metadata'],
    doc: '`id`, `player_count?`, `metadata?` → `instance_info`',
    answer: (call, payload) => update(call, sessionId(payload), ...saidIn(payload)),
  },
  {
    id: 'fleet_delete',
    caller: 'server',
    fields: ['id'],
    doc: '`id` → `{}`; stops the session, also one that is starting',
    answer: (call, payload) => remove(call, sessionId(payload)),
  },
  {
    id: 'update_instance_info',
    caller: 'game server',
    fields: ['id', 'player_count', 'playerCount', 'metadata'],
    doc: '`player_count` (or `playerCount`), `metadata?` → `{}`',
    answer: (call, payload, session) => {
      report(call, session, ...saidIn(payload));
      return {};
    },
  },
  {
    id: 'delete_instance_info',
    caller: 'game server',
    fields: ['id'],
    doc: ' → `{}`; the session is stopped and forgotten',
    answer: (call, _payload, session) => remove(call, session, 'server'),
  },
  {
    id: 'gameye_server_join',
    caller: 'game server',
    fields: ['id', 'user_ids'],
    doc: '`user_ids`: they have arrived → `player_count`; `refused`: user ids for whom there is no seat, to be sent away; `spectators`: those who only [watch](rooms.md#how-do-others-watch)',
    answer: (call, payload, session) => playersArrived(call, session, players(payload)),
  },
  {
    id: 'gameye_server_leave',
    caller: 'game server',
    fields: ['id', 'user_ids', 'hold'],
    doc: '`user_ids`: they have left, `hold?` → `player_count`; with `hold: true` they lost their connection, and their seats [are held](game-servers.md#how-does-a-player-come-back)',
    answer: (call, payload, session) => {
      const isLost = optionalFlag(payload, 'hold');
      return (isLost ? playersLost : playersLeft)(call, session, players(payload));
    },
  },
  {
    id: 'gameye_server_kick',
    caller: 'game server',
    fields: ['id', 'user_ids', 'ban'],
    doc: '`user_ids`: their seats are freed, `ban?` → `player_count`; with `ban: true` they get none in this session any more',
    answer: (call, payload, session) => playersKicked(call, session, players(payload), optionalFlag(payload, 'ban')),
  },
  {
    id: 'gameye_server_ready',
    caller: 'game server',
    fields: ['id'],
    doc: ' → `{}`; with `GAMEYE_READY=server` the players are told now',
    answer: (call, _payload, session) => {
      serverIsReady(call, session);
      return {};
    },
  },
  {
    id: 'gameye_server_heartbeat',
    caller: 'game server',
    fields: ['id'],
    doc: ' → `{}`; a sign of life, which [`GAMEYE_SERVER_TIMEOUT`](game-servers.md#what-if-my-game-server-hangs) waits for',
    answer: (call, _payload, session) => heartbeat(call, session),
  },
  {
    id: 'gameye_server_result',
    caller: 'game server',
    fields: ['id', 'result', 'round'],
    doc: '`result`: a JSON object of yours, `round?` → `id`, `stored`: false when it was there already; kept for [your module](game-servers.md#how-do-results-reach-my-module)',
    answer: (call, payload, session) => reportResult(call, session, resultIn(payload), roundIn(payload)),
  },
  {
    id: 'gameye_server_backfill',
    caller: 'game server',
    fields: ['id', 'open'],
    doc: '`open`: `true` or `false` → `open`; whether others are seated here by [backfill](#backfill)',
    answer: (call, payload, session) => ({ open: openToBackfill(call, session, flag(payload, 'open')) }),
  },
  {
    id: 'gameye_assignment',
    caller: 'player',
    fields: [],
    doc: ' → `state`: `none`, `starting`, `ready` or `failed`; when ready the content of `gameye_match`, with a fresh seat token; when failed `reason`',
    answer: (call, _payload, userId) => {
      const now = standing(call, userId);
      return now.state === 'ready' ? { ...now.match, state: now.state } : now;
    },
  },
  {
    id: 'gameye_cancel',
    caller: 'player',
    fields: [],
    doc: ' → `cancelled`; takes the player out of a session that is being started, which goes to the others or is stopped',
    answer: (call, _payload, userId) => {
      const result = cancelStart(call, userId);
      if (typeof result === 'string') return { cancelled: result === 'cancelled' };
      return rpcError(Code.FAILED_PRECONDITION, 'The session has started already. Use gameye_leave.');
    },
  },
  {
    id: 'gameye_leave',
    caller: 'player',
    fields: [],
    doc: ' → `left`; frees the seat',
    answer: (call, _payload, userId) => ({ left: leaveAll(call, userId) }),
  },
  {
    id: 'gameye_solo_match',
    caller: 'player',
    fields: ['resume', 'mode', 'latencies'],
    doc: '`resume?`, `mode?`, `latencies?: [{region, ms}]` → `status: starting`; with `resume: true` `status: matched` and `match` when the player has a session that runs',
    answer: (call, payload, userId) =>
      startSolo(call, userId, {
        resume: optionalFlag(payload, 'resume'),
        mode: modeIn(call, payload),
        latencies: ownLatencies(payload, userId),
      }),
  },
  {
    id: 'gameye_join_friend',
    caller: 'player',
    fields: ['user_id'],
    doc: '`user_id` → `status: matched` and `match`: a seat in the session of a mutual friend',
    answer: (call, payload, userId) => joinFriend(call, userId, playerMeant(payload)),
  },
  {
    id: 'gameye_watch',
    caller: 'player',
    fields: ['user_id', 'code', 'id'],
    doc: '`user_id` of a mutual friend, or `code` of a room, or `id` of a public one → `match`: a [place to watch](rooms.md#how-do-others-watch)',
    answer: watchMeant,
  },
  {
    id: 'gameye_rematch',
    caller: 'player',
    fields: [],
    doc: ' → `status: waiting`, with `wanted_by` and `missing`, until all who sit in the match have asked; then `status: starting`, and `gameye_match` follows',
    answer: (call, _payload, userId) => wantRematch(call, userId),
  },
  {
    id: 'gameye_room_create',
    caller: 'player',
    fields: ['public', 'max_players', 'latencies', 'mode', 'party_id'],
    doc: '`public?`, `max_players?`, `latencies?: [{region, ms}]`, `mode?`, `party_id?` → the room: `state`, `id`, `code`, `public`, `host`, `max_players`, `players`; `gameye_match` follows when it runs',
    answer: roomCreate,
  },
  {
    id: 'gameye_room',
    caller: 'player',
    fields: [],
    doc: ' → the room in which the player sits, with `state`: `none`, `starting`, `open` or `closed`',
    answer: (call, _payload, userId) => ownRoom(call, userId),
  },
  {
    id: 'gameye_room_list',
    caller: 'player',
    fields: ['latencies', 'limit', 'mode'],
    doc: '`latencies?: [{region, ms}]`, `limit?` (20, at most 100), `mode?` → `rooms`: public ones with a free seat, the nearest first',
    answer: roomList,
  },
  {
    id: 'gameye_room_join',
    caller: 'player',
    fields: ['code', 'id', 'party_id'],
    doc: '`code?`, or `id?` of a public room, `party_id?` → `status: matched`, `match` and `room`; or `status: starting`: ask again',
    answer: roomJoin,
  },
  {
    id: 'gameye_room_update',
    caller: 'player',
    fields: ['open', 'public'],
    doc: '`open?`, `public?` → the room; for its host only, who closes it when the game starts',
    answer: roomUpdate,
  },
  {
    id: 'gameye_room_rematch',
    caller: 'player',
    fields: [],
    doc: ' → the new room, for everybody who sits in the old one; for its host only',
    answer: (call, _payload, userId) => rematch(call, userId),
  },
  {
    id: 'gameye_room_invite',
    caller: 'player',
    fields: ['user_id'],
    doc: '`user_id` of a mutual friend → `invited`; the friend gets the notification `gameye_room_invitation` with the code',
    answer: roomInvite,
  },
  {
    id: 'gameye_ping_targets',
    caller: 'player',
    fields: ['mode'],
    doc: '`mode?` → `targets`: `region`, `host`, `hosts` and the `property` of a ticket, for each configured region that can run the image now',
    answer: (call, payload) => ({ targets: pingTargets(call, modeIn(call, payload)) }),
  },
  {
    id: 'gameye_status',
    caller: 'server',
    fields: ['limit'],
    doc: '`limit?` (10000) → `module`, `in_force`, `instances` by group, open `allocations` and their `queue`, the last `reconcile`',
    answer: (call, payload) => fleetStatus(call, number(payload, 'limit', 10_000, 100_000)),
  },
  {
    id: 'gameye_health',
    caller: 'server',
    fields: [],
    doc: ' → `healthy`, `checks`',
    answer: (call) => checkHealth(call),
  },
  {
    id: 'gameye_drain',
    caller: 'server',
    fields: [...SELECTING, 'undo', 'cursor'],
    doc: '`id?`, `mode?`, `image?`, `version?`, `region?`, `undo?`, `cursor?` → `changed`, `starting`, `more`, `cursor`; instances take no new players, with `undo: true` they do again',
    answer: drainMeant,
  },
  {
    id: 'gameye_terminate',
    caller: 'server',
    fields: [...SELECTING, 'confirm', 'cursor'],
    doc: '`id?`, `mode?`, `image?`, `version?`, `region?`, `confirm?`, `cursor?` → `stopped`, `failed`, `starting`, `more`, `cursor`; more than one session needs `confirm: true`',
    answer: terminateMeant,
  },
  {
    id: 'gameye_set_version',
    caller: 'server',
    fields: ['version', 'weights', 'allow', 'draining', 'mode', 'region', 'force'],
    nulls: ['version'],
    doc: '`version?` or `weights?`, `allow?`, `draining?`, `mode?`, `region?`, `force?` → `version`, `previous`, `weights`, `allow`, `draining`, `everywhere_in_ms`',
    answer: setVersion,
  },
  {
    id: 'gameye_results',
    caller: 'server',
    fields: ['session_id', 'limit', 'cursor', 'forget'],
    doc: '`session_id?`, `limit?` (20, at most 100), `cursor?`, `forget?`: ids of results that you have → `results`, oldest first, `cursor`',
    answer: (call, payload) => {
      const session = payload['session_id'] === undefined ? undefined : sessionId(payload, 'session_id');
      const page = { session, limit: number(payload, 'limit', 20, 100) };
      return results(call, { ...page, cursor: optionalText(payload, 'cursor', 400, ''), forget: resultIds(payload) });
    },
  },
  {
    id: 'gameye_set_region',
    caller: 'server',
    fields: ['region', 'state', 'reason'],
    doc: '`region`, `state` (on, off or maintenance), `reason?` → `region`, `state`, `previous`, `everywhere_in_ms`',
    answer: switchRegion,
  },
  {
    id: 'gameye_changes',
    caller: 'server',
    fields: ['limit', 'cursor'],
    doc: '`limit?` (100, at most 1000), `cursor?` → `changes` of operators, the latest first: `change`, `at_ms`, `node`, `client_ip`, `meant`, `before`, `after`; `cursor`',
    answer: (call, payload) =>
      changes(call, number(payload, 'limit', 100, 1000), optionalText(payload, 'cursor', 100, '')),
  },
  {
    id: 'gameye_usage',
    caller: 'server',
    fields: ['days'],
    doc: '`days?` (7, at most 400) → `days`, by day (UTC) and mode: `day`, `mode`, `sessions` that ended, `minutes`, of these `empty_minutes` and `no_show_minutes`; `today`: `day`, `minutes`, `max?`',
    answer: (call, payload) => usage(call, number(payload, 'days', 7, KEPT_DAYS)),
  },
  {
    id: 'gameye_logs',
    caller: 'server',
    fields: ['id', 'limit'],
    doc: '`id`, `limit?` (65536 characters, at most 1000000) → `session_id`, `text`: the end of what its game server wrote, without secrets; `truncated`',
    answer: logsOf,
  },
  {
    id: 'gameye_artifacts',
    caller: 'server',
    fields: ['id', 'path'],
    doc: '`id` of a session that has ended, `path` → `session_id`, `path`, `bytes`, `tar_gz`: the file or folder as .tar.gz in base64, at most 8 MiB',
    answer: artifactOf,
  },
  {
    id: 'gameye_unity_allocate',
    caller: 'server',
    fields: ALLOCATE_FIELDS,
    doc: "Unity's `AllocateRequest`: `MatchId`, `MatchmakingResults?`; and `max_players?`, `mode?`, `regions?`, `image?`, `version?`, `env?`, `metadata?`, `args?`, `ttl?`, `port?`, `ready?`, `create_timeout?` → `AllocateResponse`: `Status` `Created` or `Error`, `AllocationData`, `Message`",
    answer: unityAllocate,
  },
  {
    id: 'gameye_unity_poll',
    caller: 'server',
    fields: POLL_FIELDS,
    doc: "Unity's `PollRequest`: `MatchId`, `AllocationData?` → `PollResponse`: `Status` `Pending`, `Allocated` or `Error`, `AssignmentData` (`IpPort`), `Message`",
    answer: unityPoll,
  },
];

/** The row of an RPC. */
export function rpcOf(id: string): Rpc {
  const found = RPCS.find((rpc) => rpc.id === id);
  if (!found) throw new Error(`There is no RPC ${id}.`);
  return found;
}
