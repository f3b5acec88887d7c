import { describe, expect, it } from 'vitest';
import { adoptionOf, newInstance, refreshedBy, seatMs } from '../../src/instances/instance';
import { configWith, SEAT_SECRET } from './support/config';

const NOW = 1_700_000_000_000;
const config = configWith();
const session = {
  ...{ id: 's1', region: 'eu', image: 'my-game', version: '', mode: '', solo: false, max_players: 4 },
  ...{ metadata: { map: 'dust', 'gameye.env': { A: 'b' } }, pool: null, warm: null, waits: false },
};
const where = { host: '1.2.3.4', ports: { '7777/udp': 20001 } };

describe('a new instance', () => {
  it('is what is stored of a session that has just started', () => {
    expect(newInstance(config, session, where)).toEqual({
      id: 's1',
      status: 'running',
      region: 'eu',
      image: 'my-game',
      version: '',
      mode: '',
      solo: false,
      ip_address: '1.2.3.4',
      dns_name: '',
      port: 20001,
      ports: { '7777/udp': 20001 },
      max_players: 4,
      metadata: { map: 'dust' },
      pool: null,
      warm: null,
      ttl_ms: 30 * 60_000,
    });
  });
  it('is starting until its game server is ready, where players wait for that', () => {
    expect(newInstance(config, { ...session, waits: true }, where)).toMatchObject({ status: 'starting' });
  });
  it.each([
    ['game.example.net', 'game.example.net'],
    ['1.2.3.4', ''],
    ['2001:db8::1', ''],
  ])('at host %s has the name %j', (host, dns_name) => {
    expect(newInstance(config, session, { ...where, host })).toMatchObject({ ip_address: host, dns_name });
  });
  it('is not made without the port that players need', () => {
    const wanted = configWith({ GAMEYE_API_PORT: '7777/udp' });
    expect(newInstance(wanted, session, { host: 'h', ports: { '80/tcp': 2 } })).toBeUndefined();
    expect(newInstance(config, session, { host: 'h', ports: {} })).toBeUndefined();
  });
  it('has seats that are reserved only where a game server can say who has come', () => {
    expect(seatMs(config)).toBeNull();
    expect(seatMs(configWith({ GAMEYE_NAKAMA_URL: 'http://n', GAMEYE_SEAT_SECRET: SEAT_SECRET }))).toBe(60_000);
  });
});

describe('an instance made from what Gameye shows', () => {
  const shown = {
    id: 's1',
    status: 'draining',
    host: 'h.example',
    ports: { '7777/udp': 1 },
    region: 'us',
    image: 'other',
    version: '2',
    createdAtMs: NOW - 1,
    labels: { nakama_fleet: 'default', nakama_owner: 'o', map: 'dust' },
    players: ['a', 'b'],
  };
  it('has its players, and no place for others unless configured', () => {
    expect(adoptionOf(config, shown, NOW)).toEqual({
      instance: {
        ...{ id: 's1', status: 'draining', region: 'us', image: 'other', version: '2', mode: '', port: 1 },
        ...{ ip_address: 'h.example', dns_name: 'h.example', ports: { '7777/udp': 1 }, max_players: 2 },
        metadata: { map: 'dust' },
      },
      user_ids: ['a', 'b'],
      created_at_ms: NOW - 1,
    });
    const roomy = configWith({ GAMEYE_MAX_PLAYERS: '8' });
    expect(adoptionOf(roomy, shown, NOW)).toMatchObject({ instance: { max_players: 8 } });
  });
  it('is not made while the session has no port', () => {
    expect(adoptionOf(config, { ...shown, ports: {} }, NOW)).toBeUndefined();
  });
  it('has begun now when the API does not say when', () => {
    const { createdAtMs: _createdAtMs, ...silent } = shown;
    expect(adoptionOf(config, silent, NOW)).toMatchObject({ created_at_ms: NOW });
  });
});

describe('an instance that is compared with what Gameye shows', () => {
  it('takes over status and address, as far as they are shown', () => {
    const address = { ip_address: '1.2.3.4', dns_name: '', ports: where.ports };
    expect(refreshedBy({ ...where, status: 'running' })).toEqual({ status: 'running', ...address });
    expect(refreshedBy({ host: '', ports: {}, status: '' })).toEqual({ status: '', ports: {} });
  });
});
