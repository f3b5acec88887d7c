import { describe, expect, it } from 'vitest';
import { fleetManager } from '../../src/rpc/verbs';
import { FIVE } from './support/config';
import { answer } from './support/gameye';
import { context, DATABASE_GONE, fakeNakama, goError } from './support/nakama';
import { allocationIn, rowsIn } from './support/records';
import { refusal } from './support/refusal';

const USER = '5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6';
const OTHER = '00000000-0000-4000-8000-000000000001';

/** The fleet manager as an RPC of another module has it, called by a player; `s1` runs once it was looked at. */
function asPlayer() {
  const fake = fakeNakama();
  const labels = { tags: '{"nakama_fleet":"default"}' };
  const session = {
    id: 's1',
    status: 'running',
    host: 'h',
    port: { '7777/udp': 1 },
    location: 'eu',
    image: 'i',
    labels,
  };
  fake.http = ({ method, url }) => {
    if (method === 'get') return url.endsWith('/s1') ? answer(200, session) : answer(404, { message: 'no' });
    return answer(200, {});
  };
  return {
    fake,
    fleet: fleetManager(
      context({ env: { ...FIVE, GAMEYE_MAX_PLAYERS: '1', GAMEYE_MAX_SPECTATORS: '1' }, userId: USER }),
      fake.logger,
      fake.nk,
    ),
  };
}

describe('the fleet manager for other modules', () => {
  it('has the verbs of the RPCs, for whoever calls', () => {
    const { fake, fleet } = asPlayer();
    const { session_id } = fleet.create({ max_players: 2, env: { MODE: 'duel' }, metadata: { map: 'dust' } });
    expect((allocationIn(fake, session_id)!.doc as { request: object }).request).toMatchObject({
      max_players: 2,
      metadata: { map: 'dust', 'gameye.env': { MODE: 'duel' } },
    });
    expect(fleet.get('s1')).toMatchObject({ id: 's1', status: 'running' });
    expect(fleet.list()).toMatchObject({ instances: [{ id: 's1' }], cursor: '' });
    expect(refusal(() => fleet.join('s1', [USER, OTHER]))).toMatchObject({ code: 8 });
    const session_info = [{ user_id: USER, session_id: 's1' }];
    expect(fleet.join('s1', [USER, OTHER], { partial: true })).toMatchObject({ session_info });
    expect(fleet.watch('s1', OTHER)).toMatchObject({ match: { session_id: 's1', spectator: true } });
    expect(fleet.update('s1', { player_count: 0 })).toMatchObject({ instance_info: { player_count: 0 } });
    expect(fleet.leave('s1', [USER])).toMatchObject({ instance_info: { id: 's1' } });
    expect(fleet.delete('s1')).toBeUndefined();
    expect(rowsIn(fake, 'instance')).toBe(0);
  });
  it('checks what is asked as the RPCs do', () => {
    const { fleet } = asPlayer();
    const wrong: [() => unknown, number, string][] = [
      [() => fleet.create({ max_players: 0 }), 3, 'max_players'],
      [() => fleet.create({ max_players: 2, maxPlayers: 3 } as never), 3, 'maxPlayers'],
      [() => fleet.create({ max_players: 2, callback: 'none' }), 3, 'callback'],
      [() => fleet.get(''), 3, 'id'],
      [() => fleet.get('s2'), 5, 's2'],
      [() => fleet.list({ limit: 0 }), 3, 'limit'],
      [() => fleet.list({ order: [] }), 3, 'order'],
      [() => fleet.list({ order: ['region', '-region'] }), 3, 'order'],
      [() => fleet.list({ order: ['name'] }), 3, 'order'],
      [() => fleet.list({ order: [{ toString: 1 }] } as never), 3, 'order'],
      [() => fleet.join('s1', ['not-a-user']), 3, 'user_ids'],
      [() => fleet.update('s1', {}), 3, 'player_count'],
    ];
    for (const [act, code, words] of wrong) {
      expect(refusal(act)).toEqual({ code, message: expect.stringContaining(words) });
    }
  });
  it('turns an error of the database into one that an RPC can pass on', () => {
    const { fake, fleet } = asPlayer();
    fake.before = () => {
      throw goError(DATABASE_GONE);
    };
    expect(refusal(() => fleet.get('s1'))).toEqual({ code: 14, message: expect.stringContaining('database') });
  });
});
