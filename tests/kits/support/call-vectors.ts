/** A call of a kit, in words that every language has. */
export type Call = 'ready' | 'joined' | 'left' | 'heartbeat' | 'result' | 'open' | 'closed' | 'end';

/** What a call is given; what a call does not take is not there. */
export interface Arguments {
  user_ids?: string[];
  hold?: boolean;
  result?: unknown;
  round?: string;
}

export interface RequestVector {
  name: string;
  nakama_url: string;
  server_token: string;
  call: Call;
  arguments: Arguments;
  /** Null: nothing is sent, and the call is done. */
  request: null | { method: string; url: string; headers: Record<string, string>; body: unknown };
}

export interface AnswerVector {
  name: string;
  call: Call;
  /** 0: no answer came. */
  status: number;
  /** The text of the answer. */
  body: string;
  outcome: 'done' | 'refused' | 'unavailable';
  /** How often the request is sent when this answer comes every time. */
  tries: number;
  /** Why it is not done; 0 when it is. */
  code: number;
  message: string;
  /** What the call answers when it is done. */
  value: Record<string, unknown>;
}

export interface RepetitionVector {
  name: string;
  call: Call;
  /** One for each time that the request is sent. */
  answers: { status: number; body: string }[];
  /** The pauses between them, in milliseconds. */
  waits_ms: number[];
  outcome: AnswerVector['outcome'];
  code: number;
}

export interface CallVectors {
  requests: RequestVector[];
  answers: AnswerVector[];
  repetitions: RepetitionVector[];
}

const URL_OF_NAKAMA = 'http://nakama.example:7350';
const SERVER_TOKEN = 'the.server.token';
const ANN = '6f0c1b9e-6e0f-4e38-a5a3-8a4f6a3e4f10';
const BEN = '0d1c2b3a-4e5f-4a6b-8c7d-9e0f1a2b3c4d';
/** The pauses after the first, second, … try; after one more try the kit gives up. */
const WAITS_MS = [250, 500, 1_000, 2_000, 4_000, 8_000, 8_000];
const ALL_TRIES = WAITS_MS.length + 1;
/** Code 10 may be a conflict that passes, or another result for the same round, which stays. */
const CONFLICT_TRIES = 3;

function request(
  name: string,
  call: Call,
  rpc: string,
  body: unknown,
  given: Arguments = {},
  nakamaUrl = URL_OF_NAKAMA,
  base = URL_OF_NAKAMA,
): RequestVector {
  const headers = { Authorization: `Bearer ${SERVER_TOKEN}`, 'Content-Type': 'application/json' };
  const sent = { method: 'POST', url: `${base}/v2/rpc/${rpc}?unwrap=`, headers, body };
  return { name, nakama_url: nakamaUrl, server_token: SERVER_TOKEN, call, arguments: given, request: sent };
}

function nothingSent(name: string, nakamaUrl: string, serverToken: string): RequestVector {
  return { name, nakama_url: nakamaUrl, server_token: serverToken, call: 'ready', arguments: {}, request: null };
}

