import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Instance } from '../../src/instances/instance';
import { byUrgency } from '../../src/supervision/reconcile';
import { config, instance, listed, MINUTE, NOW, plan, type World } from './support/reconcile';

const empty = (id: string, since: number): Instance =>
  instance(id, { empty_since_ms: since, player_count: 0, seats: {}, visited: true });
const tasks = (world: World): [string, string][] => plan(world).tasks.map((task) => [task.do, task.id]);

describe('records and sessions that agree', () => {
  it('need nothing', () => {
    const world = { records: [instance('a'), instance('b')], list: [listed('a'), listed('b')] };
    expect(plan(world)).toEqual({ tasks: [], strays: {}, records: 2, sessions: 2, showsAny: true, more: false });
  });
  it('need nothing while a session is being started, whatever the list shows of it', () => {
    const list = [listed('a'), listed('open', { status: 'created' }), listed('given-up')];
    expect(plan({ records: [instance('a')], list, open: ['open', 'given-up'] })).toMatchObject({
      tasks: [],
      strays: {},
    });
  });
  it('need nothing at once when a session is too young for the list', () => {
    const young = instance('new', { create_time: new Date(NOW - 5000).toISOString() });
    const made = plan({ records: [instance('a'), young], list: [listed('a')] });
    expect(made.tasks).toEqual([{ do: 'confirm', id: 'new', at_ms: NOW + 15_000, young: true }]);
  });
});

describe('a record without a session', () => {
  it('is asked for alone, never removed because of the list', () => {
    expect(tasks({ records: [instance('a'), instance('gone')], list: [listed('a')] })).toEqual([['confirm', 'gone']]);
  });
  it('is asked for as well when the list shows that it ended', () => {
    const list = [listed('a'), listed('gone', { status: 'exited' })];
    expect(tasks({ records: [instance('a'), instance('gone')], list })).toEqual([['confirm', 'gone']]);
  });
  it('stays as it is while it restarts, or while its host cannot be reached', () => {
    for (const status of ['created', 'restarting', 'server_unreachable', 'draining', 'shuttingdown']) {
      const done = plan({ records: [instance('a', { status })], list: [listed('a', { status })] });
      expect(done.tasks).toEqual([]);
    }
  });
});

describe('a record that is out of date', () => {
  it.each([
    ['its status', { status: 'restarting' }],
    ['its host', { host: '5.6.7.8' }],
    ['its port', { ports: { '7777/udp': 20002 } }],
  ])('is repaired: %s', (_what, change) => {
    const { tasks: repairs } = plan({ records: [instance('a')], list: [listed('a', change)] });
    expect(repairs).toMatchObject([{ do: 'repair', id: 'a', session: change }]);
  });
  it('keeps its address when the list shows none', () => {
    expect(tasks({ records: [instance('a')], list: [listed('a', { host: '', ports: {} })] })).toEqual([]);
  });
  it('keeps its status when the list shows none', () => {
    expect(tasks({ records: [instance('a')], list: [listed('a', { status: '' })] })).toEqual([]);
  });
  it('has its seats counted again when reservations ran out, also without a list', () => {
    const record = instance('a', {}, { u1: { state: 'joined' }, u2: { state: 'reserved', until_ms: NOW - 1 } });
    expect(tasks({ records: [record], list: undefined })).toEqual([['repair', 'a']]);
    expect(tasks({ records: [record], list: [listed('a')] })).toEqual([['repair', 'a']]);
  });
  it('is revived when it was taken for lost', () => {
    expect(tasks({ records: [instance('a', { status: 'lost' })], list: [listed('a')] })).toEqual([['repair', 'a']]);
  });
});

describe('a session without a record', () => {
  it('is noticed, and stopped when it is still there after the grace', () => {
    const first = plan({ records: [instance('a')], list: [listed('a'), listed('stray')] });
    expect(first.strays).toEqual({ stray: NOW });
    expect(first.tasks).toEqual([{ do: 'stop-stray', id: 'stray', at_ms: NOW + config.emptyGraceMs }]);
    const later = plan({ list: [listed('stray')], strays: { stray: NOW - MINUTE, gone: NOW - MINUTE } });
    expect(later.strays).toEqual({ stray: NOW - MINUTE });
    expect(later.tasks).toEqual([{ do: 'stop-stray', id: 'stray', at_ms: NOW }]);
  });
  it('gets a record when players are in it', () => {
    expect(tasks({ list: [listed('stray', { playerCount: 2 })] })).toEqual([['adopt', 'stray']]);
  });
  it('of another deployment is none of ours, even if its fleet has the same name', () => {
    const labels = { nakama_fleet: 'default', nakama_owner: 'somebody else' };
    expect(plan({ list: [listed('theirs', { labels })] })).toMatchObject({ tasks: [], strays: {} });
    expect(plan({ list: [listed('theirs', { labels: {} })] })).toMatchObject({ tasks: [], strays: {} });
  });
  it('that ended is none', () => {
    for (const status of ['exited', 'dead']) expect(plan({ list: [listed('x', { status })] }).strays).toEqual({});
  });
});

