import { errorText, withFields } from '../nakama/log';
import type { Logger, Nakama } from '../nakama/runtime';
import { Code, isRpcError } from '../refusal';
import { ask, run } from './sql';

/*
 * The tables, as numbered migrations. They only ever add, so that an older module works on a newer schema while nodes are
 * replaced one by one. Names as stored are the names in JSON; columns for what is searched or counted, `jsonb` for the rest.
 */

/** Of pg_advisory_xact_lock: nodes that start at once create the tables one after the other. */
const LOCK = 7_300_730;

const MIGRATIONS: string[] = [
  `
CREATE TABLE gameye_control (
  key text PRIMARY KEY,
  value jsonb NOT NULL,
  holder text NOT NULL DEFAULT '',
  until timestamptz NOT NULL DEFAULT now(),
  version int8 NOT NULL DEFAULT 1
);
CREATE TABLE gameye_allocation (
  id text PRIMARY KEY,
  fleet text NOT NULL,
  state text NOT NULL CHECK (state IN ('queued', 'starting', 'seated', 'started', 'announced', 'failed', 'cancelled', 'over')),
  session_id text NOT NULL,
  version int8 NOT NULL DEFAULT 1,
  holder text NOT NULL DEFAULT '',
  lease_until timestamptz NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  deadline timestamptz NOT NULL,
  keep_until timestamptz,
  attempts int4 NOT NULL DEFAULT 0,
  cancelled boolean NOT NULL DEFAULT false,
  server_ready boolean NOT NULL DEFAULT false,
  guest_pool text,
  free_seats int4 NOT NULL DEFAULT 0 CHECK (free_seats >= 0),
  guests jsonb NOT NULL DEFAULT '[]',
  doc jsonb NOT NULL
);
CREATE INDEX gameye_allocation_due ON gameye_allocation (lease_until) WHERE state <> 'over';
CREATE INDEX gameye_allocation_hosts ON gameye_allocation (guest_pool) WHERE free_seats > 0;
CREATE INDEX gameye_allocation_session ON gameye_allocation (session_id);
CREATE INDEX gameye_allocation_over ON gameye_allocation (keep_until) WHERE state = 'over';
CREATE TABLE gameye_instance (
  id text PRIMARY KEY,
  allocation_id text NOT NULL DEFAULT '',
  fleet text NOT NULL,
  status text NOT NULL,
  region text NOT NULL,
  image text NOT NULL,
  version text NOT NULL DEFAULT '',
  mode text NOT NULL DEFAULT '',
  ip_address text NOT NULL,
  dns_name text NOT NULL DEFAULT '',
  port int4 NOT NULL,
  ports jsonb NOT NULL,
  max_players int4 NOT NULL CHECK (max_players >= 0),
  reserved int4 NOT NULL DEFAULT 0 CHECK (reserved >= 0),
  joined int4 NOT NULL DEFAULT 0 CHECK (joined >= 0),
  unseated int4 NOT NULL DEFAULT 0,
  player_count int4 NOT NULL DEFAULT 0 CHECK (player_count >= 0 AND player_count = reserved + joined + unseated),
  open_seats int4 NOT NULL CHECK (open_seats >= 0 AND open_seats = greatest(0, max_players - player_count)),
  metadata jsonb NOT NULL DEFAULT '{}',
  pool text,
  open boolean NOT NULL DEFAULT true,
  visited boolean NOT NULL DEFAULT false,
  missed int4 NOT NULL DEFAULT 0,
  create_time timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  empty_since timestamptz
);
CREATE INDEX gameye_instance_order ON gameye_instance (fleet, player_count DESC, create_time DESC, id);
CREATE INDEX gameye_instance_room ON gameye_instance (pool, region, player_count DESC)
  WHERE open AND open_seats > 0 AND status = 'running';
CREATE INDEX gameye_instance_allocation ON gameye_instance (allocation_id) WHERE allocation_id <> id;
CREATE TABLE gameye_seat (
  user_id text PRIMARY KEY,
  state text NOT NULL CHECK (state IN ('starting', 'reserved', 'joined', 'lapsed', 'left', 'failed')),
  session_id text NOT NULL DEFAULT '',
  allocation_id text NOT NULL DEFAULT '',
  until timestamptz CHECK ((state = 'reserved') = (until IS NOT NULL)),
  reason text,
  starts jsonb NOT NULL DEFAULT '[]',
  version int8 NOT NULL DEFAULT 1,
  update_time timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX gameye_seat_session ON gameye_seat (session_id) WHERE session_id <> '';
CREATE INDEX gameye_seat_allocation ON gameye_seat (allocation_id) WHERE allocation_id <> '';
CREATE INDEX gameye_seat_until ON gameye_seat (until) WHERE state = 'reserved';
CREATE INDEX gameye_seat_idle ON gameye_seat (update_time) WHERE state IN ('left', 'failed', 'lapsed');
CREATE FUNCTION gameye_sessions(of_fleet text) RETURNS int4 LANGUAGE sql STABLE AS '
  SELECT (
    (SELECT count(*) FROM gameye_instance WHERE fleet = of_fleet AND status NOT IN (''lost'', ''exited'', ''dead'')) +
    (SELECT coalesce(sum(jsonb_array_length(coalesce(a.doc->''abandoned'', ''[]'')) + CASE
      WHEN a.state IN (''starting'', ''started'') AND a.attempts > 0
        AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id) THEN 1 ELSE 0 END), 0)
     FROM gameye_allocation a WHERE a.fleet = of_fleet AND a.state <> ''over'')
  )::int4
';
CREATE FUNCTION gameye_json(source text) RETURNS jsonb LANGUAGE plpgsql STABLE AS '
BEGIN
  RETURN source::jsonb;
EXCEPTION WHEN OTHERS THEN
  RETURN NULL;
END
';
CREATE FUNCTION gameye_admits(of_fleet text, most int4) RETURNS boolean LANGUAGE plpgsql VOLATILE AS '
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK + 1}, hashtext(of_fleet));
  RETURN gameye_sessions(of_fleet) < most;
END
';
`,
  `
ALTER TABLE gameye_instance ADD COLUMN reported boolean NOT NULL DEFAULT false;
`,
  `
ALTER TABLE gameye_instance ADD COLUMN solo boolean NOT NULL DEFAULT false;
UPDATE gameye_instance SET solo = true, mode = '' WHERE mode = 'solo';
CREATE FUNCTION gameye_sessions(of_fleet text, of_mode text) RETURNS int4 LANGUAGE sql STABLE AS '
  SELECT (
    (SELECT count(*) FROM gameye_instance
     WHERE fleet = of_fleet AND mode = of_mode AND status NOT IN (''lost'', ''exited'', ''dead'')) +
    (SELECT coalesce(sum(jsonb_array_length(coalesce(a.doc->''abandoned'', ''[]'')) + CASE
      WHEN a.state IN (''starting'', ''started'') AND a.attempts > 0
        AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id) THEN 1 ELSE 0 END), 0)
     FROM gameye_allocation a
     WHERE a.fleet = of_fleet AND a.state <> ''over'' AND coalesce(a.doc->''request''->>''mode'', '''') = of_mode)
  )::int4
';
CREATE FUNCTION gameye_admits(of_fleet text, most int4, of_mode text, most_of_mode int4) RETURNS boolean LANGUAGE plpgsql VOLATILE AS '
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK + 1}, hashtext(of_fleet));
  RETURN (most IS NULL OR gameye_sessions(of_fleet) < most)
    AND (most_of_mode IS NULL OR gameye_sessions(of_fleet, of_mode) < most_of_mode);
END
';
CREATE TABLE gameye_change (
  id int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  fleet text NOT NULL,
  change_time timestamptz NOT NULL DEFAULT now(),
  change text NOT NULL,
  node text NOT NULL,
  client_ip text NOT NULL DEFAULT '',
  meant jsonb NOT NULL DEFAULT '{}',
  before jsonb,
  after jsonb
);
CREATE INDEX gameye_change_order ON gameye_change (fleet, id);
ALTER TABLE gameye_instance ADD COLUMN empty_seconds float8 NOT NULL DEFAULT 0;
CREATE TABLE gameye_usage (
  fleet text NOT NULL,
  day date NOT NULL,
  mode text NOT NULL,
  sessions int8 NOT NULL DEFAULT 0,
  seconds float8 NOT NULL DEFAULT 0,
  empty_seconds float8 NOT NULL DEFAULT 0,
  no_show_seconds float8 NOT NULL DEFAULT 0,
  told jsonb NOT NULL DEFAULT '{}',
  PRIMARY KEY (fleet, day, mode)
);
ALTER TABLE gameye_instance ADD COLUMN visitors jsonb NOT NULL DEFAULT '[]';
ALTER TABLE gameye_instance ADD COLUMN results int4 NOT NULL DEFAULT 0;
ALTER TABLE gameye_instance ADD COLUMN silent_at timestamptz;
ALTER TABLE gameye_instance ADD COLUMN dead_at timestamptz;
ALTER TABLE gameye_instance ADD COLUMN ending text;
ALTER TABLE gameye_instance ADD COLUMN banned jsonb NOT NULL DEFAULT '[]';
CREATE INDEX gameye_instance_ending ON gameye_instance (fleet) WHERE ending IS NOT NULL;
CREATE TABLE gameye_result (
  id text PRIMARY KEY,
  fleet text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('result', 'end')),
  session_id text NOT NULL,
  round text,
  document jsonb,
  reason text,
  user_ids jsonb NOT NULL,
  instance jsonb NOT NULL,
  create_time timestamptz NOT NULL DEFAULT now(),
  keep_until timestamptz NOT NULL,
  callback text CHECK (callback IN ('waiting', 'done', 'failed')),
  due timestamptz CHECK ((due IS NOT NULL) = (coalesce(callback, '') = 'waiting')),
  attempts int4 NOT NULL DEFAULT 0
);
CREATE INDEX gameye_result_due ON gameye_result (due) WHERE due IS NOT NULL;
CREATE INDEX gameye_result_order ON gameye_result (fleet, create_time, id) WHERE kind = 'result';
CREATE INDEX gameye_result_session ON gameye_result (session_id);
CREATE INDEX gameye_result_keep ON gameye_result (keep_until);
ALTER TABLE gameye_instance ADD COLUMN shared boolean NOT NULL DEFAULT true;
ALTER TABLE gameye_instance ADD COLUMN awaited_until timestamptz;
CREATE INDEX gameye_instance_find ON gameye_instance (fleet, region, player_count DESC)
  WHERE open AND shared AND open_seats > 0 AND status = 'running';
ALTER TABLE gameye_allocation ADD COLUMN code text;
CREATE UNIQUE INDEX gameye_allocation_code ON gameye_allocation (fleet, code) WHERE code IS NOT NULL;
ALTER TABLE gameye_instance ADD COLUMN code text;
ALTER TABLE gameye_instance ADD COLUMN public boolean NOT NULL DEFAULT false;
ALTER TABLE gameye_instance ADD COLUMN host text NOT NULL DEFAULT '';
ALTER TABLE gameye_instance ADD COLUMN rematch jsonb NOT NULL DEFAULT '[]';
CREATE UNIQUE INDEX gameye_instance_code ON gameye_instance (fleet, code) WHERE code IS NOT NULL;
CREATE INDEX gameye_instance_public ON gameye_instance (fleet, region, player_count DESC)
  WHERE public AND open AND open_seats > 0 AND status = 'running';
CREATE TABLE gameye_spectator (
  session_id text NOT NULL REFERENCES gameye_instance (id) ON DELETE CASCADE,
  place int4 NOT NULL CHECK (place >= 1),
  user_id text NOT NULL UNIQUE,
  until timestamptz,
  PRIMARY KEY (session_id, place)
);
ALTER TABLE gameye_allocation ADD COLUMN warm text;
ALTER TABLE gameye_instance ADD COLUMN warm text;
CREATE INDEX gameye_allocation_warm ON gameye_allocation (warm) WHERE warm IS NOT NULL;
CREATE INDEX gameye_instance_warm ON gameye_instance (warm, region) WHERE warm IS NOT NULL;
CREATE FUNCTION gameye_warm_starting(of_fleet text, of_warm text, of_region text) RETURNS int4 LANGUAGE sql STABLE AS '
  SELECT (
    (SELECT count(*) FROM gameye_instance i
     WHERE i.fleet = of_fleet AND i.warm = of_warm AND i.region = of_region AND i.status = ''starting'') +
    (SELECT count(*) FROM gameye_allocation a
     WHERE a.fleet = of_fleet AND a.warm = of_warm AND a.doc->''regions''->>0 = of_region AND a.guests = ''[]''
       AND (a.state <> ''over'' OR a.doc->>''reason'' IS NOT NULL)
       AND NOT EXISTS (SELECT 1 FROM gameye_instance i WHERE i.id = a.session_id))
  )::int4
';
CREATE FUNCTION gameye_warm_running(of_fleet text, of_warm text, of_region text, least_ms float8) RETURNS int4 LANGUAGE sql STABLE AS '
  SELECT count(*)::int4 FROM gameye_instance i
  WHERE i.fleet = of_fleet AND i.warm = of_warm AND i.region = of_region AND i.player_count = 0 AND i.status = ''running''
    AND (i.expires_at IS NULL OR i.expires_at > now() + least_ms * interval ''1 millisecond'')
';
CREATE FUNCTION gameye_warm_missing(of_fleet text, of_warm text, of_region text, least_ms float8, wanted int4,
  most int4, of_mode text, most_of_mode int4) RETURNS int4 LANGUAGE plpgsql VOLATILE AS '
BEGIN
  PERFORM pg_advisory_xact_lock(${LOCK + 2}, hashtext(of_fleet));
  RETURN (SELECT least(
      wanted - gameye_warm_running(of_fleet, of_warm, of_region, least_ms) - gameye_warm_starting(of_fleet, of_warm, of_region),
      most - gameye_sessions(of_fleet) - unsent.n, most_of_mode - gameye_sessions(of_fleet, of_mode) - unsent.n)
    FROM (SELECT count(*)::int4 AS n FROM gameye_allocation a
      WHERE a.fleet = of_fleet AND a.warm IS NOT NULL AND a.attempts = 0 AND a.state IN (''queued'', ''starting'')) unsent);
END
';
`,
];

