import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { describeProblems, type Config } from '../../src/config';
import { isPortName, parseDuration } from '../../src/values';
import type { Problem } from '../../src/environment';
import { configured, configWith, derivedSeatSecret, FIVE, SEAT_SECRET, TOKEN } from './support/config';

function problemsOf(variables: { [variable: string]: string }): Problem[] {
  const found = configured({ ...FIVE, ...variables });
  return 'problems' in found ? found.problems : [];
}

/** The variables that are warned about. */
const doubtful = (variables: { [variable: string]: string }): string[] =>
  configured({ ...FIVE, ...variables }).warnings.map(({ variable }) => variable);

describe('the five variables of the README', () => {
  it('are enough, and all others have defaults', () => {
    expect(configWith()).toEqual({
      backfill: false,
      apiUrl: 'http://gameye.test',
      apiToken: TOKEN,
      image: 'my-game',
      regions: ['eu-central-1', 'us-east-1'],
      ttl: '30m',
      ttlMs: 1_800_000,
      createTimeoutMs: 60_000,
      ready: 'started',
      seatTimeoutMs: 60_000,
      reconnectMs: 60_000,
      emptyGraceMs: 60_000,
      reconcileIntervalMs: 120_000,
      soloPerMinute: 6,
      startsPerMinute: 12,
      mode: '',
      modes: {},
      modeProperty: 'mode',
      pingPrefix: 'ping_',
      seatSecret: derivedSeatSecret(TOKEN),
      fleet: 'default',
      notify: ['gameye'],
    } satisfies Config);
  });
  it.each(['GAMEYE_API_TOKEN', 'GAMEYE_API_URL', 'GAMEYE_API_IMAGE', 'GAMEYE_API_REGION'])(
    '%s may not be missing or blank',
    (variable) => {
      for (const value of ['', '  \n']) {
        const problems = problemsOf({ [variable]: value });
        expect(problems.map((one) => one.variable)).toEqual([variable]);
        expect(problems[0]!.advice).toMatch(/^is not set: set it to /);
      }
    },
  );
});

