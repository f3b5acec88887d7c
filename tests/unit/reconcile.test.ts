import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { readListed } from '../../src/gameye/wire';
import { refreshedBy } from '../../src/instances/instance';
import { byUrgency, type Plan } from '../../src/supervision/plan';
import { fakeNakama, OWNER, type FakeNakama } from './support/nakama';
import { config, labels, listed, MINUTE, NOW, plan, store, type Entry, type RecordLike } from './support/reconcile';
import { FLEET, putAllocation } from './support/records';

let fake: FakeNakama;
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date'], now: NOW });
  fake = fakeNakama();
});
afterEach(() => void vi.useRealTimers());

const storeAll = (ids: string[], more: RecordLike = {}): void => ids.forEach((id) => store(fake, id, more));
const numbered = (count: number, name = 's'): string[] => Array.from({ length: count }, (_, i) => `${name}${i}`);
const tasks = (made: Plan): [string, string][] => made.tasks.map((task) => [task.do, task.id]);
const all = (ids: string[], more: Entry = {}): Entry[] => ids.map((id) => listed(id, more));

describe('records and sessions that agree', () => {
  it('need nothing', () => {
    storeAll(['a', 'b']);
    expect(plan(fake, all(['a', 'b']))).toEqual({ tasks: [], strays: {}, more: false });
  });
  it('need nothing while a session is being started, whatever the list shows of it', () => {
    store(fake, 'a');
    const abandoned = [{ session_id: 'given-up', since_ms: NOW }];
    putAllocation(fake, {}, { session_id: 'second', abandoned }, 'first');
    const ids = ['first', 'second', 'given-up'];
    expect(plan(fake, [listed('a'), ...all(ids, { playerCount: 1 }), ...all(ids)])).toMatchObject({
      tasks: [],
      strays: {},
    });
  });
  it('need nothing at once when a session is too young for the list', () => {
    store(fake, 'a');
    store(fake, 'new', { createdAt: NOW - 5000 });
    const made = plan(fake, [listed('a')]);
    expect(made.tasks).toEqual([{ do: 'confirm', id: 'new', at_ms: NOW + 15_000, young: true }]);
  });
});

describe('a record without a session', () => {
  it('is looked up by itself, never removed because of the list', () => {
    storeAll(['a', 'gone']);
    expect(tasks(plan(fake, [listed('a')]))).toEqual([['confirm', 'gone']]);
  });
  it('is looked up by itself also when the list shows that it ended', () => {
    storeAll(['a', 'gone']);
    expect(tasks(plan(fake, [listed('a'), listed('gone', { status: 'exited' })]))).toEqual([['confirm', 'gone']]);
  });
  it('needs nothing when the list shows it twice, once as ended', () => {
    storeAll(['a', 'b']);
    const ended = all(['a', 'b'], { status: 'exited' });
    expect(plan(fake, [ended[0], ...all(['a', 'b']), ended[1]])).toEqual({ tasks: [], strays: {}, more: false });
  });
  it('stays as it is while it restarts, or while its host cannot be reached', () => {
    const statuses = ['created', 'restarting', 'server_unreachable', 'draining', 'shuttingdown'];
    for (const status of statuses) store(fake, status, { status });
    expect(
      tasks(
        plan(
          fake,
          statuses.map((status) => listed(status, { status })),
        ),
      ),
    ).toEqual([]);
  });
});

