import { describe, expect, it } from 'vitest';
import type { Asked, Evidence, InstanceRow, NodeEvent } from '../../dev/chaos/evidence.ts';
import { judge } from '../../dev/chaos/judge.ts';
import { seatProblems } from '../../dev/chaos/seats.ts';
import {
  MINUTE,
  attempt,
  failed,
  found,
  goodRun,
  match,
  ready,
  record,
  session,
  withoutAnswersOf,
} from './support/good-run.ts';

it('the judge of a chaos run says nothing about a run in which every promise was kept', () => {
  expect(judge(goodRun()).map(({ promise }) => promise)).toEqual(['P1', 'P2', 'P3', 'P4', 'P6', 'P7', '--']);
  expect(found(() => {})).toEqual({ promises: [], text: '' });
});

it('the judge of a chaos run finds a player without an answer, and accepts the stored assignment as one', () => {
  const missing = found((evidence) => withoutAnswersOf(evidence, 'bob2'));
  expect(missing.promises).toEqual(['P1']);
  expect(missing.text).toMatch(/no answer: allocation 2\.1 .*sessions s2.*player bob2/);
  const away = found((evidence) => {
    withoutAnswersOf(evidence, 'bob2');
    evidence.stored.push(ready('2.1', 'bob2', 's2'));
  });
  expect(away.promises).toEqual([]);
  const ofAnother = found((evidence) => {
    withoutAnswersOf(evidence, 'bob1');
    evidence.stored.push(ready('1.1', 'bob1', 's0'));
  });
  expect(ofAnother.text).toMatch(/no answer: allocation 1\.1/);
});

it('the judge of a chaos run finds a request of which nobody heard, unless it was never stored', () => {
  const unheard = (outcome: Asked['outcome']) =>
    found(({ asked }) => asked.push(attempt(4, 'delete', { outcome, beganAtMs: 8000 })));
  expect(unheard('accepted').promises).toEqual(['P1']);
  expect(unheard('not-stored').promises).toEqual([]);
});

it('the judge of a chaos run excuses a request that its creator deleted before anything began, but not one that had a session', () => {
  const deleted = (change: (evidence: Evidence) => void) =>
    found((evidence) => {
      evidence.asked.push(attempt(4, 'delete-starting', { mayEndFromMs: 8000, beganAtMs: 7900 }));
      change(evidence);
    }).promises;
  expect(deleted(() => {})).toEqual([]);
  const started = { labels: { chaos: '4.1' }, requestedAtMs: 8000, runningAtMs: 8100, ...ends(8200) };
  expect(deleted(({ ledger }) => ledger.push(session('s4', started)))).toEqual(['P1']);
});

it('the judge of a chaos run finds players who were told two things', () => {
  const contradiction = found(({ answers }) => answers.push(failed('ann1', 1300)));
  expect(contradiction.promises).toEqual(['P1']);
  expect(contradiction.text).toContain('told session s1 and "error"');
  const apart = found((evidence) => {
    evidence.ledger.push(
      session('s1b', { labels: { chaos: '1.1' }, requestedAtMs: 6000, runningAtMs: 6000, ...ends(6500) }),
    );
    withoutAnswersOf(evidence, 'bob1');
    evidence.answers.push(match('bob1', 's1b', { atMs: 6100 }));
  });
  expect(apart.text).toContain('one group was told 2 sessions');
});

it('the judge of a chaos run finds an answer that was repeated, unless something was killed meanwhile', () => {
  const again = match('ann1', 's1', { atMs: 2500 });
  const unexcused = 'told session s1 2 times although nothing hit its node or the database';
  expect(found(({ answers }) => answers.push(again)).text).toContain(unexcused);
  const elsewhere = found(({ answers, nodes }) => {
    answers.push(again);
    nodes.push({ node: 'n2', kind: 'killed', atMs: 1250 });
  });
  expect(elsewhere.text).toContain(unexcused);
  const excused = found(({ answers, kills }) => {
    answers.push(again);
    kills.push({ kind: 'connections', at: 1, atMs: 1250, victims: 1 });
  });
  expect(excused.promises).toEqual([]);
});

