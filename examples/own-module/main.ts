import {
  allocatorInit,
  allocatorJoin,
  allocatorJoinAttempt,
  allocatorLeave,
  allocatorLoop,
  allocatorSignal,
  allocatorTerminate,
  configure,
  fleetManager,
  gameyeMatchmakerMatched,
  initializeGameye,
  rpcFleetCreate,
  rpcFleetDelete,
  rpcServerJoin,
  rpcServerLeave,
  type CallbackResult,
  type Context,
  type Initializer,
  type Logger,
  type Nakama,
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
});

/** Runs once an allocation has ended, well or not; after a crash possibly once more, and then stores the same again. */
function storeDuel(_ctx: Context, logger: Logger, nk: Nakama, result: CallbackResult): void {
  const value = { status: result.status, error: result.error, players: result.request.user_ids };
  nk.sqlExec(
    `INSERT INTO duel (id, value) VALUES ($1, $2::text::jsonb) ON CONFLICT (id) DO UPDATE SET value = excluded.value`,
    [result.id, JSON.stringify(value)],
  );
  logger.info('A duel has a server, or none.');
}

/** RPC `duels` → `[{id, open_seats}]`: those that a player may still join, fullest first. */
function rpcDuels(ctx: Context, logger: Logger, nk: Nakama): string {
  const query = '+value.metadata.mode:duel +value.status:running +value.open_seats:>=1';
  const { instances } = fleetManager(ctx, logger, nk).list({ query, limit: 20 });
  return JSON.stringify(instances.map(({ id, open_seats }) => ({ id, open_seats })));
}

/** RPC `join_duel {id}` → what `gameye_match` carries: host, port, seat token, team. A refusal (full, gone) reaches the player with its code and its advice. */
function rpcJoinDuel(ctx: Context, logger: Logger, nk: Nakama, payload: string): string {
  const { id } = JSON.parse(payload) as { id: string };
  const { matches } = fleetManager(ctx, logger, nk).join(id, [ctx.userId ?? ''], { notify: false });
  return JSON.stringify(matches[0]);
}

/** The game's own table, in Nakama's database. The lock makes nodes that start at once create it one after the other. */
const CREATE_DUELS = `DO $$ BEGIN
  PERFORM pg_advisory_xact_lock(4711);
  CREATE TABLE IF NOT EXISTS duel (id text PRIMARY KEY, value jsonb NOT NULL);
END $$`;

function InitModule(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  nk.sqlExec(CREATE_DUELS);
  initializer.registerRpc('duels', rpcDuels);
  initializer.registerRpc('join_duel', rpcJoinDuel);
  // Of Gameye's, what this game needs: the matchmaker, the doors that are used, and always the allocator.
  initializer.registerMatchmakerMatched(gameyeMatchmakerMatched);
  initializer.registerRpc('fleet_create', rpcFleetCreate);
  initializer.registerRpc('fleet_delete', rpcFleetDelete);
  initializer.registerRpc('gameye_server_join', rpcServerJoin);
  initializer.registerRpc('gameye_server_leave', rpcServerLeave);
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
