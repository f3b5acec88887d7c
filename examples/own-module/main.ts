import {
  allocatorInit,
  allocatorJoin,
  allocatorJoinAttempt,
  allocatorLeave,
  allocatorLoop,
  allocatorSignal,
  allocatorTerminate,
  callingServer,
  configure,
  fleetManager,
  gameyeMatchmakerMatched,
  initializeGameye,
  rpcFleetCreate,
  rpcFleetDelete,
  rpcServerJoin,
  rpcServerLeave,
  rpcServerResult,
  rpcDeleteInstanceInfo,
  type CallbackResult,
  type Context,
  type Initializer,
  type Logger,
  type Nakama,
  type ServerResult,
  type SessionEnd,
} from 'nakama-gameye';

// At the top level: Nakama runs it in every VM, InitModule in one only.
configure({
  onMatched(_ctx, _logger, _nk, entries) {
    if (!entries.every((entry) => entry.properties['mode'] === 'duel')) return false;
    return {
      maxPlayers: 4,
      env: { GAME_MODE: 'duel' },
      metadata: { mode: 'duel' },
      callback: 'duelEnded',
    };
  },
  callbacks: {
    // By name, because it is called in another VM than the one that matched the players.
    duelEnded: storeDuel,
    // Its players are told by nobody but this function.
    quietly: { run: storeDuel, notify: false },
  },
  extras(_ctx, _logger, _nk, instance, userId) {
    const seats = Object.keys(instance.seats).sort();
    return { team: seats.indexOf(userId) % 2 === 0 ? 'red' : 'blue' };
  },
  onResult: rewardWinner,
  onEnded: storeEnd,
});

/** Runs for every result of a game server, after a crash possibly twice: the second time it changes nothing. */
function rewardWinner(_ctx: Context, logger: Logger, nk: Nakama, { id, result, user_ids }: ServerResult): void {
  const { winner, score } = result;
  // Whoever was not there has won nothing, whatever a game server says.
  if (typeof winner !== 'string' || !user_ids.includes(winner) || typeof score !== 'number') {
    logger.warn('A duel has a result without a winner.');
    return;
  }
  nk.leaderboardRecordWrite('duel_score', winner, undefined, score);
  nk.sqlExec('INSERT INTO duel_reward (id, user_id, coins) VALUES ($1, $2, 10) ON CONFLICT (id) DO NOTHING', [
    id,
    winner,
  ]);
}

/** Runs once a session is over, however it ended. */
function storeEnd(_ctx: Context, _logger: Logger, nk: Nakama, { id, reason, user_ids, results }: SessionEnd): void {
  storeDuelAs(nk, id, { reason, players: user_ids, rounds: results.length });
}

/** Runs once an allocation has ended, well or not; after a crash possibly once more, and then stores the same again. */
function storeDuel(_ctx: Context, logger: Logger, nk: Nakama, result: CallbackResult): void {
  const { status, error, request } = result;
  storeDuelAs(nk, result.id, { status, error, players: request.user_ids });
  logger.info('A duel has a server, or none.');
}

function storeDuelAs(nk: Nakama, id: string, value: object): void {
  nk.sqlExec(
    `INSERT INTO duel (id, value) VALUES ($1, $2::text::jsonb) ON CONFLICT (id) DO UPDATE SET value = excluded.value`,
    [id, JSON.stringify(value)],
  );
}

/** RPC `duels` → `[{id, open_seats}]`: those that a player may still join, fullest first. */
function rpcDuels(ctx: Context, logger: Logger, nk: Nakama): string {
  const query = '+value.metadata.mode:duel +value.status:running +value.open_seats:>=1';
  const { instances } = fleetManager(ctx, logger, nk).list({ query, limit: 20 });
  return JSON.stringify(instances.map(({ id, open_seats }) => ({ id, open_seats })));
}

/** RPC `join_duel {id}` → what `gameye_match` carries: host, port, seat token, team. A refusal (full, gone) reaches the player with its code and its advice. */
function rpcJoinDuel(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  // A game server's token is a session of Nakama as well; a thrown object is the one error whose code reaches the caller.
  // eslint-disable-next-line @typescript-eslint/only-throw-error
  if (callingServer(ctx, nk) !== undefined) throw { message: 'Only players may call this.', code: 7 };
  const { id } = JSON.parse(payload) as { id: string };
  const { matches } = fleetManager(ctx, logger, nk).join(id, [ctx.userId ?? ''], { notify: false });
  return JSON.stringify(matches[0]);
}

/** The game's own tables, in Nakama's database. The lock makes nodes that start at once create them one after the other. */
const CREATE_DUELS = `DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(4711);
  CREATE TABLE IF NOT EXISTS duel (id text PRIMARY KEY, value jsonb NOT NULL);
  CREATE TABLE IF NOT EXISTS duel_reward (id text PRIMARY KEY, user_id text NOT NULL, coins int4 NOT NULL);
END $$`;

function InitModule(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  nk.sqlExec(CREATE_DUELS);
  nk.leaderboardCreate('duel_score', true, 'desc', 'best');
  initializer.registerRpc('duels', rpcDuels);
  initializer.registerRpc('join_duel', rpcJoinDuel);
  // Of Gameye's, what this game needs: the matchmaker, the doors that are used, and always the allocator.
  initializer.registerMatchmakerMatched(gameyeMatchmakerMatched);
  initializer.registerRpc('fleet_create', rpcFleetCreate);
  initializer.registerRpc('fleet_delete', rpcFleetDelete);
  initializer.registerRpc('gameye_server_join', rpcServerJoin);
  initializer.registerRpc('gameye_server_leave', rpcServerLeave);
  initializer.registerRpc('gameye_server_result', rpcServerResult);
  initializer.registerRpc('delete_instance_info', rpcDeleteInstanceInfo);
  initializer.registerMatch('gameye_allocator', {
    matchInit: allocatorInit,
    matchJoinAttempt: allocatorJoinAttempt,
    matchJoin: allocatorJoin,
    matchLeave: allocatorLeave,
    matchLoop: allocatorLoop,
    matchTerminate: allocatorTerminate,
    matchSignal: allocatorSignal,
  });
  initializeGameye(ctx, logger, nk, initializer);
}

// Nothing here calls InitModule; without this the bundler would drop it.
!InitModule && InitModule.bind(null);
