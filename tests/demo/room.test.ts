import { describe, expect, it } from 'vitest';
import { decodeFromPlayer, encode } from '../../dev/demo/game/protocol.ts';
import { Room } from '../../dev/demo/game/room.ts';

describe('a room of the demo game server', () => {
  it('counts the moves of each player, also of one who left and came back', () => {
    const room = new Room([]);
    room.enter('ana', '127.0.0.1:1', 0);
    room.enter('ben', '127.0.0.1:2', 0);
    room.move('ana', 1, 1, 0, 0);
    room.move('ana', 2, 1, 0, 0);
    room.leave('ana');
    room.enter('ana', '127.0.0.1:3', 0);
    room.move('ana', 1, 1, 0, 0);
    expect(room.scores()).toEqual({ ana: 3, ben: 0 });
  });
  it('moves a player one step per packet and nobody else', () => {
    const room = new Room([]);
    room.enter('ana', '127.0.0.1:1', 0);
    room.enter('ben', '127.0.0.1:2', 0);
    room.move('ana', 1, 1, 0, 10);
    room.move('ana', 2, 0, -1, 20);
    expect(room.state()).toEqual({ ana: { x: 1, y: -1, moves: 2 }, ben: { x: 0, y: 0, moves: 0 } });
  });

  it('does not move a player twice when a packet is sent again', () => {
    const room = new Room([]);
    room.enter('ana', '127.0.0.1:1', 0);
    room.move('ana', 1, 1, 0, 10);
    room.move('ana', 1, 1, 0, 160);
    expect(room.state()['ana']).toEqual({ x: 1, y: 0, moves: 1 });
  });

  it('knows a player by the address of the packets, also after it changed', () => {
    const room = new Room([]);
    expect(room.enter('ana', '127.0.0.1:1', 0)).toBe(true);
    expect(room.enter('ana', '127.0.0.1:9', 5)).toBe(false);
    expect(room.playerAt('127.0.0.1:9')).toBe('ana');
    expect(room.playerAt('127.0.0.1:1')).toBeUndefined();
  });

  it('is not over while somebody of the match has not come yet', () => {
    const room = new Room(['ana', 'ben']);
    room.enter('ana', '127.0.0.1:1', 0);
    room.leave('ana');
    expect(room.isOver()).toBe(false);
    room.enter('ben', '127.0.0.1:2', 0);
    expect(room.isOver()).toBe(false);
    room.leave('ben');
    expect(room.isOver()).toBe(true);
  });

  it('is not over before anybody came', () => {
    expect(new Room([]).isOver()).toBe(false);
  });

  it('finds the players that went silent, and only those', () => {
    const room = new Room([]);
    room.enter('ana', '127.0.0.1:1', 0);
    room.enter('ben', '127.0.0.1:2', 0);
    room.move('ben', 1, 1, 0, 900);
    expect(room.silentSince(500)).toEqual(['ana']);
  });
});

describe('a datagram', () => {
  it.each([
    { type: 'hello', user_id: 'ana', token: 'v1.a.b' } as const,
    { type: 'hello', user_id: 'ana' } as const,
    { type: 'move', seq: 1, dx: 1, dy: -1 } as const,
    { type: 'leave' } as const,
  ])('of a player is read as it was sent: $type', (message) => {
    expect(decodeFromPlayer(encode(message))).toEqual(message);
  });

  it('moves nobody further than one step', () => {
    expect(decodeFromPlayer(Buffer.from('{"type":"move","seq":1,"dx":50,"dy":-50}'))).toMatchObject({ dx: 1, dy: -1 });
  });

  it.each([
    '',
    'hello',
    'null',
    '[]',
    '"leave"',
    '{"type":"kick"}',
    '{"type":"hello"}',
    '{"type":"hello","user_id":7}',
    '{"type":"hello","user_id":""}',
    '{"type":"move","seq":0,"dx":1,"dy":0}',
    '{"type":"move","seq":1.5,"dx":1,"dy":0}',
    '{"type":"move","seq":1,"dx":"1","dy":0}',
    `{"type":"hello","user_id":"ana","token":"${'x'.repeat(3000)}"}`,
  ])('that is no message of a player is ignored: %s', (text) => {
    expect(decodeFromPlayer(Buffer.from(text))).toBeUndefined();
  });
});