function requests(): RequestVector[] {
  const document = {
    winner: ANN,
    scores: { [ANN]: 12, [BEN]: -3.5 },
    maps: ['Eis ❄', 'a "b" \\ /\n\t'],
    draw: false,
    mvp: null,
  };
  const strange = ['quote"', 'back\\slash', 'line\nend', 'ü 🎲', '\u0001'];
  return [
    request('ready', 'ready', 'gameye_server_ready', {}),
    request('one has joined', 'joined', 'gameye_server_join', { user_ids: [ANN] }, { user_ids: [ANN] }),
    request('two have joined', 'joined', 'gameye_server_join', { user_ids: [ANN, BEN] }, { user_ids: [ANN, BEN] }),
    request(
      'ids that JSON has to escape',
      'joined',
      'gameye_server_join',
      { user_ids: strange },
      { user_ids: strange },
    ),
    request('one has left', 'left', 'gameye_server_leave', { user_ids: [ANN] }, { user_ids: [ANN], hold: false }),
    request(
      'one has lost the connection',
      'left',
      'gameye_server_leave',
      { user_ids: [ANN], hold: true },
      { user_ids: [ANN], hold: true },
    ),
    request('heartbeat', 'heartbeat', 'gameye_server_heartbeat', {}),
    request('the result', 'result', 'gameye_server_result', { result: document }, { result: document, round: '' }),
    request(
      'the result of a round',
      'result',
      'gameye_server_result',
      { result: { winner: ANN }, round: 'round "1"' },
      { result: { winner: ANN }, round: 'round "1"' },
    ),
    request('open', 'open', 'gameye_server_backfill', { open: true }),
    request('closed', 'closed', 'gameye_server_backfill', { open: false }),
    request('the end', 'end', 'delete_instance_info', {}),
    request('an address with a slash', 'ready', 'gameye_server_ready', {}, {}, `${URL_OF_NAKAMA}/`),
    request(
      'an address with a path',
      'ready',
      'gameye_server_ready',
      {},
      {},
      'https://games.example/nakama//',
      'https://games.example/nakama',
    ),
    nothingSent('no address', '', SERVER_TOKEN),
    nothingSent('no token', URL_OF_NAKAMA, ''),
  ];
}

function done(name: string, call: Call, body: unknown, value: Record<string, unknown> = {}): AnswerVector {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { name, call, status: 200, body: text, outcome: 'done', tries: 1, code: 0, message: '', value };
}

/** As Nakama answers an error of an RPC. */
const errorText = (code: number, message: string): string => JSON.stringify({ error: message, message, code });

function refused(call: Call, status: number, code: number, message: string, tries = 1): AnswerVector {
  const name = `${call}: ${status} with code ${code}`;
  return { name, call, status, body: errorText(code, message), outcome: 'refused', tries, code, message, value: {} };
}

function unavailable(name: string, call: Call, status: number, body: string, message = '', code = 14): AnswerVector {
  return { name, call, status, body, outcome: 'unavailable', tries: ALL_TRIES, code, message, value: {} };
}

const page = '<html><body>Bad Gateway</body></html>';
const joined = (count: number, ids: string[]): Record<string, unknown> => ({ player_count: count, refused: ids });

function answers(): AnswerVector[] {
  return [
    done('ready', 'ready', {}),
    done('joined, nobody refused', 'joined', { player_count: 2 }, joined(2, [])),
    done('joined, one refused', 'joined', joined(1, [BEN]), joined(1, [BEN])),
    done('joined, with news that the kit does not know', 'joined', { player_count: 1, more: [{}] }, joined(1, [])),
    done(
      'joined, fields of a wrong kind',
      'joined',
      { player_count: 'two', refused: [7, BEN, null] },
      joined(0, [BEN]),
    ),
    done('left', 'left', { player_count: 1 }, { player_count: 1 }),
    done('heartbeat', 'heartbeat', {}),
    done('result, stored', 'result', { id: 's1/round 1', stored: true }, { id: 's1/round 1', stored: true }),
    done('result, known before', 'result', { id: 's1', stored: false }, { id: 's1', stored: false }),
    done('open', 'open', { open: true }, { open: true }),
    done('closed', 'closed', { open: false }, { open: false }),
    done('end', 'end', {}),
    done('white space around the answer', 'closed', ' \r\n\t{ "open" : false } \n', { open: false }),
    done('escapes in the answer', 'result', '{"id":"\\u0041\\ud83c\\udfb2\\n\\"","stored":true}', {
      id: 'A🎲\n"',
      stored: true,
    }),
    refused('joined', 400, 3, 'user_ids: "me" is no user id'),
    refused('joined', 404, 5, 'There is no such session.'),
    refused('ready', 401, 16, 'Auth token invalid'),
    refused('ready', 403, 7, 'Only the game server of this session may call this.'),
    refused('open', 400, 9, 'Nobody is seated here by backfill.'),
    refused('result', 429, 8, 'Too many results.'),
    refused('joined', 409, 10, 'Others changed the same records. Try again.', CONFLICT_TRIES),
    refused('result', 409, 10, 'This round has another result.', CONFLICT_TRIES),
    unavailable('code 14', 'joined', 503, errorText(14, 'This could not be done now.'), 'This could not be done now.'),
    unavailable('code 13', 'joined', 500, errorText(13, 'Internal'), 'Internal', 13),
    unavailable('code 4', 'heartbeat', 504, errorText(4, 'Deadline'), 'Deadline', 4),
    unavailable('code 14 with another status', 'left', 400, errorText(14, 'Try again.'), 'Try again.'),
    unavailable('an error without code and message', 'left', 500, '{}'),
    unavailable('no answer', 'result', 0, ''),
    unavailable("a proxy's page", 'end', 502, page),
    unavailable("a proxy's page that says it is well", 'ready', 200, page),
    unavailable("a proxy's page that knows nothing of Nakama", 'ready', 404, page),
    unavailable('a redirection', 'ready', 302, ''),
    unavailable('an empty answer', 'ready', 200, ''),
    unavailable('an answer cut off', 'joined', 200, '{"player_count":'),
    unavailable('an answer with something behind it', 'joined', 200, '{"player_count":1}}'),
    unavailable('a list', 'joined', 200, '[]'),
    unavailable('null', 'joined', 200, 'null'),
    unavailable('a text', 'joined', 200, '"{}"'),
  ];
}

