import type { MessagePort } from 'node:worker_threads';
import type { ModuleSyntax } from '../module-syntax.ts';

/** A script, and what compiling it once has taught V8: a thread that has both starts without reading all of the script. */
export interface Compiled {
  text: string;
  cache?: Uint8Array;
}

/** Handed to a VM's thread when it starts. */
export interface VmData {
  /** The VM's own program. */
  program: Compiled;
  module: Compiled;
  /** The entry point's base name, as it appears in stack traces. */
  filename: string;
  version: string;
  node: string;
  env: Record<string, string>;
  /** The InitModule VM is the only one whose globals stay writable. */
  frozen: boolean;
  /** What InitModule's syntax registers; only its own VM needs it. */
  registrations?: ModuleSyntax;
  /** Answer of `initializer.getConfig()`. */
  config?: Fields;
  modulePath: string;
  /** [0] becomes 1 when the answer to a synchronous call is on `replies`; [1] when the match of this VM was stopped. */
  signal: SharedArrayBuffer;
  replies: MessagePort;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';
export type Fields = Record<string, unknown>;

/** What the top level of a module registered, by the names of global functions. */
export interface MatchHandlers {
  matchInit: string;
  matchJoinAttempt: string;
  matchJoin: string;
  matchLeave: string;
  matchLoop: string;
  matchTerminate: string;
  matchSignal: string;
}

export interface Presence {
  userId: string;
  sessionId: string;
  username: string;
  node: string;
}

/** A message that a player sent to a match. */
export interface MatchData {
  sender: Presence;
  opCode: number;
  data: Uint8Array | null;
  reliable: boolean;
  receiveTimeMs: number;
}

export type MatchEvent =
  | { op: 'join-attempt'; id: number; ctx: Fields; presence: Presence; metadata: Record<string, string> }
  | { op: 'join'; presences: Presence[] }
  | { op: 'leave'; presences: Presence[] }
  | { op: 'data'; message: MatchData }
  | { op: 'signal'; id: number; data: string }
  | { op: 'cancel'; id: number }
  | { op: 'terminate'; graceSec: number }
  | { op: 'stop' };

/** Main thread to VM. */
export type ToVm =
  | { t: 'init-module' }
  | { t: 'invoke'; id: number; mode: string; key: string; ctx: Fields; args: unknown[]; fields: Fields }
  | { t: 'match-init'; id: number; matchId: string; handlers: MatchHandlers; params: string; maxEmptySec: number }
  | { t: 'match'; event: MatchEvent };

/** How a call into a module ended. `custom` errors were thrown as `{message, code}`; the others are logged as uncaught. */
export interface Thrown {
  message: string;
  stackTrace: string;
  code: number;
  custom: boolean;
}

/** VM to main thread. Only `call` waits for an answer, which comes on the port of `VmData`; `cast` is a call without one. */
export type FromVm =
  | { t: 'ready' }
  | { t: 'failed'; message: string }
  | { t: 'fatal'; message: string }
  | { t: 'log'; level: LogLevel; message: string; fields: Fields }
  | { t: 'call'; fn: string; args: unknown[] }
  | { t: 'cast'; fn: string; args: unknown[] }
  | { t: 'result'; id: number; value?: unknown; thrown?: Thrown }
  | { t: 'match-started'; id: number; tickRate: number; label: string }
  | { t: 'match-refused'; id: number; message: string }
  | { t: 'match-event-done'; id: number; ok: boolean; data?: string; accept?: boolean }
  | { t: 'match-data-taken'; count: number }
  | { t: 'match-stopped'; level: 'info' | 'warn'; message: string; fields: Fields; disconnect: boolean };

/** The answer to a synchronous call. */
export type Reply = { value: unknown } | { error: string };
