import { translateQuery } from '../../../src/instances/query';
import type { Concurrent } from './concurrent';

/** What of an instance a list can be asked for. */
export interface Row {
  status: string;
  region: string;
  image: string;
  version: string;
  mode: string;
  players: number;
  seats: number;
  metadata: object;
}

/** A row where a test says nothing else. */
const usual: Row = {
  status: 'running',
  region: 'ap',
  image: 'my-game',
  version: '',
  mode: '',
  players: 0,
  seats: 2,
  metadata: {},
};
/** Row 1 is the first one, and so on. Each was made a second after the one before. */
const ROWS: Partial<Row>[] = [
  { region: 'eu-central-1', version: '1.0.0', mode: 'duel', seats: 4, metadata: { level: 3, map: 'dust', on: true } },
  { region: 'eu-central-1', version: '1.0.0', mode: 'duel', players: 4, seats: 4, metadata: { level: '3', on: false } },
  { region: 'eu-west-1', version: '1.1.0', mode: 'duel', players: 2, seats: 4, metadata: { level: 10, map: 'dust 2' } },
  { region: 'us-east-1', image: 'host:5000/my-game', version: '1.1.0-b', mode: 'race', players: 1, seats: 8 },
  { region: 'us-east-1', status: 'lost', mode: 'race', players: 3, seats: 8, metadata: { tags: ['a', 'b'] } },
  { mode: 'a:b', metadata: { on: 'T' } },
  { mode: 'a^b~c', metadata: { on: 'true' } },
  { mode: 'say "hi"', metadata: { on: null } },
  { mode: 'back\\slash', metadata: { deep: { er: { x: 7 } } } },
  { mode: '100%', metadata: { levels: [3, 4] } },
  { mode: '1000', metadata: { score: -1.5 } },
  { mode: 'a_b', metadata: { 'a "key\\': 'yes' } },
  { mode: 'axb', metadata: { level: { max: 3 } } },
  { mode: 'a*b', metadata: { level: 3.5 } },
  { mode: 'a?b', metadata: { map: 'DUST' } },
  { mode: '+plus' },
  { mode: '-minus' },
  { mode: '>=5' },
  { mode: 'with space' },
  { mode: 'ünï☕' },
];
export const from = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);
/** The numbers of all rows. */
export const ALL = from(1, ROWS.length);

/** Stores an instance of a fleet that was made that many microseconds after 2026-11-22T08:00:00Z. */
export async function putListed(
  db: Concurrent,
  fleet: string,
  id: string,
  row: Partial<Row>,
  us: number,
): Promise<void> {
  const { status, region, image, version, mode, players, seats, metadata } = { ...usual, ...row };
  await db.query(
    `INSERT INTO gameye_instance (id, fleet, status, region, image, version, mode, ip_address, port, ports, max_players, unseated,
       player_count, open_seats, metadata, create_time)
     VALUES ($1, $11, $2, $3, $4, $5, $6, '1.2.3.4', 1, '{}', $7::int4, $8::int4, $8::int4,
       $7::int4 - $8::int4, $9,
       timestamptz '2026-11-22T08:00:00Z' + $10::int8 * interval '1 microsecond')`,
    [id, status, region, image, version, mode, seats, players, JSON.stringify(metadata), us, fleet],
  );
}

/** Stores all rows, in the fleet `f`. */
export async function putRows(db: Concurrent): Promise<void> {
  for (const [i, row] of ROWS.entries()) await putListed(db, 'f', `r${i + 1}`, row, (i + 1) * 1_000_000 + 123_456);
}

/** The numbers of the rows that a query finds. */
export async function foundBy(db: Concurrent, query: string): Promise<number[]> {
  const asked = translateQuery(query, 1);
  if ('problem' in asked) throw new Error(`${query} ${asked.problem}`);
  const rows = await db.query<{ id: string }>(`SELECT id FROM gameye_instance i WHERE ${asked.sql}`, asked.values);
  return rows.map(({ id }) => Number(id.slice(1))).sort((a, b) => a - b);
}
