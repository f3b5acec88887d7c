import type { Answer } from '../demo/player.ts';
import type { LedgerEntry } from '../gameye/simulator.ts';
import type { PlannedAllocation, PlannedKill } from './plan.ts';

/*
 * What a chaos run leaves behind, as plain data: the judge sees nothing else, so that a test can doctor it.
 */

/** One attempt to get a game server: what was asked for, and what was done about it afterwards. */
export interface Asked {
  planned: PlannedAllocation;
  /** From 1. Who learns that nothing was stored asks again, as a game's client and servers would. */
  attempt: number;
  /** `ordinal.attempt`; the session's label of what came through fleet_create. */
  label: string;
  userIds: string[];
  /** The node that was asked. */
  node: string;
  /** Other nodes that were seen working on it, the first of them after the one that was asked. */
  owners: { node: string; fromMs: number }[];
  beganAtMs: number;
  /** When it was asked for: for players who queue, when their match was made. */
  askedAtMs: number;
  /** `not-stored`: its node died, or refused, before the request was stored. */
  outcome: 'open' | 'accepted' | 'not-stored';
  /** As fleet_create answered it. */
  allocationId?: string;
  /** Of a request without players: the session that its creator found running. */
  foundSessionId?: string;
  /** Players who took themselves out; not `certain` when the answer to that was lost. */
  cancelled: { userId: string; atMs: number; certain: boolean }[];
  /** From then on its session may end without anything being wrong; absent: nobody wanted it to end. */
  mayEndFromMs?: number;
  /** Strangers who tried to join, and those who were let in. */
  joins?: { granted: string[]; lost: number; fromMs: number; untilMs: number };
}

/** What the player's row said about this attempt, as `gameye_assignment` does: the only answer that reaches who was not connected. */
export interface StoredAnswer {
  label: string;
  userId: string;
  allocationId: string;
  atMs: number;
  state: 'ready' | 'failed';
  sessionId: string;
  reason?: string;
}

export type PlayerAnswer = Answer & { userId: string };

/** A session, and when its allocation was made; where that was not seen, when the request for it came. */
export type Session = LedgerEntry & { madeAtMs: number };

export interface NodeEvent {
  node: string;
  /** `died`: nobody killed it. */
  kind: 'up' | 'killed' | 'died' | 'stopped';
  atMs: number;
  /** Last log lines of a node that died. */
  lastWords?: string;
}

/** Something that was killed, and how many of it. */
export interface Killed {
  kind: PlannedKill['kind'];
  at: number;
  atMs: number;
  victims: number;
}

export interface InstanceRow {
  id: string;
  status: string;
  host: string;
  port: number;
  playerCount: number;
  maxPlayers: number;
  openSeats: number;
  /** The counters, and the players whose seats they count. */
  reserved: number;
  joined: number;
  unseated: number;
  reservedSeats: string[];
  joinedSeats: string[];
}

export interface AllocationRow {
  id: string;
  state: string;
  sessionId: string;
  createdAtMs: number;
  abandoned: string[];
  /** Who works on it; empty: nobody yet. */
  node: string;
}

/** Both sides at one instant. */
export interface Snapshot {
  atMs: number;
  running: LedgerEntry[];
  instances: InstanceRow[];
  allocations: AllocationRow[];
  /** Players with a seat in a session that has no record. */
  ghosts: string[];
}

export interface Evidence {
  limits: { createTimeoutMs: number; reconcileIntervalMs: number; emptyGraceMs: number; seatTimeoutMs: number };
  asked: Asked[];
  answers: PlayerAnswer[];
  stored: StoredAnswer[];
  ledger: Session[];
  nodes: NodeEvent[];
  kills: Killed[];
  /** When the load was over and every fault was switched off. */
  calmFromMs: number;
  /** When only what was wanted ran; absent: never. */
  tidyAtMs?: number;
  /** The moment at which the records said so, too, or at which the wait for that was given up. */
  calm: Snapshot;
  /** After everything that was left was stopped. */
  end: Snapshot;
  /** Instances that were seen with more players than seats, with counters that are not those of their seats, or sharing a player. */
  miscounted: string[];
  /** Places in which a secret could be read. */
  secrets: string[];
  /** How many bytes were searched for secrets, and how many lines among them were statements that failed. */
  searchedBytes: number;
  failedStatements: number;
  /** Requests that were hit, by kind of fault. */
  faults: Record<string, number>;
  startedAtMs: number;
  endedAtMs: number;
}