describe('a record that is out of date', () => {
  it.each<[string, Entry]>([
    ['its status', { status: 'restarting' }],
    ['its host', { host: '5.6.7.8' }],
    ['its port', { port: { '7777/udp': 20002 } }],
    ['its ports, in the form of a start', { port: null, ports: [{ type: 'udp', container: 7777, host: 20002 }] }],
  ])('is repaired: %s', (_what, change) => {
    store(fake, 'a');
    const made = plan(fake, [listed('a', change)]);
    expect(tasks(made)).toEqual([['repair', 'a']]);
    const [task] = made.tasks;
    const shown = refreshedBy(readListed(task?.do === 'repair' ? task.entry : {}));
    expect(shown).toEqual(refreshedBy(readListed(listed('a', change))));
  });
  it.each<[string, Entry]>([
    ['address when the list shows none', { host: '', port: {} }],
    ['address when the list shows what cannot be one', { host: 'http://x', port: { '7777/udp': '20002' } }],
    ['ports when the list shows no form of them that is known', { port: { '7777/udp': 1e9 } }],
    ['ports when the list shows others beside them', { port: { '7777/udp': 20001, '1/sctp': 5, name: 'x' } }],
    [
      'ports when they come in the form of a start',
      { port: null, ports: [{ type: 'udp', container: 7777, host: 20001 }] },
    ],
    ['status when the list shows none', { status: '' }],
    ['status when the list shows what cannot be one', { status: { a: 1 } }],
  ])('keeps its %s', (_what, change) => {
    store(fake, 'a');
    expect(tasks(plan(fake, [listed('a', change)]))).toEqual([]);
  });
  it('keeps its ports when the one that players use is not among those listed', () => {
    store(fake, 'a');
    expect(tasks(plan(fake, [listed('a', { port: { '8080/tcp': 1 } })]))).toEqual([]);
    const both = { port: { '8080/tcp': 1, '7777/udp': 20002 } };
    expect(tasks(plan(fake, [listed('a', both)]))).toEqual([['repair', 'a']]);
  });
  it('is revived when it was taken for lost', () => {
    store(fake, 'a', { status: 'lost' });
    expect(tasks(plan(fake, [listed('a')]))).toEqual([['repair', 'a']]);
  });
  it('drains on, and waits on for its game server, whatever the list says of its status', () => {
    store(fake, 'a', { status: 'draining' });
    store(fake, 'b', { status: 'starting' });
    expect(tasks(plan(fake, all(['a', 'b'])))).toEqual([]);
  });
});

describe('a session without a record', () => {
  it('is noticed, and stopped when it is still there after the grace', () => {
    store(fake, 'a');
    const first = plan(fake, all(['a', 'stray']));
    expect(first.strays).toEqual({ stray: NOW });
    expect(first.tasks).toEqual([{ do: 'stop-stray', id: 'stray', at_ms: NOW + config.emptyGraceMs }]);
    const later = plan(fake, all(['a', 'stray']), { strays: { stray: NOW - MINUTE, gone: NOW - MINUTE } });
    expect(later.strays).toEqual({ stray: NOW - MINUTE });
    expect(later.tasks).toEqual([{ do: 'stop-stray', id: 'stray', at_ms: NOW }]);
  });
  it('gets a record when players are in it', () => {
    expect(tasks(plan(fake, [listed('stray', { playerCount: 2 })]))).toEqual([['adopt', 'stray']]);
  });
  it.each<[string, Entry]>([
    ['of another deployment, even if its fleet has the same name', labels({ nakama_fleet: FLEET, nakama_owner: 'x' })],
    ['of another fleet of the same database', labels({ nakama_fleet: 'ranked', nakama_owner: OWNER })],
    ['without labels', { labels: {} }],
    ['with labels that are none', { labels: 'x' }],
  ])('is none of ours: %s', (_whose, more) => {
    expect(plan(fake, [listed('theirs', more)])).toMatchObject({ tasks: [], strays: {} });
  });
  it('has one after all, if it is of another fleet', () => {
    store(fake, 'a', { fleet: 'ranked' });
    expect(plan(fake, [listed('a', { playerCount: 1 })])).toMatchObject({ tasks: [], strays: {} });
  });
  it('that ended is none', () => {
    for (const status of ['exited', 'dead']) expect(plan(fake, [listed('x', { status })]).strays).toEqual({});
  });
});

