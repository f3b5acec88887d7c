import { query } from '../stack/database.ts';
import type { NakamaRuntime } from '../stack/runtimes.ts';

/** The schema that has the tables: the embedded runtime keeps its own apart from those of a real Nakama. */
export function schemaOf(runtime: NakamaRuntime): string {
  return runtime.kind === 'embedded' ? 'embedded_nakama' : 'public';
}

/** Pools are shared by a fifth of the sessions each; `pool` is one of them. */
export async function fill(database: string, schema: string, from: number, to: number, pool = 'p0'): Promise<void> {
  await query(
    database,
    `INSERT INTO ${schema}.gameye_instance (id, allocation_id, fleet, status, region, image, version, ip_address, port, ports,
       max_players, joined, player_count, open_seats, metadata, pool, visited, create_time, expires_at)
     SELECT id, id, 'default', 'running', 'region-' || n % 5, 'demo-game', '1.' || n % 3, '127.0.0.1', 20000 + n % 9999,
       jsonb_build_object('7777/udp', 20000 + n % 9999), 8, players, players, 8 - players,
       jsonb_build_object('mode', CASE n % 2 WHEN 0 THEN 'arena' ELSE 'duel' END, 'map', 'map-' || n % 40),
       CASE n / 5 % 5 WHEN 0 THEN $3::text ELSE 'other-' || n / 5 % 5 END, true,
       now() - interval '1 hour' - n * interval '10 milliseconds', now() + interval '1 day'
     FROM (SELECT n, 1 + n % 8 AS players, gen_random_uuid()::text AS id FROM generate_series($1::int, $2::int - 1) AS n) x`,
    [from, to, pool],
  );
  // Each has the seats that it counts.
  await query(
    database,
    `INSERT INTO ${schema}.gameye_seat (user_id, state, session_id, allocation_id)
     SELECT gen_random_uuid()::text, 'joined', i.id, i.id
     FROM ${schema}.gameye_instance i, LATERAL generate_series(1, i.joined)
     WHERE NOT EXISTS (SELECT 1 FROM ${schema}.gameye_seat s WHERE s.session_id = i.id)`,
  );
  // What autovacuum would do within a minute.
  await query(database, `ANALYZE ${schema}.gameye_instance, ${schema}.gameye_seat`);
}
