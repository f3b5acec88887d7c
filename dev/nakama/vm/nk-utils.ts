// The functions of `nk` that only compute: they run in the VM's own thread.

import type * as Crypto from 'node:crypto';
import { GoError } from './errors.ts';
import { goJson } from './go-json.ts';
import { bytesOf } from './imported-text.ts';
import { absent, boolean, define, integer, isMap, string } from './values.ts';

type Bytes = Uint8Array;
type Native = (...args: unknown[]) => unknown;

const { from: bytesFrom } = Buffer;
let cryptoModule: typeof Crypto | undefined;

/** @param load Node's require: crypto is loaded at first use, because a thread that never needs it starts faster. */
export function utilFunctions(load: NodeJS.Require, version: string): Record<string, Native> {
  const crypto = (): typeof Crypto => (cryptoModule ??= load('node:crypto') as typeof Crypto);
  const buffer = (bytes: Bytes): ArrayBuffer => new Uint8Array(bytes).buffer as ArrayBuffer;
  const input = (value: unknown): Bytes => {
    if (typeof value === 'string') return bytesOf(value) ?? bytesFrom(value, 'utf8');
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    throw new TypeError('expects a string or ArrayBuffer object');
  };
  const hash = (algorithm: string, value: unknown): string =>
    crypto().createHash(algorithm).update(string(value)).digest('hex');

  const encode =
    (alphabet: 'base64' | 'base64url'): Native =>
    (value, padding) => {
      const padded = absent(padding) ? true : boolean(padding);
      const text = bytesFrom(input(value)).toString(alphabet).replace(/=+$/, '');
      return padded ? text.padEnd(Math.ceil(text.length / 4) * 4, '=') : text;
    };
  const decode =
    (alphabet: 'base64' | 'base64url', valid: RegExp): Native =>
    (value, padding) => {
      let text = string(value);
      if (absent(padding) ? true : boolean(padding)) text = text.padEnd(Math.ceil(text.length / 4) * 4, '=');
      if (!valid.test(text)) throw new GoError(`Failed to decode string: ${text}`);
      return buffer(bytesFrom(text, alphabet));
    };

  const functions: Record<string, Native> = {
    uuidv4: () => crypto().randomUUID(),
    base64Encode: encode('base64'),
    base64Decode: decode('base64', /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/),
    base64UrlEncode: encode('base64url'),
    base64UrlDecode: decode('base64url', /^(?:[\w-]{4})*(?:[\w-]{2}(?:==)?|[\w-]{3}=?)?$/),
    base16Encode: (value) => bytesFrom(input(value)).toString('hex'),
    base16Decode: (value) => {
      const text = string(value);
      if (!/^(?:[0-9a-fA-F]{2})*$/.test(text)) throw new GoError(`Failed to decode string: ${text}`);
      return buffer(bytesFrom(text, 'hex'));
    },
    md5Hash: (value) => hash('md5', value),
    sha256Hash: (value) => hash('sha256', value),
    hmacSha256Hash: (value, key) => {
      const text = string(value);
      const secret = string(key);
      if (secret === '') throw new TypeError('key cannot be empty');
      return buffer(crypto().createHmac('sha256', secret).update(text).digest());
    },
    jwtGenerate: (algorithm, key, claims) => jwt(crypto(), algorithm, key, claims),
    stringToBinary: (value) => buffer(bytesFrom(string(value, 'expects a string'), 'utf8')),
    binaryToString: (value) => {
      if (!(value instanceof ArrayBuffer)) throw new TypeError('expects a ArrayBuffer object');
      const bytes = bytesFrom(new Uint8Array(value));
      const text = bytes.toString('utf8');
      if (!bytesFrom(text, 'utf8').equals(bytes)) throw new TypeError('expects data to be UTF-8 encoded');
      return text;
    },
  };
  if (Number(version.split('.')[1]) >= 35 || version.startsWith('3.34.1')) {
    define(functions, 'secureRandomBytes', (count: unknown) => {
      const length = integer(count);
      if (length < 1 || length > 1000) throw new TypeError('expects length to be between 1 and 1000');
      return buffer(crypto().randomBytes(length));
    });
  }
  return functions;
}

function jwt(crypto: typeof Crypto, algorithm: unknown, key: unknown, claims: unknown): string {
  const name = string(algorithm);
  if (name !== 'HS256' && name !== 'RS256')
    throw new TypeError("unsupported algo type - only allowed 'HS256', 'RS256'.");
  const secret = string(key);
  if (secret === '') throw new TypeError('key cannot be empty');
  if (!isMap(claims)) throw new TypeError('claims must be an object');
  const part = (text: string): string => bytesFrom(text, 'utf8').toString('base64url');
  let text: string;
  try {
    text = goJson(claims);
  } catch (error) {
    throw new GoError(`failed to sign token: ${(error as Error).message}`);
  }
  const signed = `${part(`{"alg":"${name}","typ":"JWT"}`)}.${part(text)}`;
  if (name === 'HS256') return `${signed}.${crypto.createHmac('sha256', secret).update(signed).digest('base64url')}`;
  try {
    return `${signed}.${crypto.createSign('RSA-SHA256').update(signed).sign(secret, 'base64url')}`;
  } catch {
    throw new GoError('could not parse private key: no valid blocks found');
  }
}
