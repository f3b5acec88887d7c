import type { Nakama } from '../stack/nakama.ts';
import { withProbe } from './probe.ts';

const BATCH = 500;

const FILL = `
function benchFill(ctx, logger, nk, payload) {
  var range = JSON.parse(payload);
  var writes = [];
  for (var i = range.from; i < range.to; i++) {
    var players = i % 9;
    var id = nk.uuidv4();
    var seats = {};
    for (var seat = 0; seat < players; seat++) seats[nk.uuidv4()] = { state: 'joined' };
    writes.push({
      collection: '_gameye_instances',
      key: id,
      userId: '00000000-0000-0000-0000-000000000000',
      permissionRead: 0,
      permissionWrite: 0,
      version: '*',
      value: {
        id: id,
        connection_info: { ip_address: '127.0.0.1', dns_name: '', port: 20000 + (i % 9999) },
        create_time: new Date(Date.now() - i * 1000).toISOString(),
        player_count: players,
        status: 'running',
        metadata: { mode: i % 2 ? 'duel' : 'arena', map: 'map-' + (i % 40) },
        region: 'region-' + (i % 5),
        image: 'demo-game',
        version: '1.' + (i % 3),
        max_players: 8,
        pool: 'p' + (i % 6),
        open_seats: Math.max(0, 8 - players),
        ports: { '7777/udp': 20000 + (i % 9999) },
        seats: seats,
        unseated: 0,
      },
    });
  }
  // This node has them in its index, which the module would have noted.
  nk.storageWrite(writes).forEach(function (ack) {
    nk.localcachePut('gameye_indexed_' + ack.key, ack.version);
  });
  return '{}';
}
`;
const REGISTER = `  initializer.registerRpc('bench_fill', benchFill);\n`;

/** A copy of the module with one more RPC, which stores instances in batches. */
export function withFillProbe(moduleFile: string): Promise<string> {
  return withProbe(moduleFile, 'fill', REGISTER, FILL);
}

/** Stores this many instances, all different, without any session. */
export async function fill(nakama: Nakama, instances: number): Promise<void> {
  for (let from = 0; from < instances; from += BATCH) {
    const range = { from, to: Math.min(instances, from + BATCH) };
    const answer = await nakama.rpc('bench_fill', range);
    if (answer.status !== 200) throw new Error(`bench_fill failed: ${JSON.stringify(answer)}`);
  }
}
