import { createHmac } from 'node:crypto';
import { seatToken, sessionSeatSecret, signedToken } from '../../../src/credentials/seat-token.ts';
import type { Nakama } from '../../../src/nakama/runtime.ts';

export type RefusedToken = 'malformed' | 'forged' | 'other-session' | 'expired';

/** One token, all that a kit needs to judge it, and the judgement: a user id or a reason, the other one empty. */
export interface TokenVector {
  name: string;
  secret: string;
  session_id: string;
  /** Seconds since 1970. */
  now: number;
  token: string;
  user_id: string;
  refused: RefusedToken | '';
  /** The token is judged as a spectator's. */
  spectator: boolean;
}

/** The functions of Nakama that the module signs with. */
const nk = {
  hmacSha256Hash: (input: string, key: string) =>
    new Uint8Array(createHmac('sha256', key).update(input).digest()).buffer,
  base16Encode: (data: ArrayBuffer) => Buffer.from(data).toString('hex'),
  base64UrlEncode: (data: string | ArrayBuffer) =>
    (typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)).toString('base64url'),
} as unknown as Nakama;

const SESSION = '0b7c3a52-5d0e-4c0e-9f5e-2f6a4d1c8e90';
const OTHER_SESSION = '5a2f9c11-8f43-4e0b-b0b4-6d7f5be3a001';
const USER = '6f0c1b9e-6e0f-4e38-a5a3-8a4f6a3e4f10';
const NOW = 1_800_000_000;
const SEAT_SECRET = 'the-seat-secret-of-the-vectors-0123456789';
/** The longest token that a kit reads. No good token of this module comes near it. */
const LONGEST = 1024;

const secret = sessionSeatSecret(nk, SEAT_SECRET, SESSION);
const payload = { t: 'seat', sid: SESSION, uid: USER, exp: NOW + 120 };
const good = seatToken(nk, secret, SESSION, USER, NOW + 120);
const [version = '', body = '', signature = ''] = good.split('.');
const watching = seatToken(nk, secret, SESSION, USER, NOW + 120, 'watch');
const relabelled = `${version}.${watching.split('.')[1]}.${signature}`;

/** A token with a right signature over whatever this text is. */
function signedText(text: string | Buffer): string {
  return signedBody(Buffer.from(text as string).toString('base64url'));
}

function signedBody(encoded: string, key = secret): string {
  const signed = `v1.${encoded}`;
  return `${signed}.${createHmac('sha256', key).update(signed).digest('base64url')}`;
}

const signed = (changed: object): string => signedText(JSON.stringify({ ...payload, ...changed }));
const without = (field: keyof typeof payload): string => signed({ [field]: undefined });

/** A token with a right signature that has about so many characters: the next number that base64url can have. */
function ofLength(length: number): string {
  const room = Math.floor(((length - good.length + body.length) * 3) / 4);
  const filling = room - JSON.stringify({ ...payload, more: '' }).length;
  return signed({ more: 'x'.repeat(filling) });
}

/** The last character of a signature stands for 4 bits; the 2 bits below them do not count when it is decoded. */
function sameBytesOtherText(text: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return text.slice(0, -1) + alphabet.charAt(alphabet.indexOf(text.slice(-1)) + 1);
}

type Given = Partial<Pick<TokenVector, 'secret' | 'session_id' | 'now' | 'spectator'>>;

function admitted(name: string, token: string, userId = USER, given: Given = {}): TokenVector {
  return {
    name,
    secret,
    session_id: SESSION,
    now: NOW,
    spectator: false,
    ...given,
    token,
    user_id: userId,
    refused: '',
  };
}

function refused(refusal: RefusedToken, name: string, token: string, given: Given = {}): TokenVector {
  return {
    name,
    secret,
    session_id: SESSION,
    now: NOW,
    spectator: false,
    ...given,
    token,
    user_id: '',
    refused: refusal,
  };
}

const malformed = (name: string, token: string): TokenVector => refused('malformed', name, token);

