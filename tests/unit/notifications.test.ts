import { beforeAll, describe, expect, it } from 'vitest';
import { NO_LIMIT } from '../../src/database/allocation-row';
import { endAllocation } from '../../src/database/allocations';
import { storeAllocation } from '../../src/database/storing';
import { newAllocation } from '../../src/allocation/allocation';
import { changeOf } from '../../src/allocation/ownership';
import { fakeNakama, type FakeNakama } from './support/nakama';
import { FLEET, rowsIn } from './support/records';

const [ANN, BEN] = ['5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6', '00000000-0000-4000-8000-000000000001'] as const;
const SENDER = '00000000-0000-0000-0000-000000000000';
const MATCH = { host: '1.2.3.4', port: 1, session_id: 's' };

interface Sent {
  user?: string;
  code?: number;
  subject?: string;
  sender?: string;
  content?: object;
}

/** As Nakama's migration 20180103142001 has it, without its users. */
const TABLE = `CREATE TABLE IF NOT EXISTS public.notification (
  PRIMARY KEY (user_id, create_time, id), id uuid NOT NULL UNIQUE, user_id uuid NOT NULL, subject varchar(255) NOT NULL,
  content jsonb NOT NULL DEFAULT '{}', code smallint NOT NULL, sender_id uuid NOT NULL, create_time timestamptz NOT NULL)`;

/** Stores notifications, one a second, and ends an allocation whose players were told; answers what is left, by position. */
function leftOf(fake: FakeNakama, sent: Sent[], told: string[]): number[] {
  fake.query('DELETE FROM notification');
  sent.forEach(({ user = ANN, code = 7300, subject = 'gameye_match', sender = SENDER, content = MATCH }, i) => {
    fake.query(
      `INSERT INTO notification (id, user_id, subject, content, code, sender_id, create_time)
       VALUES (gen_random_uuid(), $1, $2, $3, $4, $5, to_timestamp($6::int4))`,
      [user, subject, JSON.stringify(content), code, sender, i],
    );
  });
  const a = newAllocation(
    'a1',
    { user_ids: told, max_players: 2, latencies: [], metadata: {} },
    ['eu'],
    60_000,
    Date.now(),
  );
  const change = { ...changeOf(a), fleet: FLEET, create_timeout_ms: 60_000, guest_pool: null, user_ids: told };
  storeAllocation(fake.nk, { ...change, most: NO_LIMIT, most_starts: null }, { holder: 'm1', ms: 20_000 });
  expect(endAllocation(fake.nk, 'a1', 'm1', null, told)).toBe(true);
  expect(rowsIn(fake, 'allocation')).toBe(0);
  const rows = fake.query<{ at: number }>(
    'SELECT extract(epoch FROM create_time)::int4 AS at FROM notification ORDER BY 1',
  );
  return rows.map(({ at }) => at);
}

describe('the notifications of players who were told of a match', () => {
  const fake = fakeNakama();
  beforeAll(() => void fake.query(TABLE));

  it('keep the latest match of each, and no older one', () => {
    const many = Array.from({ length: 150 }, () => ({}));
    expect(leftOf(fake, many, [ANN])).toEqual([149]);
    expect(leftOf(fake, [{}, { user: BEN }, {}, { user: BEN }, {}], [ANN, BEN])).toEqual([3, 4]);
  });
  it('keep all that a studio or another player has sent, whatever it looks like', () => {
    const kept = [
      { code: 7301 },
      { code: 7300, subject: 'own' },
      { content: { text: 'welcome' } },
      { sender: BEN },
      { code: 1, subject: 'gift' },
      { user: BEN },
    ];
    expect(leftOf(fake, [...kept, {}, {}], [ANN])).toEqual([0, 1, 2, 3, 4, 5, 7]);
  });
  it('stay as they are when nobody was told, or nobody who is a user', () => {
    expect(leftOf(fake, [{}, {}], [])).toEqual([0, 1]);
    expect(leftOf(fake, [{}, {}], ['u1'])).toEqual([0, 1]);
  });
  it('hold up no allocation, should Nakama one day keep them elsewhere', () => {
    const later = fakeNakama();
    later.query(TABLE);
    later.query('ALTER TABLE notification RENAME TO notification_of_old');
    try {
      const a = newAllocation(
        'a1',
        { user_ids: [ANN], max_players: 2, latencies: [], metadata: {} },
        ['eu'],
        60_000,
        0,
      );
      const change = { ...changeOf(a), fleet: FLEET, create_timeout_ms: 60_000, guest_pool: null, user_ids: [ANN] };
      storeAllocation(later.nk, { ...change, most: NO_LIMIT, most_starts: null }, { holder: 'm1', ms: 20_000 });
      expect(endAllocation(later.nk, 'a1', 'm1', null, [ANN])).toBe(true);
      expect(rowsIn(later, 'allocation')).toBe(0);
    } finally {
      later.query('ALTER TABLE notification_of_old RENAME TO notification');
    }
  });
});
