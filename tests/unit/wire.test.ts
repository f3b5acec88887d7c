import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  choosePort,
  isLive,
  readListed,
  readLocations,
  readSession,
  readStarted,
  type SessionView,
} from '../../src/gameye/wire';

const port = (type: string, container: unknown, host: unknown) => ({ type, container, host });

describe('the answer to a start', () => {
  it('is read', () => {
    const body = { id: 's1', host: '1.2.3.4', ports: [port('udp', 7777, 20001), port('tcp', 80, 20002)], more: 1 };
    expect(readStarted(body)).toEqual({ id: 's1', host: '1.2.3.4', ports: { '7777/udp': 20001, '80/tcp': 20002 } });
  });
  it.each([
    ['no id', { host: 'h', ports: [] }, { host: 'h', ports: {} }],
    ['null as its id', { id: null, host: 'h', ports: [] }, { host: 'h', ports: {} }],
    [
      'null as its ports, and a map',
      { host: 'h', ports: null, port: { '1/udp': 2 } },
      { host: 'h', ports: { '1/udp': 2 } },
    ],
    ['null for a port', { host: 'h', port: { '7777/udp': null, '1/udp': 2 } }, { host: 'h', ports: { '1/udp': 2 } }],
    [
      'keys of any name in its map',
      JSON.parse('{"host":"h","port":{"toString":1,"__proto__":2,"constructor":3,"7777/udp":5}}') as unknown,
      { host: 'h', ports: { '7777/udp': 5 } },
    ],
    ['an empty id', { id: '', host: 'h', ports: [] }, { host: 'h', ports: {} }],
    ['ports as a map', { host: 'h', port: { '7777/udp': 5 } }, { host: 'h', ports: { '7777/udp': 5 } }],
  ])('may have %s', (_sentence, body, started) => expect(readStarted(body)).toEqual(started));
  it.each([
    ['nothing', undefined, /no JSON object/],
    ['a list', [], /no JSON object/],
    ['a text', 'ok', /no JSON object/],
    ['null', null, /no JSON object/],
    ['an id that is no text', { id: 7, host: 'h', ports: [] }, /id that is no text/],
    ['no host', { ports: [] }, /no host/],
    ['an empty host', { host: '', ports: [] }, /no host/],
    ['null as its host', { host: null, ports: [] }, /no host/],
    ['null as its ports', { host: 'h', ports: null }, /no readable ports/],
    ['no ports', { host: 'h' }, /no readable ports/],
    ['ports that are no list', { host: 'h', ports: 7 }, /no readable ports/],
    ['a port that is no object', { host: 'h', ports: [7777] }, /no readable ports/],
    ['another protocol', { host: 'h', ports: [port('sctp', 1, 2)] }, /no readable ports/],
    ['a port as text', { host: 'h', ports: [port('udp', 7777, '20001')] }, /no readable ports/],
    ['a port of 0', { host: 'h', ports: [port('udp', 7777, 0)] }, /no readable ports/],
    ['a port too high', { host: 'h', ports: [port('udp', 7777, 65536)] }, /no readable ports/],
    ['half a port', { host: 'h', ports: [port('udp', 7777.5, 1)] }, /no readable ports/],
    ['a map of texts', { host: 'h', port: { '7777/udp': 'x' } }, /no readable ports/],
  ])('is refused with %s', (_sentence, body, message) => expect(readStarted(body)).toMatch(message));
});