describe('an answer that comes too late in a chaos run', () => {
  const late = (change: (evidence: Evidence) => void = () => {}, tookMs = 72_000) =>
    found((evidence) => {
      evidence.nodes.push({ node: 'n2', kind: 'up', atMs: 100 });
      withoutAnswersOf(evidence, 'ann1');
      evidence.answers.push(match('ann1', 's1', { atMs: 900 + tookMs }));
      change(evidence);
    });
  const killed = (node: string, atMs: number, backAtMs: number): NodeEvent[] => [
    { node, kind: 'killed', atMs },
    { node, kind: 'up', atMs: backAtMs },
  ];

  it('is found', () => {
    expect(late().promises).toEqual(['P1']);
    expect(late().text).toContain('answered after 72000 ms');
  });

  it('is excused by the death of the node that worked on it, not by that of another one or by a return', () => {
    expect(late(({ nodes }) => nodes.push(...killed('n1', 3000, 4000))).promises).toEqual([]);
    expect(late(({ nodes }) => nodes.push(...killed('n2', 3000, 4000))).promises).toEqual(['P1']);
    expect(late(({ nodes }) => nodes.push(...killed('n1', 800, 60_000))).promises).toEqual(['P1']);
  });

  it('is excused by the death of the node that had taken over, and not by that of the one before it', () => {
    const takenOver = (node: string, atMs: number) =>
      late(({ asked, nodes }) => {
        asked[0]!.owners.push({ node: 'n2', fromMs: 5000 });
        nodes.push(...killed(node, atMs, 50_000));
      }).promises;
    expect(takenOver('n2', 6000)).toEqual([]);
    // The tables are looked at now and then, so a node that takes over is seen a moment later.
    expect(takenOver('n2', 4500)).toEqual([]);
    expect(takenOver('n1', 6000)).toEqual(['P1']);
  });

  it('counts from the return of the first node when none was up', () => {
    const allDown = late(
      ({ nodes }) => nodes.push(...killed('n2', 2000, 60_000), ...killed('n1', 3000, 50_000)),
      120_000,
    );
    expect(allDown.promises).toEqual([]);
    const anotherUp = late(({ nodes }) => nodes.push(...killed('n1', 3000, 50_000)), 120_000);
    expect(anotherUp.promises).toEqual(['P1']);
  });

  it('has some seconds more for each time that the database was hurt, and none for one that hit nobody', () => {
    const cut = (victims: number, tookMs: number) =>
      late(({ kills }) => kills.push({ kind: 'statements', at: 1, atMs: 3000, victims }), tookMs).promises;
    expect(cut(2, 72_000)).toEqual([]);
    expect(cut(2, 80_000)).toEqual(['P1']);
    expect(cut(0, 72_000)).toEqual(['P1']);
  });
});

it('the judge of a chaos run finds an address at which no session is, and one of a session that never was', () => {
  const moved = found((evidence) => {
    withoutAnswersOf(evidence, 'ann1');
    evidence.answers.push(match('ann1', 's1', { port: 20_001 }));
  });
  expect(moved.text).toContain('told 127.0.0.1:20001, where session s1 is not');
  expect(found(({ answers }) => answers.push(match('ann1', 'dream'))).promises).toEqual(['P1']);
});

it('the judge of a chaos run finds a player who was told an address after cancelling', () => {
  const cancelled = found(({ asked }) => asked[0]!.cancelled.push({ userId: 'ann1', atMs: 1000, certain: true }));
  expect(cancelled.text).toContain('told session s1 although cancelled');
  const unsure = found(({ asked }) => asked[0]!.cancelled.push({ userId: 'ann1', atMs: 1000, certain: false }));
  expect(unsure.promises).toEqual([]);
});

const ends = (atMs: number) => ({ ended: 'stop' as const, stopRequestedAtMs: atMs, endedAtMs: atMs });

