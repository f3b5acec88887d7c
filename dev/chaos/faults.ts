import type { FaultAction, FaultRule, Operation } from '../gameye/simulator.ts';
import { chanceFrom } from './random.ts';

/** Longer than the module waits for an answer of `POST /session`. */
const HANGS_MS = 17_000;

/** What goes wrong with which share of the requests of an operation. */
const SHARES: [Operation, share: number, FaultAction][] = [
  ['session-run', 0.03, { kind: 'delay', ms: 1500 }],
  ['session-run', 0.02, { kind: 'delay', ms: 1500, when: 'after' }],
  ['session-run', 0.002, { kind: 'delay', ms: HANGS_MS }],
  ['session-run', 0.002, { kind: 'delay', ms: HANGS_MS, when: 'after' }],
  ['session-run', 0.02, { kind: 'slow-start', ms: 3000 }],
  ['session-run', 0.02, { kind: 'drop', when: 'before' }],
  ['session-run', 0.03, { kind: 'drop', when: 'after' }],
  ['session-run', 0.02, { kind: 'status', status: 503 }],
  ['session-run', 0.02, { kind: 'status', status: 500, when: 'after' }],
  ['session-run', 0.01, { kind: 'status', status: 502, html: true, when: 'after' }],
  ['session-run', 0.01, { kind: 'truncate' }],
  ['session-run', 0.01, { kind: 'html' }],
  ['describe-session', 0.03, { kind: 'delay', ms: 1500 }],
  ['describe-session', 0.04, { kind: 'drop', when: 'before' }],
  ['describe-session', 0.04, { kind: 'status', status: 503 }],
  ['describe-session', 0.03, { kind: 'truncate' }],
  ['describe-session', 0.03, { kind: 'html' }],
  ['session-stop', 0.03, { kind: 'delay', ms: 1500 }],
  ['session-stop', 0.03, { kind: 'drop', when: 'before' }],
  ['session-stop', 0.03, { kind: 'drop', when: 'after' }],
  ['session-stop', 0.03, { kind: 'status', status: 503 }],
  ['session-stop', 0.03, { kind: 'status', status: 500, when: 'after' }],
  ['session-list', 0.05, { kind: 'delay', ms: 1500 }],
  ['session-list', 0.1, { kind: 'stale-list', ageMs: 20_000 }],
  ['session-list', 0.05, { kind: 'drop', when: 'before' }],
  ['session-list', 0.05, { kind: 'status', status: 503 }],
  ['session-list', 0.05, { kind: 'truncate' }],
  ['session-list', 0.05, { kind: 'html' }],
  ['session-list', 0.05, { kind: 'body', body: { sessions: [] } }],
  ['join-session', 0.03, { kind: 'drop', when: 'after' }],
  ['join-session', 0.03, { kind: 'status', status: 503 }],
  ['leave-session', 0.03, { kind: 'drop', when: 'before' }],
  ['leave-session', 0.03, { kind: 'status', status: 503 }],
];

/** Every fault that the simulator has, each at its own rate, and bursts of 420 in which a region is full for everybody. */
export function faultRules(seed: number, allocations: number, regions: readonly string[]): FaultRule[] {
  const rates = SHARES.map(([operation, rate, action], i): FaultRule => {
    return { operation, on: { rate, seed: seed * 1009 + i }, action };
  });
  const bursts = regions.map((region, i): FaultRule => {
    const on = { ordinals: burstOrdinals(seed * 31 + i, allocations) };
    return { operation: 'session-run', region, on, action: { kind: 'status', status: 420 } };
  });
  return [...rates, ...bursts];
}

/** Runs of 3 to 12 refusals, with some hundred requests between them. */
function burstOrdinals(seed: number, allocations: number): number[] {
  const chance = chanceFrom(seed);
  const ordinals: number[] = [];
  // More requests than allocations: faults are tried again.
  for (let at = chance.between(5, 40); at < allocations * 1.5; at += chance.between(60, 250)) {
    for (let i = chance.between(3, 12); i > 0; i--) ordinals.push(at++);
  }
  return ordinals;
}