export function tokenVectors(): TokenVector[] {
  return [
    admitted('what the module signs', good),
    admitted('a user id beyond ASCII', seatToken(nk, secret, SESSION, 'ü-1 🎲', NOW + 120), 'ü-1 🎲'),
    admitted('a user id in escapes', signedText(JSON.stringify(payload).replace(USER, '\\u00fc\\"\\\\\\/')), 'ü"\\/'),
    admitted('more in the payload', signed({ more: { of: [1, -2.5e3, 'x', null, true, {}] } })),
    admitted('its last second', seatToken(nk, secret, SESSION, USER, NOW + 1)),
    admitted('as many characters as are read', ofLength(LONGEST - 1)),

    malformed('nothing', ''),
    malformed('words', 'let me in'),
    malformed('only dots', '..'),
    malformed('no signature', `${version}.${body}`),
    malformed('an empty signature', `${version}.${body}.`),
    malformed('an empty payload', signedBody('')),
    malformed('a fourth part', `${good}.more`),
    malformed('a dot at its end', `${good}.`),
    malformed('another version', `v2.${body}.${signature}`),
    malformed('no version', `.${body}.${signature}`),
    malformed('a version in capitals', `V1.${body}.${signature}`),
    malformed('a padded signature', `${good}=`),
    malformed('a padded payload', signedBody(`${body}==`)),
    malformed('the other alphabet of base64', signedBody(Buffer.from('{"t":"seat??>>"}').toString('base64'))),
    malformed('a character that base64url has not', signedBody(`${body.slice(0, -1)}*`)),
    malformed(
      'a payload that ends within a byte',
      signedBody(`${Buffer.from(JSON.stringify(payload).padEnd(150)).toString('base64url')}A`),
    ),
    malformed('a space before it', ` ${good}`),
    malformed('a line end behind it', `${good}\n`),
    malformed('a line end in it', `${version}.${body.slice(0, 20)}\n${body.slice(20)}.${signature}`),
    malformed('a NUL behind it', `${good}\0`),
    malformed('a NUL in it', `${version}.${body}\0.${signature}`),
    malformed('letters beyond ASCII', `${version}.ü${body}.${signature}`),
    malformed('more characters than are read', ofLength(LONGEST + 1)),
    malformed('ten thousand characters', ofLength(10_000)),
    malformed('ten thousand dots', '.'.repeat(10_000)),
    malformed('a payload of text', signedText('let me in')),
    malformed('a payload cut off', signedText(JSON.stringify(payload).slice(0, -1))),
    malformed('a payload with something behind it', signedText(`${JSON.stringify(payload)}x`)),
    malformed('two payloads', signedText(JSON.stringify(payload).repeat(2))),
    malformed('a payload with a comma too many', signedText(JSON.stringify(payload).replace('}', ',}'))),
    malformed('a payload in single quotes', signedText(JSON.stringify(payload).replaceAll('"', "'"))),
    malformed('a list as payload', signedText(JSON.stringify([payload]))),
    malformed('null as payload', signedText('null')),
    malformed('a number as payload', signedText('1800000120')),
    malformed('a text as payload', signedText(JSON.stringify(JSON.stringify(payload)))),
    malformed('a NUL in the payload', signedText(JSON.stringify(payload).replace(USER, `${USER}\0`))),
    malformed('a NUL behind the payload', signedText(`${JSON.stringify(payload)}\0`)),
    malformed('a NUL in the user id', signed({ uid: `${USER}\0` })),
    malformed('a line end in the user id', signed({ uid: `${USER}\n` })),
    malformed('no kind', without('t')),
    malformed('no session', without('sid')),
    malformed('no user id', without('uid')),
    malformed('no end', without('exp')),
    malformed('a token for a relay', signedToken(nk, { ...payload, t: 'relay' }, secret)),
    malformed('a kind in capitals', signed({ t: 'Seat' })),
    malformed('a kind that is a list', signed({ t: ['seat'] })),
    malformed('a session that is a number', signed({ sid: 7 })),
    malformed('an empty session', signed({ sid: '' })),
    refused('malformed', 'an empty session, at a server without one', signed({ sid: '' }), { session_id: '' }),
    malformed('a user id that is a number', signed({ uid: 7 })),
    malformed('a user id that is null', signed({ uid: null })),
    malformed('a user id that is a list', signed({ uid: [USER] })),
    malformed('an empty user id', signed({ uid: '' })),
    malformed('an end as text', signed({ exp: String(NOW + 120) })),
    malformed('an end that is true', signed({ exp: true })),
    malformed('an end with a fraction', signed({ exp: NOW + 120.5 })),
    malformed('an end below zero', signed({ exp: -1 })),
    malformed('an end that no number holds', signedText(JSON.stringify(payload).replace(/"exp":\d+/, '"exp":1e400'))),

    refused(
      'forged',
      'another player in the payload',
      `${version}.${signed({ uid: 'thief' }).split('.')[1]}.${signature}`,
    ),
    refused(
      'forged',
      'a later end in the payload',
      `${version}.${signed({ exp: NOW + 9999 }).split('.')[1]}.${signature}`,
    ),
    refused(
      'forged',
      'the secret of another session',
      signedBody(body, sessionSeatSecret(nk, SEAT_SECRET, OTHER_SESSION)),
    ),
    refused('forged', 'the secret of the fleet', signedBody(body, SEAT_SECRET)),
    refused('forged', 'the bytes that the secret spells', hexSigned()),
    refused(
      'forged',
      'a signature with a letter changed',
      `${version}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`,
    ),
    refused(
      'forged',
      'a signature in other letters for the same bytes',
      `${version}.${body}.${sameBytesOtherText(signature)}`,
    ),
    refused('forged', 'a signature cut off', good.slice(0, -1)),
    refused('forged', 'a signature of one letter', `${version}.${body}.A`),
    refused('forged', 'a signature that goes on', `${good}A`),
    refused(
      'forged',
      'a signature over the payload alone',
      `${version}.${body}.${createHmac('sha256', secret).update(body).digest('base64url')}`,
    ),
    refused(
      'forged',
      'what only the holder of the secret may say',
      `${version}.${Buffer.from('no JSON').toString('base64url')}.${signature}`,
    ),
    refused('forged', 'the empty secret', signedBody(body, '')),
    refused('forged', 'the empty secret, at a server without one', signedBody(body, ''), { secret: '' }),

    refused('other-session', "another session's token", signed({ sid: OTHER_SESSION })),
    refused('other-session', 'a session in capitals', signed({ sid: SESSION.toUpperCase() })),
    refused('other-session', 'a longer session', signed({ sid: `${SESSION}0` })),
    refused('other-session', 'any session, at a server without one', good, { session_id: '' }),
    refused('other-session', "another session's token that has expired", signed({ sid: OTHER_SESSION, exp: NOW - 1 })),

    refused('expired', 'a token that ends now', seatToken(nk, secret, SESSION, USER, NOW)),
    refused('expired', 'a token that has ended', seatToken(nk, secret, SESSION, USER, NOW - 1)),
    refused('expired', 'a token that ends at zero', seatToken(nk, secret, SESSION, USER, 0)),
    refused('expired', 'a good token, a year later', good, { now: NOW + 365 * 86_400 }),

    admitted("a spectator's token", watching, USER, { spectator: true }),
    refused('malformed', "a spectator's token for a seat", watching),
    refused('malformed', "a seat's token from a spectator", good, { spectator: true }),
    refused('forged', "a seat's token that says that it is a spectator's", relabelled, { spectator: true }),
    refused('expired', "a spectator's token that has ended", watching, { spectator: true, now: NOW + 120 }),
  ];
}

/** Signed with the secret taken as hex digits, where the key is its text. */
function hexSigned(): string {
  return `v1.${body}.${createHmac('sha256', Buffer.from(secret, 'hex')).update(`v1.${body}`).digest('base64url')}`;
}
