import { describe, expect, it } from 'vitest';
import { count, paint, seconds, table, Timeline, type Screen } from '../../dev/demo/timeline.ts';

function recorder(colour: boolean): { screen: Screen; text: () => string } {
  let text = '';
  return { screen: { colour, write: (more) => void (text += more) }, text: () => text };
}

describe('the timeline', () => {
  it('shows the seconds since its begin, the match and what happened, one line per event', () => {
    let nowMs = 1_000;
    const { screen, text } = recorder(false);
    const timeline = new Timeline(screen, () => nowMs);
    timeline.begin();
    nowMs = 2_234;
    timeline.event('duel', 'ana, ben queue');
    nowMs = 13_000;
    timeline.event('trio', 'over');
    expect(text()).toBe('    1.23 s  duel   ana, ben queue\n   12.00 s  trio   over\n');
  });

  it('has no colour codes where the screen has no colours', () => {
    const plain = recorder(false).screen;
    expect(paint(plain, 'bad', 'FAILED')).toBe('FAILED');
    expect(paint({ ...plain, colour: true }, 'bad', 'FAILED')).toBe('\x1b[31mFAILED\x1b[0m');
  });

  it('keeps one colour per match', () => {
    const { screen, text } = recorder(true);
    const timeline = new Timeline(screen, () => 0);
    timeline.event('duel', 'a');
    timeline.event('trio', 'b');
    timeline.event('duel', 'c');
    const [first, second, third] = text()
      .split('\n')
      .map((line) => /\x1b\[(3\dm)/.exec(line)?.[1]);
    expect(first).toBe(third);
    expect(first).not.toBe(second);
  });

  it('lines values up and counts in plain English', () => {
    expect(
      table([
        ['a', '1'],
        ['long', '2'],
      ]),
    ).toBe('  a     1\n  long  2\n');
    expect([count(1, 'match'), count(3, 'match'), count(2, 'player'), count(2, 'party'), count(1, 'party')]).toEqual([
      ...['1 match', '3 matches', '2 players', '2 parties', '1 party'],
    ]);
    expect(seconds(62_345)).toBe(' 62.34 s');
  });
});
