import { expect, it } from 'vitest';
import { Books } from '../../dev/chaos/books.ts';
import type { Records, SeatRow } from '../../dev/chaos/database.ts';
import type { AllocationRow, Asked } from '../../dev/chaos/evidence.ts';
import type { Player } from '../../dev/demo/player.ts';
import { attempt, record } from './support/good-run.ts';

const PLAYER = { userId: 'ann1', answers: [] } as unknown as Player;
const row = (change: Partial<SeatRow>): SeatRow => ({
  ...{
    userId: 'ann1',
    allocationId: 'a1',
    state: 'starting',
    sessionId: 's1',
    version: 5,
    updatedAtMs: Date.now() + 60_000,
  },
  ...change,
});

interface Tables {
  seats?: SeatRow[];
  allocations?: AllocationRow[];
  instances?: ReturnType<typeof record>[];
}

/** An attempt of a player whose row was `before`, and the books that look at these tables one after the other. */
async function looked(before: SeatRow[], ...tables: Tables[]): Promise<{ books: Books; asked: Asked }> {
  const books = new Books();
  const asked = books.begin(attempt(1, 'delete').planned, 1, 'n1', [PLAYER], before);
  for (const { seats = [], allocations = [], instances = [] } of tables) {
    const records = {
      allocations: () => Promise.resolve(allocations),
      instances: () => Promise.resolve(instances),
      seats: () => Promise.resolve(seats),
    };
    await books.look(records as unknown as Records);
  }
  return { books, asked };
}

it('the record of a chaos run takes a player’s row for the answer to the attempt that wrote it', async () => {
  const { books, asked } = await looked([], { seats: [row({ state: 'reserved' })] });
  expect(books.isStored(asked)).toBe(true);
  expect(books.told(asked, PLAYER)).toEqual({ kind: 'match', sessionId: 's1' });
  const failed = await looked([], { seats: [row({ state: 'failed', reason: 'error' })] });
  expect(failed.books.told(failed.asked, PLAYER)).toEqual({ kind: 'failed' });
  const waiting = await looked([], { seats: [row({})] });
  expect(waiting.books.isStored(waiting.asked)).toBe(true);
  expect(waiting.books.told(waiting.asked, PLAYER)).toBeUndefined();
});

it('the record of a chaos run does not take a row of an earlier attempt for an answer', async () => {
  const told = async (before: SeatRow, now: Partial<SeatRow>) => {
    const { books, asked } = await looked([before], { seats: [row(now)] });
    return books.told(asked, PLAYER);
  };
  const failed = row({ state: 'failed', version: 5 });
  expect(await told(failed, { state: 'failed' })).toBeUndefined();
  // Its session is removed only now.
  expect(await told(failed, { state: 'failed', allocationId: '', sessionId: '', version: 6 })).toBeUndefined();
  // This attempt was stored, ended and removed since.
  expect(await told(failed, { state: 'failed', allocationId: '', sessionId: '', version: 8 })).toEqual({
    kind: 'failed',
  });
});

it('the record of a chaos run notes which other node works on an attempt', async () => {
  const worked = (node: string): Tables => {
    const allocation = { id: 'a1', state: 'starting', sessionId: 's1', createdAtMs: Date.now(), abandoned: [], node };
    return { seats: [row({})], allocations: [allocation] };
  };
  const { asked } = await looked([], worked('n1'), worked(''), worked('n2'), worked('n2'), worked('n1'));
  expect(asked.owners.map(({ node }) => node)).toEqual(['n2', 'n1']);
});

it('the record of a chaos run notes what is wrong with the seats that it sees', async () => {
  const { books } = await looked([], { instances: [{ ...record('s1', ['ann1', 'bob1']), joined: 1 }] });
  expect(books.miscounted).toHaveLength(1);
});