it('the judge of a chaos run finds two sessions of one request, by label or by players, but not one after the other', () => {
  const second = { requestedAtMs: 2000, runningAtMs: 2100, ...ends(2500) };
  const byLabel = found(({ ledger }) => ledger.push(session('double', { labels: { chaos: '1.1' }, ...second })));
  expect(byLabel.promises).toEqual(['P2']);
  expect(byLabel.text).toMatch(/session s1 .* and session double .* ran at once: allocation 1\.1/);
  const byPlayers = found(({ ledger }) => ledger.push(session('double', { matchUserIds: ['bob2'], ...second })));
  expect(byPlayers.promises).toEqual(['P2']);
  const later = { requestedAtMs: 5100, runningAtMs: 5200, ...ends(5300) };
  expect(found(({ ledger }) => ledger.push(session('next', { labels: { chaos: '1.1' }, ...later }))).promises).toEqual(
    [],
  );
});

it('the judge of a chaos run knows whose a session is although the request for it was held up until the players asked again', () => {
  const held = { matchUserIds: ['ann2'], requestedAtMs: 9500, runningAtMs: 9600, ...ends(9700) };
  const next = attempt(4, 'delete', { beganAtMs: 9000, askedAtMs: 9000, mayEndFromMs: 9900, userIds: ['ann2'] });
  const made = (madeAtMs: number) =>
    found(({ asked, ledger, answers }) => {
      asked.push(next);
      const running = { requestedAtMs: 9400, runningAtMs: 9450, ...ends(9950) };
      ledger.push(session('own', { labels: { chaos: '4.1' }, ...running }), session('late', { ...held, madeAtMs }));
      answers.push(match('ann2', 'own', { atMs: 9500 }));
    }).promises;
  expect(made(4000)).toEqual([]);
  expect(made(9500)).toEqual(['P2']);
});

it('the judge of a chaos run takes a reason for the answer to the request before, when the next one begins in the same millisecond', () => {
  const next = (beganAtMs: number) =>
    found(({ asked, answers }) => {
      asked.push(attempt(4, 'delete', { userIds: ['ann4'], beganAtMs: 8000 }));
      asked.push(attempt(5, 'delete', { userIds: ['ann4'], beganAtMs, outcome: 'not-stored' }));
      answers.push(failed('ann4', 8500));
    }).promises;
  expect(next(8500)).toEqual([]);
  expect(next(8499)).toEqual(['P1']);
});

it('the judge of a chaos run knows which of two requests a session is for by its players', () => {
  const larger = attempt(4, 'delete', { userIds: ['ann2', 'bob2', 'cat'], mayEndFromMs: 4000 });
  larger.planned.way = 'matchmaker';
  const own = session('own', { matchUserIds: ['ann2', 'bob2', 'cat'], ...ends(6000) });
  const both = found(({ asked, answers, ledger }) => {
    asked.push(larger);
    ledger.push(own);
    answers.push(...larger.userIds.map((userId) => match(userId, 'own')));
  });
  expect(both).toEqual({ promises: [], text: '' });
});

it('the judge of a chaos run finds a session that nobody asked for', () => {
  const stranger = found(({ ledger }) => ledger.push(session('stranger', { matchUserIds: ['eve'], ...ends(3000) })));
  expect(stranger.promises).toEqual(['P2']);
  expect(stranger.text).toContain('session stranger (here) was started for nobody of this run');
});

it('the judge of a chaos run finds a stray that runs when all should be calm, and calm that comes too late', () => {
  const stray = session('stray', { labels: { chaos: '1.1' }, requestedAtMs: 5500, runningAtMs: 5600 });
  const left = found(({ ledger, calm }) => {
    ledger.push({ ...stray, ...ends(11_000) });
    calm.running.push(stray);
  });
  expect(left.promises).toEqual(['P3', 'P4']);
  expect(left.text).toContain('session stray (here) still ran at the end');
  expect(left.text).toContain('session stray (here) runs and has no record');
  const late = found((evidence) => (evidence.tidyAtMs = evidence.calmFromMs + 5 * MINUTE));
  expect(late.promises).toEqual(['P3']);
});

it('the judge of a chaos run finds a session that does not end', () => {
  const endless = found(({ end, calm }) => end.running.push(calm.running[0]!));
  expect(endless.promises).toEqual(['P3', 'P4']);
  expect(endless.text).toContain('session s3 (here) does not end');
});

