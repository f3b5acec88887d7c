import { describe, expect, it } from 'vitest';
import type { Waiting } from '../../src/allocation/allocation';
import { startSolo } from '../../src/players/solo';
import { describeProblems } from '../../src/config';
import { imageOf, sessionRun } from '../../src/allocation/launch';
import { newAllocation } from '../../src/allocation/create';
import { poolOf } from '../../src/allocation/pool';
import { adoptionOf } from '../../src/instances/instance';
import { configFor, modeConfig } from '../../src/mode-config';
import type { AllocationRequest } from '../../src/records';
import { configWith, configured, FIVE } from './support/config';
import { context, fakeNakama } from './support/nakama';

const MODES = {
  duel: { max_players: 2, regions: ['us'], ttl: '1h', args: ['--duel'], env: { MODE: 'duel' }, metadata: { m: 'd' } },
  raid: {
    server_timeout: '30s',
    reconnect: '2m',
    image: 'raid',
    port: '9000/udp',
    create_timeout: '90s',
    backfill: true,
    max_sessions: 3,
    max_spectators: 9,
    leaderboard: 'raids',
  },
  tested: { version: '2.0.0', ready: 'server' },
};
const config = configWith({
  GAMEYE_API_IMAGE_VERSION: '1.0.0',
  GAMEYE_NAKAMA_URL: 'https://nakama.example',
  GAMEYE_MODES: JSON.stringify(MODES),
});
const problemsIn = (modes: unknown, more: Record<string, string> = {}): string => {
  const text = typeof modes === 'string' ? modes : JSON.stringify(modes);
  const parsed = configured({ ...FIVE, GAMEYE_MODES: text, ...more });
  return 'problems' in parsed ? describeProblems(parsed.problems) : '';
};

describe('a mode', () => {
  it('overrides the variables that it names, and takes the rest from them', () => {
    expect(modeConfig(config, 'duel')).toMatchObject({
      ...{ mode: 'duel', image: config.image, version: '1.0.0', regions: ['us'], maxPlayers: 2 },
      ...{ ttl: '1h', ttlMs: 3_600_000, args: ['--duel'], backfill: config.backfill },
    });
    expect(modeConfig(config, 'raid')).toMatchObject({
      ...{ image: 'raid', port: '9000/udp', createTimeoutMs: 90_000, backfill: true, mostOfMode: 3 },
      ...{ regions: config.regions, ttl: config.ttl, serverTimeoutMs: 30_000, reconnectMs: 120_000 },
      ...{ maxSpectators: 9, leaderboard: 'raids' },
    });
    expect(modeConfig(config, '')).toBe(config);
  });
  it('does not take the version of another image', () => {
    expect(modeConfig(config, 'raid').version).toBeUndefined();
    expect(imageOf(config, request({ mode: 'raid' }))).toEqual({ image: 'raid' });
    expect(imageOf(config, request({ mode: 'tested' }))).toEqual({ image: config.image, version: '2.0.0' });
  });
  it('that is gone after a restart counts as the variables say', () => {
    expect(modeConfig(config, 'gone')).toEqual({ ...config, mode: 'gone' });
  });
  it('yields to what a request says', () => {
    const own = configFor(config, { mode: 'duel', settings: { ttl: '2h', ttlMs: 7_200_000 } });
    expect(own).toMatchObject({ mode: 'duel', ttl: '2h', ttlMs: 7_200_000, args: ['--duel'] });
  });
});

