import type { Asked, Evidence, InstanceRow, PlayerAnswer, Session, Snapshot } from '../../../dev/chaos/evidence.ts';
import { judge } from '../../../dev/chaos/judge.ts';
import type { Ending } from '../../../dev/chaos/plan.ts';
import { ledgerEntry } from '../../helpers/ledger-entry.ts';

/*
 * A run in which every promise was kept, and what the judge says when one thing in it is changed.
 * 1.1 was deleted after its game, 2.1 (from the matchmaker) was left, 3.1 stays until the end.
 */
export const MINUTE = 60_000;

export function session(id: string, change: Partial<Session> = {}): Session {
  const requestedAtMs = change.requestedAtMs ?? 1000;
  const ports = [{ type: 'udp' as const, container: 7777, host: 20_000 }];
  const entry = ledgerEntry(id, { requestedAtMs, runningAtMs: 1100, ports });
  return { ...entry, madeAtMs: requestedAtMs, ...change };
}

const stopped = { ended: 'stop', stopRequestedAtMs: 5000, endedAtMs: 5000 } as const;

export function attempt(ordinal: number, ending: Ending, change: Partial<Asked> = {}): Asked {
  const way = ordinal === 2 ? 'matchmaker' : 'fleet_create';
  const planned = { elsewhere: false, realServer: false, afterMs: 0, joins: 0, players: 2, maxPlayers: 2 };
  return {
    planned: { ordinal, way, ending, ...planned },
    attempt: 1,
    label: `${ordinal}.1`,
    userIds: [`ann${ordinal}`, `bob${ordinal}`],
    node: 'n1',
    owners: [],
    beganAtMs: 900,
    askedAtMs: 900,
    outcome: 'accepted',
    cancelled: [],
    ...change,
  };
}

/** A session of two, in which these players are. */
export function record(id: string, joinedSeats: string[]): InstanceRow {
  const joined = joinedSeats.length;
  return {
    ...{
      id,
      status: 'running',
      host: '127.0.0.1',
      port: 20_000,
      maxPlayers: 2,
      playerCount: joined,
      joined,
      joinedSeats,
    },
    ...{ openSeats: 2 - joined, reserved: 0, reservedSeats: [], unseated: 0 },
  };
}

export function match(userId: string, sessionId: string, change: { atMs?: number; port?: number } = {}): PlayerAnswer {
  const { atMs = 1200, port = 20_000 } = change;
  const notificationId = `${userId} ${sessionId} ${atMs}`;
  return { userId, kind: 'match', sessionId, host: '127.0.0.1', port, atMs, via: 'live', notificationId, content: {} };
}

export function failed(userId: string, atMs = 1200): PlayerAnswer {
  return {
    userId,
    kind: 'failed',
    reason: 'error',
    atMs,
    via: 'live',
    notificationId: `${userId} ${atMs}`,
    content: {},
  };
}

export function goodRun(): Evidence {
  const stays = session('s3', { labels: { chaos: '3.1' } });
  const calm: Snapshot = {
    atMs: 10_000,
    running: [stays],
    instances: [record('s3', ['ann3', 'bob3'])],
    allocations: [],
    ghosts: [],
  };
  const tellsAll = (ordinal: number) => ['ann', 'bob'].map((name) => match(`${name}${ordinal}`, `s${ordinal}`));
  return {
    limits: { createTimeoutMs: MINUTE, reconcileIntervalMs: 10_000, emptyGraceMs: 5000, seatTimeoutMs: 20_000 },
    asked: [
      attempt(1, 'delete', { mayEndFromMs: 4000, allocationId: 's1' }),
      attempt(2, 'leave', { mayEndFromMs: 4000 }),
      attempt(3, 'stay'),
    ],
    answers: [...tellsAll(1), ...tellsAll(2), ...tellsAll(3)],
    stored: [],
    ledger: [
      session('s1', { labels: { chaos: '1.1' }, ...stopped }),
      session('s2', { matchUserIds: ['ann2', 'bob2'], ...stopped }),
      { ...stays, ...stopped, stopRequestedAtMs: 11_000, endedAtMs: 11_000 },
    ],
    nodes: [{ node: 'n1', kind: 'up', atMs: 0 }],
    kills: [],
    calmFromMs: 6000,
    tidyAtMs: 7000,
    calm,
    end: { atMs: 12_000, running: [], instances: [], allocations: [], ghosts: [] },
    miscounted: [],
    secrets: [],
    searchedBytes: 1000,
    failedStatements: 1,
    faults: {},
    startedAtMs: 0,
    endedAtMs: 13_000,
  };
}

/** The promises that the judge finds broken, and all that it says about them. */
export function found(change: (evidence: Evidence) => void): { promises: string[]; text: string } {
  const evidence = goodRun();
  change(evidence);
  const broken = judge(evidence).filter((verdict) => verdict.broken.length > 0);
  return { promises: broken.map(({ promise }) => promise), text: broken.flatMap((one) => one.broken).join('\n') };
}

export function ready(label: string, userId: string, allocationId: string): Evidence['stored'][number] {
  return { label, userId, allocationId, atMs: 1500, state: 'ready', sessionId: allocationId };
}

export const withoutAnswersOf = (evidence: Evidence, userId: string): void => {
  evidence.answers = evidence.answers.filter((answer) => answer.userId !== userId);
};