describe('a list that looks wrong', () => {
  const many = numbered(20);
  it.each<[string, { list?: Entry[]; body?: string }, string]>([
    ['could not be had', {}, 'failed'],
    ['is none', { body: '{"sessions":{"a":1}}' }, 'failed'],
    ['breaks off', { body: '{"sessions":[{"id":"s1","stat' }, 'failed'],
    ['is no JSON', { body: '<html>' }, 'failed'],
    ['has a text that Postgres does not take', { body: '{"sessions":[{"id":"\\u0000"}]}' }, 'failed'],
    ['has a number that Postgres does not take', { body: '{"sessions":[{"id":"a","n":1e999999}]}' }, 'failed'],
    ['shows none of our sessions', { list: [] }, 'shows_none'],
    ['shows only sessions that we do not know', { list: [listed('other')] }, 'shows_none'],
  ])('%s: repairs and stops nothing, and forgets no stray', (_how, { list, body }, distrust) => {
    storeAll(many, { status: 'restarting' });
    const strays = { stray: NOW - 10 * MINUTE };
    const made = plan(fake, list, { strays, ...(body === undefined ? {} : { body }) });
    expect(made.distrust).toBe(distrust);
    expect(made.strays).toEqual(strays);
    expect(made.tasks.filter((task) => task.do !== 'confirm')).toEqual([]);
  });
  it.each<[string, unknown[], string]>([
    ['shows less than half of many', all(many.slice(0, 9)), 'shows_few'],
    ['has an entry without an id', [...all(many), { status: 'running' }], 'unreadable_entries'],
    ['has an entry whose id is a number', [...all(many), { ...listed('x'), id: 7 }], 'unreadable_entries'],
    ['has an entry whose id is empty', [...all(many), listed('')], 'unreadable_entries'],
    ['has an entry that is none', [...all(many), null, 1, 'x', []], 'unreadable_entries'],
  ])('%s: it is only used for what it shows', (_how, list, distrust) => {
    storeAll(many.slice(0, 19));
    store(fake, 's19', { status: 'lost' });
    const made = plan(fake, [...list, listed('stray'), listed('used', { playerCount: 1 })], {
      strays: { stray: NOW - 10 * MINUTE },
    });
    expect(made.distrust).toBe(distrust);
    const rest = made.tasks.filter((task) => task.do !== 'confirm');
    expect(rest.map((task) => [task.do, task.id])).toEqual([
      ['stop-stray', 'stray'],
      ['adopt', 'used'],
    ]);
    // One that was not found alone before is not asked for again because of it.
    expect(made.tasks.some(({ id }) => id === 's19')).toBe(false);
  });
  it('leads to a second look at what was not found alone, with an account that has started or shown ours', () => {
    storeAll(many, { status: 'lost' });
    expect(plan(fake, [], { known: false }).tasks).toEqual([]);
    expect(plan(fake, [], { known: true }).tasks).toHaveLength(20);
  });
  it('is believed again when those that it does not show were not found alone either', () => {
    storeAll(many.slice(0, 15), { status: 'lost' });
    storeAll(many.slice(15));
    const made = plan(fake, all(many.slice(15)));
    expect(made.distrust).toBeUndefined();
    expect(made.tasks).toHaveLength(15);
  });
  it('is not held to show sessions that do not run just now', () => {
    storeAll(many.slice(0, 15), { status: 'server_unreachable' });
    storeAll(many.slice(15));
    expect(plan(fake, all(many.slice(15))).distrust).toBeUndefined();
  });
  it('is believed when it shows half of them', () => {
    storeAll(many);
    const made = plan(fake, all(many.slice(0, 10)));
    expect(made.distrust).toBeUndefined();
    expect(made.tasks.map((task) => task.do)).toEqual(Array.from({ length: 10 }, () => 'confirm'));
  });
  it('is believed when it shows nothing but a session that is being started', () => {
    store(fake, 'gone');
    putAllocation(fake, {}, {}, 'open');
    expect(plan(fake, [listed('open')]).distrust).toBeUndefined();
  });
  it('asks the API for no more than a hundred records, and goes on at once only when it is believed', () => {
    const ids = numbered(300);
    storeAll(ids);
    expect(plan(fake, [])).toMatchObject({ more: false, tasks: { length: 100 } });
    expect(plan(fake, all(ids.slice(0, 150)))).toMatchObject({ more: true, tasks: { length: 100 } });
  });
});