it('the judge of a chaos run finds a record without a session, a session without a record, and a record that is wrong', () => {
  const dead = found(({ calm }) => calm.instances.push(record('dead', [])));
  expect(dead.text).toBe('session dead does not run and has a record');
  const unknown = found(({ calm }) => (calm.instances = []));
  expect(unknown.text).toBe('session s3 (here) runs and has no record');
  expect(found(({ calm }) => (calm.instances[0]!.port = 1)).text).toContain('is not at 127.0.0.1:1');
  expect(found(({ calm }) => (calm.instances[0]!.status = 'lost')).text).toContain('its record says lost');
  expect(found(({ end }) => end.instances.push(goodRun().calm.instances[0]!)).text).toContain('after the end');
});

it('the judge of a chaos run finds an allocation that is left', () => {
  const row = { id: 'a', state: 'announced', sessionId: 's3', createdAtMs: 900, abandoned: [], node: 'n1' };
  expect(found(({ calm }) => calm.allocations.push(row)).promises).toEqual(['P4']);
  const atEnd = found(({ end }) => end.allocations.push({ ...row, state: 'starting', abandoned: ['x'] }));
  expect(atEnd.text).toContain('allocation a is still there: starting, session s3, to be stopped: 1');
});

it('the judge of a chaos run finds a session that was stopped while its players wanted it', () => {
  const early = found(({ ledger }) => Object.assign(ledger[0]!, ends(3999)));
  expect(early.promises).toEqual(['P4']);
  expect(early.text).toMatch(/session s1 \(here\) was stopped while its players wanted it: allocation 1\.1/);
  expect(found(({ ledger }) => Object.assign(ledger[2]!, ends(9000))).promises).toEqual(['P4']);
});

it('the judge of a chaos run knows which session of a request without players its creator found', () => {
  const nobody = attempt(4, 'delete', { userIds: [], foundSessionId: 'found', mayEndFromMs: 4000 });
  const stoppedEarly = (id: string) =>
    found(({ asked, ledger }) => {
      asked.push(nobody);
      ledger.push(session(id, { labels: { chaos: '4.1' }, ...ends(3000) }));
    }).promises;
  expect(stoppedEarly('found')).toEqual(['P4']);
  expect(stoppedEarly('given-up')).toEqual([]);
});

it('the judge of a chaos run finds more players than seats', () => {
  const joins = { granted: ['eve'], lost: 0, fromMs: 1200, untilMs: 1300 };
  expect(found(({ asked }) => (asked[0]!.joins = joins)).promises).toEqual(['P6']);
  expect(found(({ miscounted }) => miscounted.push('session s1: 3 players, 3 seats taken, of 2')).promises).toEqual([
    'P6',
  ]);
});

it('the judge of a chaos run finds counters that are not those of the seats, a player with two seats, and a seat where there is no session', () => {
  const counters: Partial<InstanceRow>[] = [
    { joinedSeats: ['ann3'] },
    { reservedSeats: ['cat'] },
    { reserved: 1, joined: 1 },
    { unseated: 1 },
    { openSeats: 1 },
  ];
  for (const change of counters) {
    const wrong = found(({ calm }) => Object.assign(calm.instances[0]!, change));
    expect(wrong.promises, JSON.stringify(change)).toEqual(['P6']);
    expect(wrong.text).toContain('session s3 counts');
  }
  const twice = seatProblems([record('s3', ['ann3']), record('s4', ['bob3', 'ann3'])]);
  expect(twice).toEqual(['player ann3 has seats in session s3 and in session s4']);
  expect(found(({ calm }) => calm.ghosts.push('player eve is joined in session s9')).promises).toEqual(['P6']);
});

it('the judge of a chaos run finds a secret, and a node that nobody killed', () => {
  expect(found(({ secrets }) => secrets.push('the log of n1: token')).promises).toEqual(['P7']);
  const died = found(({ nodes }) => nodes.push({ node: 'n1', kind: 'died', atMs: 5000, lastWords: 'panic: x' }));
  expect(died).toMatchObject({ promises: ['--'], text: expect.stringContaining('panic: x') as string });
});