describe('a valid value is taken:', () => {
  const rows: [string, string, Partial<Config>][] = [
    ['GAMEYE_API_TOKEN', ' tok \n', { apiToken: 'tok' }],
    [
      'GAMEYE_API_URL',
      'https://api.production-gameye.gameye.net/',
      { apiUrl: 'https://api.production-gameye.gameye.net' },
    ],
    ['GAMEYE_API_URL', 'http://127.0.0.1:8080/v1//', { apiUrl: 'http://127.0.0.1:8080/v1' }],
    ['GAMEYE_API_URL', 'http://[::1]:80', { apiUrl: 'http://[::1]:80' }],
    ['GAMEYE_API_IMAGE', 'other', { image: 'other' }],
    ['GAMEYE_API_IMAGE_VERSION', '1.2.3', { version: '1.2.3' }],
    ['GAMEYE_API_REGION', 'eu', { regions: ['eu'] }],
    ['GAMEYE_API_REGION', ' eu , us,, ap-1_x.y ', { regions: ['eu', 'us', 'ap-1_x.y'] }],
    ['GAMEYE_API_TTL', '2h30m', { ttl: '2h30m', ttlMs: 9_000_000 }],
    ['GAMEYE_API_PORT', '7777/udp', { port: '7777/udp' }],
    ['GAMEYE_API_PORT', '65535/tcp', { port: '65535/tcp' }],
    ['GAMEYE_MAX_PLAYERS', '1', { maxPlayers: 1 }],
    ['GAMEYE_MAX_PLAYERS', '10000', { maxPlayers: 10_000 }],
    ['GAMEYE_MAX_PING', '1', { maxPingMs: 1 }],
    ['GAMEYE_MAX_PING', '60000', { maxPingMs: 60_000 }],
    ['GAMEYE_CREATE_TIMEOUT', '90s', { createTimeoutMs: 90_000 }],
    ['GAMEYE_CREATE_TIMEOUT', '1m30s', { createTimeoutMs: 90_000 }],
    ['GAMEYE_SEAT_TIMEOUT', '1s', { seatTimeoutMs: 1000 }],
    ['GAMEYE_RECONNECT', '', { reconnectMs: 60_000 }],
    ['GAMEYE_RECONNECT', '2m', { reconnectMs: 120_000 }],
    ['GAMEYE_MAX_SPECTATORS', '20', { maxSpectators: 20 }],
    ['GAMEYE_LEADERBOARD', 'duels', { leaderboard: 'duels' }],
    ['GAMEYE_MATCH_PROPERTY', 'mode', { matchProperty: { name: 'mode' } }],
    ['GAMEYE_MATCH_PROPERTY', 'mode=a b=c', { matchProperty: { name: 'mode', value: 'a b=c' } }],
    ['GAMEYE_PING_PREFIX', 'lat.', { pingPrefix: 'lat.' }],
    ['GAMEYE_SEAT_SECRET', SEAT_SECRET, { seatSecret: SEAT_SECRET }],
    ['GAMEYE_SEAT_SECRET_PREVIOUS', SEAT_SECRET, { previousSeatSecret: SEAT_SECRET }],
    ...['on', 'true', 'TRUE', 'yes', '1'].map((yes): [string, string, Partial<Config>] => [
      'GAMEYE_BACKFILL',
      yes,
      { backfill: true },
    ]),
    ...['off', 'False', 'no', '0', ''].map((no): [string, string, Partial<Config>] => [
      'GAMEYE_BACKFILL',
      no,
      { backfill: false },
    ]),
    ['GAMEYE_FLEET', 'blue_1.2-x', { fleet: 'blue_1.2-x' }],
    ['GAMEYE_FLEET', '', { fleet: 'default' }],
    ['GAMEYE_NOTIFY', ' gameye , connection-info ', { notify: ['gameye', 'connection-info'] }],
    ['GAMEYE_NOTIFY', 'connection-info', { notify: ['connection-info'] }],
  ];
  it.each(rows)('%s=%j', (variable, value, expected) =>
    expect(configWith({ [variable]: value })).toMatchObject(expected),
  );
  it('GAMEYE_SERVER_TIMEOUT needs GAMEYE_NAKAMA_URL, where game servers report', () => {
    const GAMEYE_SERVER_TIMEOUT = '30s';
    const config = configWith({ GAMEYE_SERVER_TIMEOUT, GAMEYE_NAKAMA_URL: 'https://nakama.example' });
    expect(config).toMatchObject({ serverTimeoutMs: 30_000 });
    expect(configWith()).not.toHaveProperty('serverTimeoutMs');
    expect(problemsOf({ GAMEYE_SERVER_TIMEOUT }).map(({ variable }) => variable)).toEqual(['GAMEYE_NAKAMA_URL']);
  });
  it('GAMEYE_NAKAMA_URL needs no seat secret, because there always is one', () => {
    const config = configWith({ GAMEYE_NAKAMA_URL: 'https://nakama.example:7350/' });
    expect(config).toMatchObject({ nakamaUrl: 'https://nakama.example:7350', seatSecret: derivedSeatSecret(TOKEN) });
  });
  it('the API token is no part of the seat secret that is derived from it', () => {
    const { seatSecret } = configWith();
    expect(seatSecret).toMatch(/^[0-9a-f]{64}$/);
    expect(configWith({ GAMEYE_API_TOKEN: `${TOKEN}x` }).seatSecret).not.toBe(seatSecret);
  });
});

describe('GAMEYE_RELAY_URL and GAMEYE_RELAY_SECRET', () => {
  const secret = 'r'.repeat(32);
  it.each(['wss://relay.example', 'ws://127.0.0.1:8787', 'https://relay.example/eu', 'http://relay:80'])(
    '%s',
    (url) => {
      const config = configWith({ GAMEYE_RELAY_URL: `${url}/`, GAMEYE_RELAY_SECRET: secret });
      expect(config.relay).toEqual({ url, secret });
    },
  );
  it.each([
    ['GAMEYE_RELAY_URL', { GAMEYE_RELAY_SECRET: secret }],
    ['GAMEYE_RELAY_SECRET', { GAMEYE_RELAY_URL: 'wss://relay.example' }],
    ['GAMEYE_RELAY_SECRET', { GAMEYE_RELAY_URL: 'wss://relay.example', GAMEYE_RELAY_SECRET: 'r'.repeat(31) }],
    ['GAMEYE_RELAY_URL', { GAMEYE_RELAY_URL: 'relay.example', GAMEYE_RELAY_SECRET: secret }],
    ['GAMEYE_RELAY_URL', { GAMEYE_RELAY_URL: 'ftp://relay.example', GAMEYE_RELAY_SECRET: secret }],
    ['GAMEYE_RELAY_URL', { GAMEYE_RELAY_URL: 'wss://relay.example/?x', GAMEYE_RELAY_SECRET: secret }],
  ])('%s is named when it is missing or wrong', (variable, variables) => {
    const problems = problemsOf(variables);
    expect(problems.map((one) => one.variable)).toEqual([variable]);
    expect(JSON.stringify(problems)).not.toContain(secret);
  });
});

