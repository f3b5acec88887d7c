import { describe, expect, it } from 'vitest';
import { create } from '../../src/fleet/fleet-manager';
import { startSolo } from '../../src/players/solo';
import { configWith } from './support/config';
import { ALLOCATIONS, INSTANCES, live, rowsOf, type Life } from './support/life';
import type { FakeNakama } from './support/nakama';
import { refusal } from './support/refusal';

const capped = configWith({ GAMEYE_MAX_SESSIONS: '2' });
const gate = '_gameye_control/gate';

/** What the database counts, here as many as there are records of both kinds; answers how often it was asked. */
function counting(fake: FakeNakama): () => number {
  let asked = 0;
  fake.nk.sqlQuery = (sql) => {
    if (!sql.includes('AS sessions')) return [];
    asked++;
    return [{ sessions: rowsOf(fake).filter((row) => /^_gameye_(instances|allocations)/.test(row)).length }];
  };
  return () => asked;
}

/** Lives through an allocation while this many sessions run. */
function lived(running: number, act: (life: Life) => void = () => undefined) {
  let asked = (): number => 0;
  const life = live({
    config: capped,
    meanwhile: {
      event: 1,
      act: (one) => {
        asked = counting(one.fake);
        for (let i = 0; i < running; i++) one.fake.put(INSTANCES, `r${i}`, { id: `r${i}` });
        act(one);
      },
    },
  });
  return { life, asked: asked() };
}
const posts = ({ fake }: Life): number => fake.requests.filter(({ method }) => method === 'post').length;

describe('with GAMEYE_MAX_SESSIONS', () => {
  it('a session is started while there is room, and counted once', () => {
    const { life, asked } = lived(1);
    expect([posts(life), asked, life.running]).toEqual([1, 1, ['id-0']]);
    expect(life.fake.rows()).toContain(gate);
  });

  it('the players of one too many are told so, nothing is sent, and nothing is stored', () => {
    const { life } = lived(2);
    expect(life.fake.sent().map(({ code, content }) => [code, content['reason']])).toEqual([
      [7301, 'quota_exceeded'],
      [7301, 'quota_exceeded'],
    ]);
    expect(life.fake.requests).toEqual([]);
    expect(rowsOf(life.fake).filter((row) => !row.includes('/r'))).toEqual([]);
    expect(life.ended).toBe(true);
  });

  it('sessions are counted again when somebody else was admitted in between', () => {
    let writes = 0;
    const act = ({ fake }: Life): void => {
      const { before } = fake;
      fake.before = (event) => {
        before(event);
        if (event.kind !== 'write' || !event.keys.includes(gate) || writes++ > 0) return;
        // Another node: its session takes the last place.
        fake.put(INSTANCES, 'faster', { id: 'faster' });
        fake.put('_gameye_control', 'gate', { allocation: 'faster' });
      };
    };
    const { life, asked } = lived(1, act);
    expect([asked, posts(life)]).toEqual([2, 0]);
    expect(life.fake.sent()[0]).toMatchObject({ content: { reason: 'quota_exceeded' } });
  });

  it('an attempt that is repeated is not counted again', () => {
    let first = true;
    const act = ({ fake }: Life): void => {
      const honest = fake.http;
      fake.http = (request) => {
        if (!first) return honest(request);
        first = false;
        return { code: 503, headers: {}, body: '' };
      };
    };
    const { life, asked } = lived(1, act);
    expect([posts(life), asked]).toEqual([2, 1]);
  });

  it('requests of servers and of single players are refused with code 8', () => {
    const { life } = lived(2);
    life.fake.events.length = 0;
    const request = { user_ids: [], max_players: 2, latencies: [], metadata: {} };
    expect(refusal(() => create(life.call, request))).toMatchObject({ code: 8 });
    expect(refusal(() => startSolo(life.call, 'u9'))).toMatchObject({ code: 8 });
    expect(life.fake.events.filter(({ kind }) => kind !== 'read')).toEqual([]);
  });

  it('a database that does not count lets nobody in', () => {
    const { life } = lived(0, ({ fake }) => void (fake.nk.sqlQuery = () => []));
    expect(life.fake.requests).toEqual([]);
    expect(life.fake.sent()[0]).toMatchObject({ code: 7301 });
  });
});

it('without GAMEYE_MAX_SESSIONS nothing is counted', () => {
  const life = live({
    config: configWith(),
    meanwhile: {
      event: 1,
      act: ({ fake }) => {
        fake.nk.sqlQuery = () => {
          throw new Error('it was asked');
        };
      },
    },
  });
  expect(life.fake.rows()).not.toContain(gate);
  expect(life.fake.stored(ALLOCATIONS, 'id-0')).toBeUndefined();
  expect(life.running).toEqual(['id-0']);
});
