/* Runs the vectors against the kit: `node test.mjs <folder of the vectors>`. */
import { readFileSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { GameServer, type Options, type Request } from './gameye.ts';

interface Token {
  name: string;
  secret: string;
  session_id: string;
  now: number;
  token: string;
  user_id: string;
  refused: string;
  spectator: boolean;
}
interface Given {
  user_ids?: string[];
  hold?: boolean;
  result?: object;
  round?: string;
}
interface Called {
  name: string;
  call: string;
}
type Received = { status: number; body: string };
interface Calls {
  requests: (Called & { nakama_url: string; server_token: string; arguments: Given; request: null | Fields })[];
  answers: (Called & Received & { outcome: string; tries: number; code: number; message: string; value: Fields })[];
  repetitions: (Called & { answers: Received[]; waits_ms: number[]; outcome: string; code: number })[];
}
type Fields = Record<string, unknown>;

const folder = process.argv[2] ?? '../vectors';
const read = <T>(file: string): T => JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')) as T;
let ran = 0;

function check(name: string, found: unknown, expected: unknown): void {
  if (isDeepStrictEqual(found, expected)) return;
  console.error(`${name}: found ${JSON.stringify(found)}, expected ${JSON.stringify(expected)}`);
  process.exitCode = 1;
}

/** A server of the kit that gets these answers one after the other, and what it did. */
function serverWith(answers: Received[], more: Partial<Options> = {}) {
  const requests: Request[] = [];
  const waits: number[] = [];
  const server = new GameServer({
    ...{ sessionId: 's', seatSecret: 'x', nakamaUrl: 'http://nakama', serverToken: 't' },
    ...more,
    send: async (request) => {
      const answer = answers[requests.push(request) - 1];
      if (!answer) throw new Error('one request too many');
      if (answer.status === 0) throw new Error('no answer');
      return answer;
    },
    sleep: async (ms) => void waits.push(ms),
  });
  return { server, requests, waits };
}

async function call(server: GameServer, name: string, given: Given = {}): Promise<Fields> {
  const { user_ids: ids = [], hold, result = {}, round } = given;
  if (name === 'joined') {
    const answer = await server.joined(ids);
    if (answer.outcome !== 'done') return answer;
    const { playerCount, ...rest } = answer;
    return { player_count: playerCount, ...rest };
  }
  if (name === 'left') {
    const answer = await server.left(ids, hold);
    return answer.outcome === 'done' ? { outcome: answer.outcome, player_count: answer.playerCount } : answer;
  }
  if (name === 'result') return { ...(await server.result(result, round)) };
  return { ...(await server[name as 'ready' | 'heartbeat' | 'open' | 'closed' | 'end']()) };
}

for (const { name, secret, session_id, now, token, user_id, refused, spectator } of read<Token[]>('tokens.json')) {
  const more = { seatSecret: secret, sessionId: session_id, now: () => now * 1000 };
  const { server } = serverWith([], more);
  const found = spectator ? server.verifySpectatorToken(token) : server.verifySeatToken(token);
  check(name, found, refused === '' ? { userId: user_id } : { refused });
  ran++;
}
const { requests, answers, repetitions } = read<Calls>('calls.json');
for (const vector of requests) {
  const { nakama_url: nakamaUrl, server_token: serverToken } = vector;
  const { server, requests: sent } = serverWith([{ status: 200, body: '{}' }], { nakamaUrl, serverToken });
  check(vector.name, (await call(server, vector.call, vector.arguments))['outcome'], 'done');
  const found = sent.map(({ body, ...rest }): Fields => ({ ...rest, body: JSON.parse(body) as unknown }));
  check(vector.name, found, vector.request ? [vector.request] : []);
  ran++;
}
for (const { name, status, body, tries, call: called, outcome, code, message, value } of answers) {
  const { server, requests: sent } = serverWith(Array<Received>(tries).fill({ status, body }));
  const found = await call(server, called);
  if (message === '' && outcome !== 'done') found['message'] = '';
  check(name, found, outcome === 'done' ? { outcome, ...value } : { outcome, code, message });
  check(name, sent.length, tries);
  ran++;
}
for (const { name, answers: all, call: called, waits_ms, outcome, code } of repetitions) {
  const { server, requests: sent, waits } = serverWith(all);
  const found = await call(server, called);
  check(name, [found['outcome'], found['code'] ?? 0, waits, sent.length], [outcome, code, waits_ms, all.length]);
  ran++;
}
console.log(`${ran} vectors`);