describe('the description of a session', () => {
  const full = {
    id: 's1',
    status: 'running',
    host: '1.2.3.4',
    port: { '7777/udp': 20001 },
    location: 'eu',
    image: 'my-game',
    tag: '1.0.0',
    created: 1700,
    labels: { tags: '{"nakama_fleet":"default","n":1}', env: '{"SEAT_SECRET":"s3cr3t"}' },
    players: { joined: ['u1', 7, 'u2'] },
  };
  it('is read, without the environment that Gameye keeps in a label', () => {
    const session = readSession(full);
    expect(session).toEqual({
      id: 's1',
      status: 'running',
      host: '1.2.3.4',
      ports: { '7777/udp': 20001 },
      region: 'eu',
      image: 'my-game',
      version: '1.0.0',
      createdAtMs: 1700,
      labels: { nakama_fleet: 'default' },
      players: ['u1', 'u2'],
    });
    expect(JSON.stringify(session)).not.toContain('s3cr3t');
  });
  it.each([0, -1, 1e17, NaN, '1700', null])('has no time of creation when that is %s', (created) => {
    expect(readSession({ ...full, created })).not.toHaveProperty('createdAtMs');
  });
  it('needs no more than id and status', () => {
    const bare = { id: 's1', status: 'created', host: '', ports: {}, region: '', image: '', labels: {} };
    expect(readSession({ id: 's1', status: 'created' })).toEqual(bare);
  });
  it('takes null for what is missing, in every field that may be', () => {
    const fields = ['host', 'port', 'ports', 'location', 'image', 'tag', 'created', 'labels', 'players'];
    const nulls = Object.fromEntries(fields.map((field) => [field, null]));
    expect(readSession({ id: 's1', status: 'created', ...nulls })).toEqual(
      readSession({ id: 's1', status: 'created' }),
    );
    const listed = { id: 's1', playerCount: null, status: null, ...nulls };
    expect(readListed(listed)).toEqual(readListed({ id: 's1' }));
    const inner = { labels: { tags: null, env: null }, players: { joined: null, joinedCount: null } };
    expect(readSession({ id: 's1', status: 'created', ...inner })).toEqual(
      readSession({ id: 's1', status: 'created' }),
    );
  });
  it('has labels of any name', () => {
    const tags = '{"toString":"a","__proto__":"b","constructor":"c"}';
    const session = readSession({ ...full, labels: { tags } });
    expect(Object.entries((session as SessionView).labels)).toEqual([
      ['toString', 'a'],
      ['__proto__', 'b'],
      ['constructor', 'c'],
    ]);
  });
  it.each([
    ['no labels', undefined],
    ['labels that are no object', 'x'],
    ['no tags', { env: '{}' }],
    ['tags that are no JSON', { tags: '{"a' }],
    ['tags that are a list', { tags: '["a"]' }],
    ['tags that are no text', { tags: { a: 'b' } }],
  ])('has no labels of ours with %s', (_sentence, labels) => {
    expect(readSession({ ...full, labels })).toMatchObject({ labels: {} });
  });
  it.each([
    ['nothing', undefined],
    ['a list', [full]],
    ['no id', { ...full, id: undefined }],
    ['no status', { ...full, status: 3 }],
  ])('is refused with %s', (_sentence, body) => expect(readSession(body)).toBeTypeOf('string'));

  it('never throws, whatever JSON comes', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), fc.jsonValue(), (body, ports, labels) => {
        readStarted(body);
        readStarted({ host: 'h', ports });
        readSession(body);
        readSession({ id: 'a', status: 'b', port: ports, labels: { tags: JSON.stringify(labels) }, players: labels });
      }),
    );
  });
});

