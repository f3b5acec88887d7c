import type { Asked, Evidence, PlayerAnswer, Session, StoredAnswer } from './evidence.ts';

/** Who asked for which session, and what which attempt was answered. */
export interface Attribution {
  /** Undefined for a session that nobody of this run can have asked for. */
  askedFor(entry: Pick<Session, 'id'>): Asked | undefined;
  sessionsOf(asked: Asked): Session[];
  /** What one player was told about an attempt, oldest first. */
  answersTo(asked: Asked, userId: string): PlayerAnswer[];
  storedFor(asked: Asked, userId: string): StoredAnswer | undefined;
  /** Addresses of sessions that were never started. */
  unknown: PlayerAnswer[];
}

/**
 * A stored answer was noted under the attempt that was open then; which id that one had, shows only later. Empty: the row
 * has forgotten its allocation, and only this attempt can have written it.
 */
export function isAbout({ label, allocationId }: Asked, stored: StoredAnswer): boolean {
  const isItsId = allocationId === undefined || stored.allocationId === '' || stored.allocationId === allocationId;
  return stored.label === label && isItsId;
}

/**
 * Sessions that came through fleet_create have the attempt's label. Those of the matchmaker have their players, and each
 * player is in one attempt at a time: the latest of these players that began before the allocation was made.
 * Addresses belong to their session's attempt, reasons to the latest attempt of the player.
 */
export function attribute(evidence: Pick<Evidence, 'asked' | 'answers' | 'stored' | 'ledger'>): Attribution {
  const byLabel = new Map(evidence.asked.map((asked) => [asked.label, asked]));
  const byUser = new Map<string, Asked[]>();
  for (const asked of evidence.asked) for (const userId of asked.userIds) push(byUser, userId, asked);
  const latest = (userId: string, atMs: number, isIt: (asked: Asked) => boolean = () => true): Asked | undefined =>
    byUser.get(userId)?.findLast((asked) => asked.beganAtMs <= atMs && isIt(asked));

  const ownerOf = ({ labels, matchUserIds, madeAtMs }: Session): Asked | undefined => {
    const label = labels['chaos'];
    if (label !== undefined) return byLabel.get(label);
    const first = matchUserIds[0] ?? '';
    const isWhole = ({ userIds, planned }: Asked): boolean =>
      planned.way === 'matchmaker' &&
      userIds.length === matchUserIds.length &&
      userIds.every((userId) => matchUserIds.includes(userId));
    // Who cancelled in time is missing among the players of a session.
    return latest(first, madeAtMs, isWhole) ?? latest(first, madeAtMs);
  };
  const sessions = new Map<Asked, Session[]>();
  const owners = new Map<string, Asked>();
  for (const entry of evidence.ledger) {
    const asked = ownerOf(entry);
    if (!asked) continue;
    owners.set(entry.id, asked);
    push(sessions, asked, entry);
  }
  const answers = new Map<string, PlayerAnswer[]>();
  const unknown: PlayerAnswer[] = [];
  for (const answer of [...evidence.answers].sort((a, b) => a.atMs - b.atMs)) {
    // A reason that comes in the millisecond in which an attempt begins is what ended the one before.
    const asked = answer.kind === 'match' ? owners.get(answer.sessionId) : latest(answer.userId, answer.atMs - 1);
    if (asked) push(answers, `${asked.label} ${answer.userId}`, answer);
    else unknown.push(answer);
  }
  const stored = new Map<string, StoredAnswer>();
  for (const one of evidence.stored) {
    const asked = byLabel.get(one.label);
    if (asked && isAbout(asked, one)) stored.set(`${one.label} ${one.userId}`, one);
  }
  return {
    askedFor: (entry) => owners.get(entry.id),
    sessionsOf: (asked) => sessions.get(asked) ?? [],
    answersTo: (asked, userId) => answers.get(`${asked.label} ${userId}`) ?? [],
    storedFor: (asked, userId) => stored.get(`${asked.label} ${userId}`),
    unknown,
  };
}

function push<K, V>(map: Map<K, V[]>, key: K, value: V): void {
  const list = map.get(key);
  if (list) list.push(value);
  else map.set(key, [value]);
}