describe('an invalid value', () => {
  const rows: [string, string][] = [
    ['GAMEYE_API_TOKEN', 'two words'],
    ['GAMEYE_API_TOKEN', 'line\nbreak'],
    ['GAMEYE_API_TOKEN', 'schlüssel'],
    ['GAMEYE_API_URL', 'api.gameye.net'],
    ['GAMEYE_API_URL', 'ftp://api.gameye.net'],
    ['GAMEYE_API_URL', 'https://user:pw@api.gameye.net'],
    ['GAMEYE_API_URL', 'https://api.gameye.net?token=x'],
    ['GAMEYE_API_URL', 'https://api.gameye.net/#x'],
    ['GAMEYE_API_URL', 'https://'],
    ['GAMEYE_API_REGION', 'eu central'],
    ['GAMEYE_API_REGION', 'eu;us'],
    ['GAMEYE_API_REGION', '-eu'],
    ['GAMEYE_API_REGION', 'eu,us,eu'],
    ['GAMEYE_API_REGION', ','],
    ['GAMEYE_API_REGION', ' , ,'],
    ['GAMEYE_API_TTL', '30s'],
    ['GAMEYE_API_TTL', '30'],
    ['GAMEYE_API_TTL', '0m'],
    ['GAMEYE_API_TTL', '-1h'],
    ['GAMEYE_API_PORT', '7777'],
    ['GAMEYE_API_PORT', '0/udp'],
    ['GAMEYE_API_PORT', '65536/udp'],
    ['GAMEYE_API_PORT', '7777/sctp'],
    ['GAMEYE_MAX_PLAYERS', '0'],
    ['GAMEYE_MAX_PING', '0'],
    ['GAMEYE_MAX_PING', '100ms'],
    ['GAMEYE_MAX_PLAYERS', '10001'],
    ['GAMEYE_MAX_PLAYERS', '2.5'],
    ['GAMEYE_MAX_PLAYERS', 'many'],
    ['GAMEYE_CREATE_TIMEOUT', '60'],
    ['GAMEYE_CREATE_TIMEOUT', '0s'],
    ['GAMEYE_CREATE_TIMEOUT', '1d'],
    ['GAMEYE_SEAT_TIMEOUT', 'soon'],
    ['GAMEYE_RECONNECT', '0s'],
    ['GAMEYE_MAX_SPECTATORS', '0'],
    ['GAMEYE_MAX_SPECTATORS', '1001'],
    ['GAMEYE_LEADERBOARD', 'my board'],
    ['GAMEYE_MATCH_PROPERTY', '=gameye'],
    ['GAMEYE_MATCH_PROPERTY', 'mode='],
    ['GAMEYE_MATCH_PROPERTY', 'a mode'],
    ['GAMEYE_SEAT_SECRET', 'a'.repeat(31)],
    ['GAMEYE_SEAT_SECRET_PREVIOUS', 'a'.repeat(31)],
    ['GAMEYE_BACKFILL', 'maybe'],
    ['GAMEYE_BACKFILL', 'constructor'],
    ['GAMEYE_FLEET', 'my fleet'],
    ['GAMEYE_FLEET', 'x'.repeat(65)],
    ['GAMEYE_NOTIFY', 'email'],
    ['GAMEYE_NOTIFY', 'gameye,'],
  ];
  it.each(rows)('%s=%j is one problem that names it', (variable, value) => {
    expect(problemsOf({ [variable]: value }).map((one) => one.variable)).toEqual([variable]);
  });
  it.each(['nakama:7350', 'http://u@n', 'http://n/?x'])('GAMEYE_NAKAMA_URL=%s is one problem', (value) => {
    const problems = problemsOf({ GAMEYE_NAKAMA_URL: value, GAMEYE_SEAT_SECRET: SEAT_SECRET });
    expect(problems.map((one) => one.variable)).toEqual(['GAMEYE_NAKAMA_URL']);
  });
});

describe('an address', () => {
  const here = ['localhost', '127.0.0.1', '[::1]', '0.0.0.0', 'nakama', 'nakama-0', 'LOCALHOST'];
  const near = ['10.1.2.3', '172.16.0.1', '192.168.1.1', '169.254.1.1', '100.64.0.1', '[fd00::1]', '[fe80::1]'];
  const names = ['nakama.default.svc', 'nakama.default.svc.cluster.local', 'box.lan', 'vm.internal', 'a.localhost'];
  const everywhere = [
    'nakama.example.com',
    '203.0.113.7',
    '172.32.0.1',
    '100.128.0.1',
    '[2001:db8::1]',
    'local.host.io',
  ];

  it.each([...here, ...near, ...names])('that game servers do not reach is warned about: %s', (host) => {
    expect(doubtful({ GAMEYE_NAKAMA_URL: `http://${host}:7350` })).toEqual(['GAMEYE_NAKAMA_URL']);
    expect(doubtful({ GAMEYE_NAKAMA_URL: `https://${host}/` })).toEqual(['GAMEYE_NAKAMA_URL']);
  });
  it.each(everywhere)('that everybody reaches is fine: %s', (host) => {
    expect(doubtful({ GAMEYE_NAKAMA_URL: `http://${host}:7350` })).toEqual([]);
  });
  it.each(everywhere)('to which the token goes readable over the internet is warned about: http://%s', (host) => {
    expect(doubtful({ GAMEYE_API_URL: `http://${host}` })).toEqual(['GAMEYE_API_URL']);
    expect(doubtful({ GAMEYE_API_URL: `https://${host}` })).toEqual([]);
  });
  it.each([...here, ...near, ...names])('of this machine or network may be without encryption: %s', (host) => {
    expect(doubtful({ GAMEYE_API_URL: `http://${host}:8080/v1` })).toEqual([]);
  });
});