describe('the host of a session', () => {
  const LABEL = 'a'.repeat(63);
  const isHost = (host: unknown) => typeof readStarted({ host, ports: [] }) !== 'string';
  it.each([
    ...[
      '1.2.3.4',
      '255.255.255.255',
      'h',
      'game-1.eu.example.com',
      'xn--bcher-kva.example',
      'my_host',
      '3f2a9c',
      '9gag.com',
    ],
    ...['::1', '2001:db8::1', '2001:DB8:0:0:0:0:0:1', 'fe80::', '::ffff:1.2.3.4', '64:ff9b::1.2.3.4', LABEL],
  ])('is %s', (host) => expect(isHost(host)).toBe(true));
  it.each([
    ...[
      'http://1.2.3.4',
      '1.2.3.4:80',
      '1.2.3.4/x',
      'user@host',
      'a b',
      ' 1.2.3.4',
      '1.2.3.4\n',
      '<script>',
      '"; DROP TABLE x; --',
    ],
    ...['..', '.', 'a..b', '.a', 'a.', '-a', 'a-', '1.2.3', '1.2.3.256', '01.2.3.4', '1.2.3.4.5', 'host.1', '1'],
    ...[
      ':',
      ':::',
      '1::2::3',
      '12345::',
      ':1',
      '1:2',
      '1:2:3:4:5:6:7:8:9',
      '1:2:3:4:5:6:7::8',
      '::1.2.3',
      '[::1]',
      'fe80::1%eth0',
    ],
    ...[`${LABEL}a`, `${`${LABEL}.`.repeat(4)}com`, 'b\u00fccher.example', 'a\0b', '[token]'],
    ...[7, [], ['1.2.3.4'], {}, true],
  ])('is not %j', (host) => expect(isHost(host)).toBe(false));
  it('that is none is as good as missing: the session has no address', () => {
    const session = { id: 's1', status: 'running', port: { '7777/udp': 1 } };
    expect(readSession({ ...session, host: '1.2.3.4/../x' })).toEqual(readSession({ ...session, host: '' }));
  });
});

describe('the port of the players', () => {
  const ports = { '8080/tcp': 1, '7777/udp': 2, '7777/tcp': 3, '10000/udp': 4 };
  it.each([
    ['the configured one', ports, '8080/tcp', 1],
    ['none when that is not exposed', ports, '9/udp', undefined],
    ['the lowest by number', { '10000/udp': 4, '9999/tcp': 1 }, undefined, 1],
    ['udp before tcp', ports, undefined, 2],
    ['none when no port is exposed', {}, undefined, undefined],
  ])('is %s', (_sentence, given, wanted, chosen) => expect(choosePort(given, wanted)).toBe(chosen));
});

describe('a session whose status is', () => {
  // The SessionStatus values of the official document.
  it.each(['created', 'running', 'restarting', 'draining', 'shuttingdown', 'server_unreachable'])('%s lives', (one) =>
    expect(isLive(one)).toBe(true),
  );
  it.each(['exited', 'dead'])('%s is over', (one) => expect(isLive(one)).toBe(false));
});

describe('the list of locations', () => {
  const location = (ips?: unknown) => readLocations({ locations: [{ id: 'eu', ips }] });
  it('has the regions with what answers a ping there', () => {
    const locations = [{ id: 'eu', ips: ['10.0.0.1', '10.0.0.2'] }, { id: 'us', ips: ['2001:db8::1'] }, { id: 'ap' }];
    expect(readLocations({ locations })).toEqual([...locations.slice(0, 2), { id: 'ap', ips: [] }]);
    expect(readLocations({ locations: [] })).toEqual([]);
  });
  it.each([[['ping.example.com']], [['127.0.0.1']], [['::1']]])('may have %j', (ips) => {
    expect(location(ips)).toEqual([{ id: 'eu', ips }]);
  });
  it.each([
    [['http://x']],
    [['a b']],
    [['a/b']],
    [['']],
    [[1, null, {}]],
    ['10.0.0.1'],
    [['x'.repeat(300)]],
    [['user@host']],
  ])('leaves out what is no address: %j', (ips) => expect(location(ips)).toEqual([{ id: 'eu', ips: [] }]));
  it.each([
    [undefined],
    [[]],
    [{}],
    [{ locations: {} }],
    [{ locations: [1] }],
    [{ locations: [{ ips: [] }] }],
    [{ locations: [{ id: '' }] }],
  ])('is unreadable as %j', (body) =>
    expect(readLocations(body)).toEqual(expect.stringContaining('The list of locations')),
  );
});