function repetitions(): RepetitionVector[] {
  const away = { status: 0, body: '' };
  const busy = { status: 503, body: errorText(14, 'Try again.') };
  const conflict = { status: 409, body: errorText(10, 'Try again.') };
  const well = { status: 200, body: '{"player_count":1}' };
  const gone = { status: 404, body: errorText(5, 'There is no such session.') };
  return [
    { name: 'well at once', call: 'joined', answers: [well], waits_ms: [], outcome: 'done', code: 0 },
    {
      name: 'well after no answer',
      call: 'joined',
      answers: [away, well],
      waits_ms: WAITS_MS.slice(0, 1),
      outcome: 'done',
      code: 0,
    },
    {
      name: 'well after all kinds',
      call: 'left',
      answers: [conflict, busy, away, well],
      waits_ms: WAITS_MS.slice(0, 3),
      outcome: 'done',
      code: 0,
    },
    {
      name: 'well at the last try',
      call: 'left',
      answers: [...Array<typeof busy>(ALL_TRIES - 1).fill(busy), well],
      waits_ms: WAITS_MS,
      outcome: 'done',
      code: 0,
    },
    {
      name: 'never an answer',
      call: 'result',
      answers: Array<typeof away>(ALL_TRIES).fill(away),
      waits_ms: WAITS_MS,
      outcome: 'unavailable',
      code: 14,
    },
    {
      name: 'refused after no answer',
      call: 'joined',
      answers: [away, gone],
      waits_ms: WAITS_MS.slice(0, 1),
      outcome: 'refused',
      code: 5,
    },
    {
      name: 'a conflict that passes',
      call: 'joined',
      answers: [conflict, conflict, well],
      waits_ms: WAITS_MS.slice(0, 2),
      outcome: 'done',
      code: 0,
    },
    {
      name: 'a conflict that stays',
      call: 'result',
      answers: [conflict, conflict, conflict],
      waits_ms: WAITS_MS.slice(0, 2),
      outcome: 'refused',
      code: 10,
    },
    {
      name: 'a conflict late',
      call: 'joined',
      answers: [away, away, away, conflict],
      waits_ms: WAITS_MS.slice(0, 3),
      outcome: 'refused',
      code: 10,
    },
  ];
}

export function callVectors(): CallVectors {
  return { requests: requests(), answers: answers(), repetitions: repetitions() };
}
