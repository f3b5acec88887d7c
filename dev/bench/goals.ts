import { markdownTable } from './statistics.ts';

/** One figure of a run, beside that of the floor and the goal of the design. */
export interface Figure {
  what: string;
  /** What both figures are: `ms`, `MB`; empty for a mere number. */
  unit: string;
  ours: number;
  floor?: number;
  /** At most so much, or at most so many times the floor. Missing: the figure is only shown. */
  goal?: { atMost: number } | { timesFloor: number };
}

/** All figures as one table: whether each goal is met, or by how much not. */
export function goalTable(figures: Figure[]): string {
  const header = ['what', 'floor', 'ours', 'ratio', 'goal', 'met'];
  return markdownTable(header, figures.map(row));
}

function row(figure: Figure): string[] {
  const { what, unit, ours, floor, goal } = figure;
  const shown = (value: number): string => `${rounded(value)}${unit === '' ? '' : ` ${unit}`}`;
  const ratio = floor === undefined || floor === 0 ? '' : `${(ours / floor).toFixed(2)} ×`;
  const wanted = !goal ? '' : 'atMost' in goal ? `≤ ${shown(goal.atMost)}` : `≤ ${goal.timesFloor} × floor`;
  return [what, floor === undefined ? '' : shown(floor), shown(ours), ratio, wanted, verdict(figure)];
}

/** Empty without a goal. */
export function verdict({ ours, floor = NaN, goal }: Figure): string {
  if (!goal) return '';
  if ('atMost' in goal) {
    if (ours <= goal.atMost) return 'yes';
    return goal.atMost === 0 ? 'no' : `no: ${(ours / goal.atMost).toFixed(2)} × the goal`;
  }
  const ratio = ours / floor;
  return ratio <= goal.timesFloor ? 'yes' : `no: ${(ratio / goal.timesFloor).toFixed(2)} × the goal`;
}

function rounded(value: number): string {
  return value >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}