/** The schema that this module knows. */
export const SCHEMA_VERSION = MIGRATIONS.length;

/** What a person can run when the database user of Nakama may not create tables. Run twice, it changes nothing. */
export function migrationStatement(migrations: string[] = MIGRATIONS): string {
  const steps = migrations.map(
    (statements, i) => `IF done < ${i + 1} THEN${statements}
INSERT INTO gameye_migration (version) VALUES (${i + 1});
END IF;`,
  );
  return `DO $gameye$
DECLARE done int4;
BEGIN
PERFORM pg_advisory_xact_lock(${LOCK});
CREATE TABLE IF NOT EXISTS gameye_migration (version int4 PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
SELECT coalesce(max(version), 0) INTO done FROM gameye_migration;
${steps.join('\n')}
END
$gameye$`;
}

/**
 * Brings the tables up to date; for InitModule, and again for a node whose tables are missing. Nodes that start at once wait
 * for each other. Answers false when the tables cannot be used, and says in the log what a person has to do. Never throws.
 */
export function migrate(nk: Nakama, logger: Logger): boolean {
  try {
    const found = schemaVersion(nk);
    if (found < SCHEMA_VERSION) {
      run(nk, migrationStatement());
      withFields(logger, { schema: SCHEMA_VERSION, before: found }).info(
        'Gameye: the tables were created or brought up to date.',
      );
    } else if (found > SCHEMA_VERSION) {
      withFields(logger, { schema: found, known: SCHEMA_VERSION }).warn(
        'Gameye: the tables are those of a newer version of this module. It works with them; update it on this node too.',
      );
    }
    return true;
  } catch (error) {
    const isForbidden = isRpcError(error) && error.code === Code.FAILED_PRECONDITION;
    withFields(logger, {
      error: errorText(error),
      advice: isForbidden
        ? 'Run the statements as a user who may create tables and grant their use to the user of Nakama, or give that user the right to create tables.'
        : 'See the database error in this log. The tables are created once the database works.',
      ...(isForbidden ? { statements: migrationStatement() } : {}),
    }).error('Gameye: the tables are missing and could not be created: no game server will be started.');
    return false;
  }
}

/** The newest migration that the database has; 0 without any. */
export function schemaVersion(nk: Nakama): number {
  const exists = ask<boolean>(
    nk,
    `SELECT (to_regclass('gameye_migration') IS NOT NULL)::text AS answer, 0 AS now_ms`,
    [],
  );
  if (!exists) return 0;
  return ask<number>(nk, `SELECT coalesce(max(version), 0)::text AS answer, 0 AS now_ms FROM gameye_migration`, []);
}

/** How many records the first edition left in Nakama's storage; nothing reads them any more. */
export function oldRecords(nk: Nakama): number {
  const hasStorage = ask<boolean>(nk, `SELECT (to_regclass('storage') IS NOT NULL)::text AS answer, 0 AS now_ms`, []);
  if (!hasStorage) return 0;
  return ask<number>(
    nk,
    `SELECT count(*)::text AS answer, 0 AS now_ms FROM storage
     WHERE collection IN ('_gameye_instances', '_gameye_allocations') AND user_id = '00000000-0000-0000-0000-000000000000'`,
    [],
  );
}