describe('a list with one bad entry', () => {
  it.each<[string, Entry]>([
    ['odd players', { playerCount: '5' }],
    ['fewer players than none', { playerCount: -1 }],
    ['no players', { playerCount: null }],
    ['times that are none', { created: 1e300 }],
    ['labels that are a list', { labels: ['x'] }],
    ['tags that are no JSON', { labels: { tags: `{"nakama_owner": "${OWNER}", "nakama_fleet": "${FLEET}"` } }],
    ['nested values', { host: { a: [[[[]]]] }, port: [[{}]], status: [] }],
    ['a text of a megabyte', { status: 'x'.repeat(1 << 20), host: 'y'.repeat(1 << 20) }],
    ['ports without number', { port: [{ type: 'udp' }, 7] }],
  ])('is compared all the same: %s', (_what, more) => {
    storeAll(['a', 'gone']);
    const made = plan(fake, [listed('a'), listed('odd', more)]);
    expect(made.distrust).toBeUndefined();
    expect(made.tasks.filter(({ id }) => id !== 'odd')).toEqual([{ do: 'confirm', id: 'gone', at_ms: NOW }]);
    expect(tasks(made).filter(([what]) => what === 'adopt')).toEqual([]);
  });
});

describe('a session that has to be stopped', () => {
  it('is planned for its time when that comes before the next pass, and left to that otherwise', () => {
    store(fake, 'a', { players: 0, visited: true, emptySince: NOW - 30_000 });
    store(fake, 'b', { players: 0, visited: true, emptySince: NOW + 2 * MINUTE });
    const made = plan(fake, all(['a', 'b']));
    expect(made.tasks).toEqual([{ do: 'stop', id: 'a', at_ms: NOW + 30_000, reason: 'empty', runs: true }]);
  });
});

describe('a plan of the reconciler', () => {
  it('begins with sessions that run for nobody, however many records of dead ones there are', () => {
    storeAll(numbered(600, 'dead'), { players: 0, visited: true, emptySince: NOW - 9 * MINUTE });
    store(fake, 'idle', { players: 0, visited: true, emptySince: NOW - 3 * MINUTE });
    const made = plan(fake, all(['idle', 'stray']), { strays: { stray: NOW - MINUTE } });
    expect(
      made.tasks
        .slice()
        .sort(byUrgency)
        .slice(0, 2)
        .map(({ id }) => id),
    ).toEqual(['idle', 'stray']);
    expect(made.more).toBe(true);
  });
  it('is bounded, and says that there is more', () => {
    const ids = numbered(600);
    storeAll(ids);
    const made = plan(fake, all(ids, { status: 'restarting' }));
    expect(made.tasks).toHaveLength(500);
    expect(made.more).toBe(true);
  });
  it('never stops or adopts what has a record or is being started', () => {
    const ids = ['a', 'b', 'c', 'd'];
    const status = fc.constantFrom('running', 'created', 'exited', 'dead', 'restarting');
    const world = fc.record({
      records: fc.subarray(ids),
      open: fc.subarray(ids),
      list: fc.array(fc.record({ id: fc.constantFrom(...ids), status, playerCount: fc.nat(2) })),
      strays: fc.dictionary(fc.constantFrom(...ids), fc.constant(NOW - MINUTE)),
    });
    fc.assert(
      fc.property(world, ({ records, open, list, strays }) => {
        fake = fakeNakama();
        storeAll(records);
        for (const id of open) putAllocation(fake, {}, {}, id);
        const made = plan(
          fake,
          list.map(({ id, ...more }) => listed(id, more)),
          { strays },
        );
        for (const task of made.tasks) {
          const known = records.includes(task.id) || open.includes(task.id);
          if (task.do === 'adopt' || task.do === 'stop-stray') expect(known).toBe(false);
          if (task.do === 'confirm' || task.do === 'repair') expect(records).toContain(task.id);
          expect(task.do).not.toBe('stop'); // somebody is in every instance
        }
      }),
      { numRuns: 60 },
    );
  });
});