describe('a list that looks wrong', () => {
  const many = Array.from({ length: 20 }, (_, i) => `s${i}`);
  const wrong: [string, World, string][] = [
    ['could not be had', { list: undefined }, 'failed'],
    ['shows none of our sessions', { list: [] }, 'shows_none'],
    ['shows only sessions that we do not know', { list: [listed('other')] }, 'shows_none'],
    [
      'came when not all records could be read',
      { list: [listed('s0'), listed('x')], open: undefined },
      'records_unread',
    ],
  ];
  it.each(wrong)('%s: repairs and stops nothing, and forgets no stray', (_how, world, distrust) => {
    const records = many.map((id) => instance(id, { status: 'restarting' }));
    const made = plan({ records, ...world, strays: { stray: NOW - 10 * MINUTE } });
    expect(made.distrust).toBe(distrust);
    expect(made.strays).toEqual({ stray: NOW - 10 * MINUTE });
    expect(made.tasks.filter((task) => task.do !== 'confirm')).toEqual([]);
  });
  it.each<[string, World, string]>([
    ['shows less than half of many', { list: many.slice(0, 9).map((id) => listed(id)) }, 'shows_few'],
    ['has entries without an id', { list: many.map((id) => listed(id)), unreadable: 1 }, 'unreadable_entries'],
  ])('%s: it is only used for what it shows', (_how, world, distrust) => {
    const records = many.map((id) => instance(id, { status: id === 's19' ? 'lost' : 'running' }));
    const list = [...(world.list ?? []), listed('stray'), listed('used', { playerCount: 1 })];
    const made = plan({ ...world, records, list, strays: { stray: NOW - 10 * MINUTE } });
    expect(made.distrust).toBe(distrust);
    const rest = made.tasks.filter((task) => task.do !== 'confirm');
    expect(rest.map((task) => [task.do, task.id])).toEqual([
      ['stop-stray', 'stray'],
      ['adopt', 'used'],
    ]);
    // One that was not found alone before is not asked for again because of it.
    expect(made.tasks.some(({ id }) => id === 's19')).toBe(false);
  });
  it('is believed again when those that it does not show were not found alone either', () => {
    const records = many.map((id, i) => instance(id, { status: i < 15 ? 'lost' : 'running' }));
    const made = plan({ records, list: many.slice(15).map((id) => listed(id)) });
    expect(made.distrust).toBeUndefined();
    expect(made.tasks).toHaveLength(15);
  });
  it('is not held to show sessions that do not run just now', () => {
    const records = many.map((id, i) => instance(id, { status: i < 15 ? 'server_unreachable' : 'running' }));
    expect(plan({ records, list: many.slice(15).map((id) => listed(id)) }).distrust).toBeUndefined();
  });
  it('is believed when it shows half of them', () => {
    const records = many.map((id) => instance(id));
    const made = plan({ records, list: many.slice(0, 10).map((id) => listed(id)) });
    expect(made.distrust).toBeUndefined();
    expect(made.tasks.map((task) => task.do)).toEqual(Array.from({ length: 10 }, () => 'confirm'));
  });
  it('is believed when it shows nothing but a session that is being started', () => {
    const made = plan({ records: [instance('gone')], list: [listed('open')], open: ['open'] });
    expect(made.distrust).toBeUndefined();
  });
  it('asks the API for no more than a hundred records, and goes on at once only when it is believed', () => {
    const records = Array.from({ length: 300 }, (_, i) => instance(`s${i}`));
    expect(plan({ records, list: [] })).toMatchObject({ more: false, tasks: { length: 100 } });
    const half = records.slice(0, 150).map(({ id }) => listed(id));
    expect(plan({ records, list: half })).toMatchObject({ more: true, tasks: { length: 100 } });
  });
});

describe('a session that has to be stopped', () => {
  it('no sooner than planned when it is due before the next pass, and by that pass otherwise', () => {
    const made = plan({ records: [empty('a', NOW - 30_000)], list: [listed('a')] });
    expect(made.tasks).toEqual([{ do: 'stop', id: 'a', at_ms: NOW + 30_000, reason: 'empty', runs: true }]);
  });
});

describe('a plan', () => {
  it('begins with sessions that run for nobody, however many records of dead ones there are', () => {
    const dead = Array.from({ length: 600 }, (_, i) => empty(`dead${i}`, NOW - 9 * MINUTE));
    const made = plan({
      records: [...dead, empty('idle', NOW - 3 * MINUTE)],
      list: [listed('idle'), listed('stray')],
      strays: { stray: NOW - MINUTE },
    });
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
    const records = Array.from({ length: 600 }, (_, i) => instance(`s${i}`));
    const made = plan({ records, list: records.map(({ id }) => listed(id, { status: 'restarting' })) });
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
        const made = plan({
          records: records.map((id) => instance(id)),
          open,
          list: list.map(({ id, ...more }) => listed(id, more)),
          strays,
        });
        for (const task of made.tasks) {
          const known = records.includes(task.id) || open.includes(task.id);
          if (task.do === 'adopt' || task.do === 'stop-stray') expect(known).toBe(false);
          if (task.do === 'confirm' || task.do === 'repair') expect(records).toContain(task.id);
          expect(task.do).not.toBe('stop'); // somebody is in every instance
        }
      }),
    );
  });
});
