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
 * Sessions that came through fleet_create have the attempt's label. Those of the matchmaker have their players, and each
 * player is in one attempt at a time: the latest that began before the allocation was made. Addresses belong to their
 * session's attempt, reasons to the latest attempt of the player.
 */
export function attribute(evidence: Pick<Evidence, 'asked' | 'answers' | 'stored' | 'ledger'>): Attribution {
  const byLabel = new Map(evidence.asked.map((asked) => [asked.label, asked]));
  const byUser = new Map<string, Asked[]>();
  for (const asked of evidence.asked) for (const userId of asked.userIds) push(byUser, userId, asked);
  const latest = (userId: string | undefined, atMs: number): Asked | undefined =>
    byUser.get(userId ?? '')?.findLast((asked) => asked.beganAtMs <= atMs);

  const ownerOf = (entry: Session): Asked | undefined => {
    const label = entry.labels['chaos'];
    return label === undefined ? latest(entry.matchUserIds[0], entry.madeAtMs) : byLabel.get(label);
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
    const asked = answer.kind === 'match' ? owners.get(answer.sessionId) : latest(answer.userId, answer.atMs);
    if (asked) push(answers, `${asked.label} ${answer.userId}`, answer);
    else unknown.push(answer);
  }
  const stored = new Map(evidence.stored.map((one) => [`${one.label} ${one.userId}`, one]));
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