describe('mistakes in GAMEYE_MODES', () => {
  it.each([
    ['{', 'must be a JSON object of modes'],
    ['[]', 'must be a JSON object of modes'],
    [{ duel: 1 }, 'GAMEYE_MODES duel must be a JSON object.'],
    [{ 'a b': {} }, '"a b" is no name'],
    [{ duel: { server_timeout: 'soon' } }, 'GAMEYE_MODES duel.server_timeout must be a duration'],
    [{ duel: { reconnect: 60 } }, 'GAMEYE_MODES duel.reconnect must be a duration'],
    [{ duel: { leaderboard: 'a b' } }, 'duel.leaderboard must be the id of a leaderboard'],
    [{ duel: { max_spectators: 0 } }, 'duel.max_spectators must be a whole number from 1 to 1000'],
    [{ duel: { imgae: 'x' } }, 'GAMEYE_MODES duel.imgae is unknown. A mode can have: image, version'],
    [{ duel: { image: 'a b' } }, 'duel.image must be a text'],
    [{ duel: { version: 2 } }, 'duel.version must be a text'],
    [{ duel: { regions: [] } }, 'duel.regions must be a list'],
    [{ duel: { regions: ['eu', 'eu'] } }, 'duel.regions must be a list'],
    [{ duel: { ttl: '30s' } }, 'duel.ttl must be a duration'],
    [{ duel: { port: '7777' } }, 'duel.port must be PORT/udp'],
    [{ duel: { args: [''] } }, 'duel.args must be a list'],
    [{ duel: { env: { A: 1 } } }, 'duel.env must be an object'],
    [{ duel: { metadata: { env: 'x' } } }, 'duel.metadata is refused'],
    [{ duel: { max_players: 0 } }, 'duel.max_players must be a whole number'],
    [{ duel: { max_sessions: 1.5 } }, 'duel.max_sessions must be a whole number'],
    [{ duel: { create_timeout: 60 } }, 'duel.create_timeout must be a duration'],
    [{ duel: { backfill: 'on' } }, 'duel.backfill must be true or false'],
    [{ duel: { ready: 'yes' } }, 'duel.ready must be started or server'],
    [{ duel: { ready: 'server' } }, 'duel.ready is server, but GAMEYE_NAKAMA_URL is not set'],
  ])('are named in the list of problems: %j', (modes, problem) => expect(problemsIn(modes)).toContain(problem));
  it('are all named at once, with their paths, and turn nothing on by half', () => {
    const problems = problemsIn({ duel: { ttl: 'x', port: 1 }, raid: { max_players: 0 } }, { GAMEYE_API_URL: 'x' });
    for (const path of ['GAMEYE_API_URL', 'duel.ttl', 'duel.port', 'raid.max_players'])
      expect(problems).toContain(path);
  });
  it('do not repeat what may be a secret', () => {
    expect(problemsIn({ duel: { env: { KEY: 1 }, args: ['s3cret', 5] } })).not.toContain('s3cret');
  });
});

const request = (more: Partial<AllocationRequest> = {}): AllocationRequest => ({
  ...{ user_ids: ['u1'], max_players: 2, latencies: [], metadata: {}, ...more },
});

describe('a session of a mode', () => {
  const { nk, logger } = fakeNakama();
  const call = { ctx: context(), logger, nk, config };
  const runOf = (asked: AllocationRequest) => {
    const a = newAllocation(call, asked);
    return sessionRun(call.nk, configFor(config, a.request), a, 0);
  };
  it('is started with what the mode says, and a label that names it', () => {
    expect(runOf(request({ mode: 'duel', metadata: { m: 'own' } }))).toMatchObject({
      ...{ location: 'us', ttl: '1h', args: ['--duel'], env: expect.objectContaining({ MODE: 'duel' }) },
      labels: expect.objectContaining({ nakama_mode: 'duel', m: 'own' }),
    });
    expect(runOf(request()).labels).not.toHaveProperty('nakama_mode');
    expect(runOf(request())).not.toHaveProperty('args');
  });
  it('has its create timeout, and looks for seats when the mode says so', () => {
    const a = newAllocation(call, request({ mode: 'raid' }));
    expect(a.deadline_ms - a.created_at_ms).toBe(90_000);
    expect(a.next).toBe('seek');
    expect(newAllocation(call, request({ mode: 'duel' })).next).toBe('run');
  });
  it('is shared by nobody of another mode', () => {
    const pools = ['duel', 'tested', ''].map((mode) => poolOf(call.nk, configFor(config, { mode }), request({ mode })));
    expect(new Set(pools).size).toBe(3);
  });
  it('is of that mode again when it is found without a record', () => {
    const shown = {
      id: 's',
      host: 'h',
      region: 'us',
      image: 'i',
      status: 'running',
      ports: { '9000/udp': 5, '1/tcp': 6 },
    };
    const found = adoptionOf(config, { ...shown, labels: { nakama_mode: 'raid', map: 'x' } }, 0);
    expect(found?.instance).toMatchObject({ mode: 'raid', port: 5, metadata: { map: 'x' } });
  });
});

describe('a player who plays alone', () => {
  it('goes where they measured best, in the mode that they name', () => {
    const fake = fakeNakama();
    const call = {
      ctx: context(),
      logger: fake.logger,
      nk: fake.nk,
      config: configWith({ GAMEYE_MODES: '{"duel": {}}' }),
    };
    const measured = { 'eu-central-1': 90, 'us-east-1': 10 };
    const latencies = Object.entries(measured).map(([region, ms]) => ({ user_id: 'u1', region, ms }));
    startSolo(call, 'u1', { mode: 'duel', latencies });
    const started = fake.events.find((event) => event.kind === 'match');
    const { request, regions } = JSON.parse(String(started?.params['allocation'])) as Waiting;
    expect(regions).toEqual(['us-east-1', 'eu-central-1']);
    expect(request).toMatchObject({ mode: 'duel', solo: true });
  });
});
