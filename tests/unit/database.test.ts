import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_LIMIT } from '../../src/database/allocation-row';
import { markReady, readAllocation } from '../../src/database/allocations';
import { storeAllocation } from '../../src/database/storing';
import { migrate, migrationStatement, SCHEMA_VERSION } from '../../src/database/schema';
import { takeSeats } from '../../src/database/seats';
import { readStanding, withdraw } from '../../src/database/standing';
import type { Nakama } from '../../src/nakama/runtime';
import { openSyncDatabase } from '../helpers/sync-database';
import { concurrent, type Concurrent } from './support/concurrent';
import { configWith, SEAT_SECRET, TOKEN } from './support/config';
import { answer } from './support/gameye';
import { live, thePost } from './support/life';
import { fakeNakama, type LogLine } from './support/nakama';
import { FLEET, putAllocation, putInstance } from './support/records';

/** What a database answers a server that connects as somebody, and what that server logs. */
function serverOn(address: string): { nk: Nakama; logger: Parameters<typeof migrate>[1]; log: LogLine[] } {
  const database = openSyncDatabase(address);
  const { logger, log } = fakeNakama();
  const nk = {
    sqlQuery: (text, values = []) => database.query(text, values),
    sqlExec: (text, values = []) => database.exec(text, values),
  } as Partial<Nakama> as Nakama;
  return { nk, logger, log };
}

describe('the tables of the module', () => {
  let db: Concurrent;
  beforeAll(async () => void (db = await concurrent(32, 'empty')));
  afterAll(() => db.close());

  it('are created once by 32 nodes that start at the same time', async () => {
    await Promise.all(Array.from({ length: 32 }, () => db.query(migrationStatement())));
    const rows = await db.query<{ version: number }>('SELECT version FROM gameye_migration ORDER BY version');
    expect(rows.map(({ version }) => version)).toEqual(Array.from({ length: SCHEMA_VERSION }, (_, i) => i + 1));
  });
  it('are left alone by a node that finds them, which says nothing', () => {
    const { nk, logger, log } = serverOn(db.address);
    expect(migrate(nk, logger)).toBe(true);
    expect(log).toEqual([]);
  });
  it('of a newer module are used, and the log says so', async () => {
    await db.query('INSERT INTO gameye_migration (version) VALUES ($1)', [SCHEMA_VERSION + 1]);
    const { nk, logger, log } = serverOn(db.address);
    expect(migrate(nk, logger)).toBe(true);
    expect(log).toMatchObject([
      {
        level: 'warn',
        message: expect.stringContaining('newer'),
        fields: { schema: String(SCHEMA_VERSION + 1), known: String(SCHEMA_VERSION) },
      },
    ]);
    expect(readStanding(nk, FLEET, 'u1')).toBeUndefined();
  });
});

