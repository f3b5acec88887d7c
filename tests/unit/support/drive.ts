import type { Config } from '../../../src/config';
import { nextStep, timeFor, type Allocation, type Waiting } from '../../../src/allocation/allocation';
import {
  afterGiveUpId,
  afterLookUp,
  afterNobodyTold,
  afterRun,
  afterStart,
  afterStop,
  timeOut,
  type Chance,
} from '../../../src/allocation/transitions';
import { finding, regionOf } from '../../../src/allocation/launch';
import { describeSession, runSession, stopSession } from '../../../src/gameye/session-api';
import type { Nakama } from '../../../src/nakama/runtime';

/** What became of an allocation, as its players and the Session API saw it. */
export interface Story {
  end: Allocation;
  told: { what: 'address' | 'failure'; sessionId: string; region: string; atMs: number }[];
  /** Ids that were sent while another one might still have been carried out, and had had no answered DELETE. */
  careless: string[];
  steps: number;
}

/**
 * Drives the pure state machine as its worker does, without storage: every outcome comes from `nk`, every instant from
 * `clock`. `notify` says whether the players could be told.
 */
export function drive(
  nk: Nakama,
  config: Config,
  clock: { now: () => number; pass: (ms: number) => void },
  first: Waiting,
  chance: Chance,
  notify: () => boolean,
): Story {
  let a: Allocation = first;
  let steps = 0;
  const told: Story['told'] = [];
  const careless: string[] = [];
  const inDoubt = new Set<string>();
  for (; steps < 5000; steps++) {
    a = JSON.parse(JSON.stringify(a)) as Allocation;
    const step = nextStep(a, clock.now());
    switch (step.do) {
      case 'wait':
        clock.pass(Math.max(1, step.untilMs - clock.now()));
        break;
      case 'run': {
        if ([...inDoubt].some((id) => id !== a.session_id)) careless.push(a.session_id);
        a = { ...waiting(a), state: 'starting', attempts: a.attempts + 1 };
        const run = { id: a.session_id, location: regionOf(a), image: config.image, ttl: config.ttl, env: {} };
        const timeoutMs = timeFor(a, 15_000, clock.now());
        const labels = { nakama_fleet: config.fleet };
        const outcome = runSession(nk, config, { ...run, labels }, timeoutMs);
        if (outcome.kind === 'unknown') inDoubt.add(a.session_id);
        a =
          outcome.kind === 'done'
            ? afterStart(a, outcome.value, false, clock.now())
            : afterRun(a, outcome, clock.now(), chance);
        break;
      }
      case 'look-up': {
        const outcome = describeSession(nk, config, a.session_id, timeFor(a, 10_000, clock.now()));
        const found = outcome.kind === 'done' ? finding(config, waiting(a), outcome.value) : undefined;
        if (found === 'ended' || found === 'not-ours') inDoubt.delete(a.session_id);
        a =
          found === 'adoptable' && outcome.kind === 'done'
            ? afterStart(waiting(a), outcome.value, false, clock.now())
            : afterLookUp(waiting(a), outcome, found, clock.now(), chance);
        break;
      }
      case 'give-up-id': {
        const outcome = stopSession(nk, config, a.session_id, timeFor(a, 10_000, clock.now()));
        if (outcome.kind === 'done') inDoubt.delete(a.session_id);
        a = afterGiveUpId(waiting(a), outcome, clock.now(), chance);
        break;
      }
      case 'time-out':
        a = timeOut(a, clock.now());
        break;
      case 'announce':
        if (notify()) {
          told.push({ what: 'address', sessionId: a.session_id, region: regionOf(a), atMs: clock.now() });
          a = { ...a, state: 'announced' } as Allocation;
        } else a = afterNobodyTold(a, clock.now(), chance);
        break;
      case 'tell-failure':
        told.push({ what: 'failure', sessionId: a.session_id, region: regionOf(a), atMs: clock.now() });
        a = { ...a, told: true } as Allocation;
        break;
      case 'stop':
        a = afterStop(
          a,
          step.sessionId,
          stopSession(nk, config, step.sessionId, 10_000),
          config.ttlMs,
          clock.now(),
          chance,
        );
        break;
      case 'finish':
        return { end: a, told, careless, steps };
      default:
        throw new Error(`Nobody asked for "${step.do}" here: no ready game server, no backfill, nobody who cancels.`);
    }
  }
  throw new Error(`The allocation did not end: ${JSON.stringify(a)}`);
}

function waiting(a: Allocation): Waiting {
  if (a.state !== 'starting' && a.state !== 'queued') throw new Error(`it is ${a.state}`);
  return a;
}