describe('mistakes in the settings', () => {
  it('are all reported at once', () => {
    const found = configured(
      { GAMEYE_API_URL: 'nowhere', GAMEYE_MAX_PLAYERS: 'x', GAMEYE_API_TTL: '1s', GAMEYE_FLEET: '?' },
      [{ variable: 'GAMEYE_SEAT_SECRET_FILE', advice: 'names a file that Nakama cannot read.' }],
    );
    const problems = 'problems' in found ? found.problems : [];
    expect(problems.map((one) => one.variable)).toEqual([
      'GAMEYE_SEAT_SECRET_FILE',
      'GAMEYE_API_TOKEN',
      'GAMEYE_API_URL',
      'GAMEYE_API_IMAGE',
      'GAMEYE_API_REGION',
      'GAMEYE_API_TTL',
      'GAMEYE_MAX_PLAYERS',
      'GAMEYE_FLEET',
    ]);
    expect(describeProblems(problems)).toContain('GAMEYE_API_IMAGE is not set: set it to the name');
  });

  it('never show the value of a variable, whatever it is', () => {
    // A bad value of a secret is most of the secret. Long values only: "m" is in every text.
    const value = fc
      .string({ minLength: 10, maxLength: 60, unit: 'grapheme' })
      .filter((text) => text.trim().length >= 10);
    const variable = fc.constantFrom(...Object.keys(FIVE), 'GAMEYE_SEAT_SECRET', 'GAMEYE_NAKAMA_URL', 'GAMEYE_FLEET');
    fc.assert(
      fc.property(fc.dictionary(variable, value), (variables) => {
        const found = configured({ ...FIVE, ...variables, GAMEYE_API_TTL: 'broken' });
        const text = JSON.stringify(found);
        for (const one of Object.values(variables)) expect(text).not.toContain(one.trim());
      }),
    );
  });

  it('in how a variable is set are all that is said of that variable', () => {
    const advice = 'names a file with nothing in it.';
    for (const variable of ['GAMEYE_API_TOKEN', 'GAMEYE_API_TOKEN_FILE']) {
      const found = configured({ ...FIVE, GAMEYE_API_TOKEN: '' }, [{ variable, advice }]);
      expect(found).toMatchObject({ problems: [{ variable, advice }] });
    }
  });

  it('of spelling are warned about, also beside others, but not in the name of a file', () => {
    const names = { GAMEYE_API_TOKEN_FILE: '/x', GAMEYE_REGIONS: 'eu', GAMEYE_API_TOKN_FILE: '/y' };
    expect(doubtful(names)).toEqual(['GAMEYE_REGIONS', 'GAMEYE_API_TOKN_FILE']);
    expect(doubtful({ ...names, GAMEYE_API_REGION: '' })).toEqual(['GAMEYE_REGIONS', 'GAMEYE_API_TOKN_FILE']);
  });
});

describe('a duration', () => {
  it('adds up its parts', () => {
    const part = fc.tuple(fc.integer({ min: 1, max: 999_999 }), fc.constantFrom('s', 'm', 'h'));
    const unitMs = { s: 1000, m: 60_000, h: 3_600_000 };
    fc.assert(
      fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
        const text = parts.map(([count, unit]) => `${count}${unit}`).join('');
        const total = parts.reduce((sum, [count, unit]) => sum + count * unitMs[unit as 's'], 0);
        expect(parseDuration(text, 'smh')).toBe(total);
      }),
    );
  });
  it.each(['', 's', '1', '1 m', '1.5h', '1ms', 'm1', '1234567s', '+1s', '1S'])('is not %j', (text) => {
    expect(parseDuration(text, 'smh')).toBeUndefined();
  });
});

describe('the name of a port', () => {
  it.each(['1/udp', '7777/udp', '65535/tcp'])('may be %s', (text) => expect(isPortName(text)).toBe(true));
  it.each(['', '7777', '0/udp', '65536/tcp', '7777/UDP', ' 7777/udp', '7777/udp\n', '-1/udp'])('is not %j', (text) =>
    expect(isPortName(text)).toBe(false),
  );
});