describe('a database user who may not create tables', () => {
  it('is refused with code 9, and the log has the statements that a person has to run', async () => {
    const db = await concurrent(1, 'empty');
    const role = `plain_${db.address.slice(-8)}`;
    await db.query(`CREATE ROLE ${role} LOGIN PASSWORD 'plain'`);
    await db.query('REVOKE CREATE ON SCHEMA public FROM PUBLIC');
    const { nk, logger, log } = serverOn(`${role}:plain@${db.address.slice(db.address.indexOf('@') + 1)}`);

    expect(migrate(nk, logger)).toBe(false);
    expect(log).toMatchObject([{ level: 'error', fields: { statements: migrationStatement() } }]);
    const refusal = expect.objectContaining({ code: 9, message: expect.stringContaining('tables') });
    expect(() => readStanding(nk, FLEET, 'u1')).toThrow(refusal);
    expect(() => takeSeats(nk, FLEET, 's1', ['u1'], null)).toThrow(refusal);

    // A person does what the log says.
    await db.query(log[0]?.fields['statements'] ?? '');
    await db.query(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ${role}`);
    expect(migrate(nk, logger)).toBe(true);
    expect(takeSeats(nk, FLEET, 's1', ['u1'], null)).toEqual({ kind: 'gone' });
    await db.close();
  });
});

describe('a text that the database does not take', () => {
  const texts: [string, string][] = [
    ['NUL', 'a\0b'],
    ['half a character', 'a\ud800b'],
  ];
  it.each(texts)('(%s) is refused with code 3 as bad input, and changes nothing', (_what, text) => {
    const fake = fakeNakama();
    putInstance(fake);
    const refusal = expect.objectContaining({ code: 3 });
    expect(() => takeSeats(fake.nk, FLEET, 's1', ['u1', text], null)).toThrow(refusal);
    expect(() => putAllocation(fake, { user_ids: ['u1'], metadata: { map: text } })).toThrow(refusal);
    expect(fake.query('SELECT user_id FROM gameye_seat')).toEqual([]);
    expect(fake.query('SELECT id FROM gameye_allocation')).toEqual([]);
  });
  it('is refused with code 3 as an id as well', () => {
    const { nk } = fakeNakama();
    const refusal = expect.objectContaining({ code: 3 });
    expect(() => readStanding(nk, FLEET, 'a\0b')).toThrow(refusal);
    expect(() => withdraw(nk, FLEET, 'a\0b')).toThrow(refusal);
    expect(() => readAllocation(nk, FLEET, 'a\0b')).toThrow(refusal);
  });
});

describe('an allocation that is stored again', () => {
  it('is answered as it was stored first, and its players’ rows stay', () => {
    const fake = fakeNakama();
    putAllocation(fake, { user_ids: ['u1'] });
    const row = readAllocation(fake.nk, FLEET, 'a1');
    const stored = storeAllocation(
      fake.nk,
      {
        ...{ id: 'a1', state: 'starting', session_id: 'a1', attempts: 0, free_seats: 0, doc: {}, fleet: FLEET },
        ...{ create_timeout_ms: 1, guest_pool: null, user_ids: ['u2'], most: NO_LIMIT, most_starts: null },
      },
      { holder: 'm2.n1', ms: 20_000 },
    );
    expect(stored).toEqual({ kind: 'exists' });
    expect(readAllocation(fake.nk, FLEET, 'a1')).toEqual(row);
    expect(fake.query('SELECT user_id FROM gameye_seat')).toEqual([{ user_id: 'u1' }]);
  });
});

describe('a new allocation', () => {
  const yesAndNo = [true, false];
  const all = yesAndNo.flatMap((starts) =>
    yesAndNo.flatMap((alone) =>
      yesAndNo.flatMap((limited) => yesAndNo.map((coded) => ({ starts, alone, limited, coded }))),
    ),
  );

  it.each(all)('is stored with its player, whatever it asks for: %o', ({ starts, alone, limited, coded }) => {
    const fake = fakeNakama();
    const stored = storeAllocation(
      fake.nk,
      {
        ...{ id: 'a1', state: 'starting', session_id: 'a1', attempts: 0, free_seats: 0, doc: {}, fleet: FLEET },
        ...{ create_timeout_ms: 60_000, guest_pool: null, user_ids: ['u1'], most_starts: starts ? 2 : null },
        most: limited ? { of_fleet: 1, of_mode: 1 } : NO_LIMIT,
        ...(alone ? { alone: { most: 2, unless: 'playing' } } : {}),
        ...(coded ? { code: 'K7QM2XPA' } : {}),
      },
      { holder: 'm2.n1', ms: 20_000 },
    );
    expect(stored).toMatchObject({ kind: 'stored', taken: ['u1'], refused: [], before: [] });
    expect(fake.query('SELECT code FROM gameye_allocation')).toEqual([{ code: coded ? 'K7QM2XPA' : null }]);
    const [seat] = fake.query('SELECT jsonb_array_length(starts) AS counted FROM gameye_seat');
    expect(seat).toEqual({ counted: starts || alone ? 1 : 0 });
  });
});

describe('the values of all statements of a match', () => {
  it('have no secret among them: not the token, not a seat’s, not a game server’s, not one that Gameye echoes', () => {
    const config = configWith({
      GAMEYE_API_REGION: 'eu-central-1',
      GAMEYE_READY: 'server',
      GAMEYE_NAKAMA_URL: 'http://nakama.test',
      GAMEYE_SEAT_SECRET: SEAT_SECRET,
    });
    const { fake, told } = live({
      config,
      meanwhile: {
        before: (event) => thePost(event),
        act: ({ fake: server, api }) => {
          let echoed = false;
          server.http = (request) => {
            if (request.method === 'post') markReady(server.nk, FLEET, 'id-0');
            if (echoed) return api.handle(request);
            echoed = true;
            return answer(500, { message: `bad: ${JSON.stringify(request.headers)}` });
          };
        },
      },
    });
    expect(told.map(({ code }) => code)).toEqual([7300, 7300]);
    const env = fake.requests.map(({ body }) => (body as { env?: { [name: string]: string } } | undefined)?.env);
    const secrets = env.flatMap((one) => (one ? [one['SEAT_SECRET'], one['NAKAMA_SERVER_TOKEN']] : []));
    const tokens = fake.sent().map(({ content }) => content['seat_token']);
    const all = [TOKEN, SEAT_SECRET, ...secrets, ...tokens];
    expect(all.filter((one) => typeof one !== 'string' || one.length < 8)).toEqual([]);
    expect(all.length).toBeGreaterThan(5);
    const bound = JSON.stringify(fake.events.map((event) => (event.kind === 'sql' ? event.values : [])));
    expect(bound).toContain('500');
    expect(all.filter((one) => bound.includes(JSON.stringify(one).slice(1, -1)))).toEqual([]);
  });
});
