import { mulberry32 } from '../gameye/faults.ts';

/** Chance that a seed repeats: the same seed gives the same answers in the same order. */
export interface Chance {
  /** From 0 up to, not including, 1. */
  next(): number;
  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number;
  /** True in this share of all cases. */
  happens(share: number): boolean;
  /** One of these, more often the greater its weight. */
  oneOf<T>(weighted: readonly (readonly [value: T, weight: number])[]): T;
}

/** The same seed gives the same chances on every machine. */
export function chanceFrom(seed: number): Chance {
  const next = mulberry32(seed);
  return {
    next,
    between: (from, to) => from + Math.floor(next() * (to - from + 1)),
    happens: (share) => next() < share,
    oneOf(weighted) {
      let left = next() * weighted.reduce((sum, [, weight]) => sum + weight, 0);
      for (const [value, weight] of weighted) if ((left -= weight) < 0) return value;
      return weighted[weighted.length - 1]![0];
    },
  };
}
