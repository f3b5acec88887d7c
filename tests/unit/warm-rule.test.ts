import { describe, expect, it } from 'vitest';
import { modeConfig } from '../../src/mode-config';
import { warmWanted } from '../../src/warm-rule';
import { configured, configWith, FIVE } from './support/config';

const at = (time: string): number => Date.parse(`2026-01-05T${time}:00Z`);
const wanted = (warm: unknown, time: string, region = 'eu-central-1'): number =>
  warmWanted(configWith({ GAMEYE_MAX_PLAYERS: '4', GAMEYE_WARM: JSON.stringify(warm) }).warm ?? {}, region, at(time));

describe('the number of warm sessions of a region', () => {
  it.each<[string, unknown, string, number]>([
    ['is the same at any time with a plain number', 3, '04:00', 3],
    ['is none with 0', 0, '04:00', 0],
    ['is none before a time of day begins', [{ from: '18:00', to: '23:00', sessions: 5 }], '17:59', 0],
    ['is that of a time of day from when it begins', [{ from: '18:00', to: '23:00', sessions: 5 }], '18:00', 5],
    ['is none from when a time of day ends', [{ from: '18:00', to: '23:00', sessions: 5 }], '23:00', 0],
    ['holds before midnight in a time around midnight', [{ from: '22:00', to: '02:00', sessions: 5 }], '23:59', 5],
    ['holds after midnight in a time around midnight', [{ from: '22:00', to: '02:00', sessions: 5 }], '01:59', 5],
    ['is none outside a time around midnight', [{ from: '22:00', to: '02:00', sessions: 5 }], '12:00', 0],
    ['holds until midnight in a time that ends then', [{ from: '22:00', to: '00:00', sessions: 5 }], '23:59', 5],
    [
      'is the larger of two that hold at once',
      [
        { from: '00:00', to: '23:59', sessions: 1 },
        { from: '18:00', to: '23:00', sessions: 5 },
      ],
      '19:00',
      5,
    ],
    ['is that of its region', { 'eu-central-1': 2, 'us-east-1': 7 }, '04:00', 2],
    ['is none for a region that is not named', { 'us-east-1': 7 }, '04:00', 0],
    ['is that of its region and time', { 'eu-central-1': [{ from: '03:00', to: '05:00', sessions: 9 }] }, '04:00', 9],
  ])('%s', (_case, warm, time, expected) => expect(wanted(warm, time)).toBe(expected));
});

describe('GAMEYE_WARM', () => {
  const advice = (warm: string, more: object = {}): string[] => {
    const found = configured({ ...FIVE, GAMEYE_MAX_PLAYERS: '4', GAMEYE_WARM: warm, ...more });
    return 'problems' in found ? found.problems.map((one) => `${one.variable} ${one.advice}`) : [];
  };

  it('is for matches that name no mode, and a mode says its own', () => {
    const modes = { duel: { max_players: 2 }, raid: { warm: 7 } };
    const config = configWith({ GAMEYE_MAX_PLAYERS: '4', GAMEYE_WARM: '3', GAMEYE_MODES: JSON.stringify(modes) });
    const of = (mode: string) => warmWanted(modeConfig(config, mode).warm ?? {}, 'us-east-1', at('12:00'));
    expect([of(''), of('duel'), of('raid')]).toEqual([3, 0, 7]);
  });

  it('names every mistake with its path', () => {
    expect(advice('[{"from": "25:00", "to": "9", "sessions": -1}, {"to": "10:00", "at": 1, "sessions": 1}]')).toEqual([
      'GAMEYE_WARM [0].from must be a time of day in UTC such as 18:00.',
      'GAMEYE_WARM [0].to must be a time of day in UTC such as 18:00.',
      'GAMEYE_WARM [0].sessions must be a whole number from 0 to 1000.',
      'GAMEYE_WARM [1].at is unknown. There are from, to and sessions.',
      'GAMEYE_WARM [1].from must be a time of day in UTC such as 18:00.',
    ]);
    expect(advice('[{"from": "10:00", "to": "10:00", "sessions": 1}]')).toEqual([
      'GAMEYE_WARM [0].to must be another time than from.',
    ]);
    for (const wrong of ['yes', '"5"', '[]', '{}', '{"eu-central-1": {}}'])
      expect(advice(wrong)[0]).toMatch(/^GAMEYE_WARM (\.eu-central-1 )?must be a number, a list such as/);
    expect(advice('1.5')).toEqual(['GAMEYE_WARM must be a whole number from 0 to 1000.']);
    expect(advice('{"mars": 1}')).toEqual(['GAMEYE_WARM .mars is none of the regions: eu-central-1, us-east-1.']);
  });

  it('needs to know how many seats such a session has', () => {
    expect(advice('5', { GAMEYE_MAX_PLAYERS: '' })).toEqual([
      'GAMEYE_WARM needs GAMEYE_MAX_PLAYERS: how many seats a session has that waits for a group.',
    ]);
  });

  it('of a mode is read by the same rules', () => {
    const modes = {
      duel: { warm: [{ from: '18:00', to: '23:00', sessions: 'many' }] },
      raid: { max_players: 2, regions: ['eu-west-1'], warm: { 'us-east-1': 1 } },
      solo: { warm: 1 },
    };
    const found = configured({ ...FIVE, GAMEYE_MODES: JSON.stringify(modes) });
    expect('problems' in found && found.problems.map((one) => one.advice)).toEqual([
      'duel.warm[0].sessions must be a whole number from 0 to 1000.',
      'raid.warm.us-east-1 is none of the regions: eu-west-1.',
      'solo.warm needs max_players: how many seats a session has that waits for a group.',
    ]);
  });
});
