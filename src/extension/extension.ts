import type { RequestSettings } from '../settings';
import type { Context, Logger, MatchmakerResult, Nakama } from '../nakama/runtime';
import type { EndReason, FailureReason, Instance } from '../records';

/** What a match asks for, where it is not what the configuration says. */
export interface MatchRequest extends RequestSettings {
  /** Instead of the configured regions, in order of preference. */
  regions?: string[];
  /** Another tag; with `image` and without this, Gameye's default tag of that image. */
  version?: string;
  image?: string;
  /** Added to the container's environment. Stored in Nakama's database and shown by Gameye: no secrets. */
  env?: { [name: string]: string };
  /** Becomes the session's labels, the instance's metadata and part of `gameye_match`. */
  metadata?: { [key: string]: unknown };
  /** At least the number of matched players. */
  maxPlayers?: number;
  /** With GAMEYE_BACKFILL: false for a session of its own, in which nobody else is seated later. */
  backfill?: boolean;
  /** The name of one of `callbacks`. */
  callback?: string;
  /** Another mode of GAMEYE_MODES than that of the tickets; empty: none. */
  mode?: string;
}

/** How an allocation ended, with the words of Nakama's Go interface (FmCreateCallbackFn in nakama-common, runtime.go). */
export interface CallbackResult {
  status: 'success' | 'timeout' | 'error';
  /** Go's FmCreateStatus: CreateSuccess, CreateTimeout, CreateError. */
  code: 0 | 1 | 2;
  /** What `create` answered: the same at every repetition. The session itself may have another id, in `instance`. */
  id: string;
  /** Null unless it is a success, like the next two. */
  instance: Instance | null;
  /** Null also when the request named no players. */
  session_info: { user_id: string; session_id: string }[] | null;
  metadata: { [key: string]: unknown } | null;
  /** Null for a success, otherwise the reason that players are told. */
  error: FailureReason | null;
  /** What was asked for: a callback by name has no closure to remember it. */
  request: { user_ids: string[]; max_players: number; metadata: { [key: string]: unknown } };
}

// A method's parameters may be the official declarations, which have more than ours; a function type's may not.
export type Callback = {
  call(ctx: Context, logger: Logger, nk: Nakama, result: CallbackResult): void;
}['call'];

/** What a game server said of a round, or of the whole game (`gameye_server_result`). */
export interface ServerResult {
  /** `<session id>/<round>`, or the session id alone without a round: the same at every repetition, and no other's. */
  id: string;
  session_id: string;
  /** Null: it is the result of the session. */
  round: string | null;
  /** The studio's own document, as the game server sent it. */
  result: { [field: string]: unknown };
  /**
   * Who really was there until then: whom the game server has named as arrived, and who counts as joined. What the document
   * says of others, a game server made up.
   */
  user_ids: string[];
  /** As it was at that moment. */
  instance: Instance;
}

/** A session that is over. */
export interface SessionEnd {
  /** `<session id>#end`: the same at every repetition. */
  id: string;
  session_id: string;
  reason: EndReason;
  /** Who really was there at some time. */
  user_ids: string[];
  /** As it was last. */
  instance: Instance;
  /** What its game server had said, oldest first; without those that were forgotten long ago. */
  results: { id: string; round: string | null; result: { [field: string]: unknown } }[];
}

/** What a module of one's own adds to the fleet manager. */
export interface Extension {
  /**
   * Shapes the request of a matched group; nothing or `{}` is what the configuration says, `false` means that the match is
   * none of ours: it is left to Nakama. It runs inside the matchmaker hook, for which all of Nakama's matchmaking waits:
   * it must not use the network (`nk.httpRequest`), and should not wait for the database. A mistake in what it answers is
   * logged, and the players are told `misconfigured`, also when it is async; when it throws, `error`.
   */
  onMatched?(ctx: Context, logger: Logger, nk: Nakama, entries: MatchmakerResult[]): MatchRequest | false | void;
  /**
   * What may be named as `callback` of a request. Runs when the allocation has ended, well or not, after its players were
   * notified, or instead of that with `notify: false`. In the allocator's VM: nothing that another VM holds in variables
   * is there, and the network may be used, for 10 s at most: later, another worker may believe that this one crashed. Once
   * per allocation; after a crash of the server possibly once more, with the same `id`. Not at all when the last player of
   * a session that is starting has cancelled. What it throws is logged and changes nothing, and so is that it is async.
   */
  callbacks?: { [name: string]: Callback | { run: Callback; notify?: boolean } };
  /**
   * More fields for one player's `gameye_match`. Cannot replace host, port, session_id, ports, seat_token, exp, spectator,
   * relay_url and relay_token. When it throws, answers no object or is async, that is logged, and the player is told
   * `gameye_failed` with `error` instead; the others play. A session for which nobody is left is stopped.
   */
  extras?(
    ctx: Context,
    logger: Logger,
    nk: Nakama,
    instance: Instance,
    userId: string,
  ): { [field: string]: unknown } | void;
  /**
   * Called for every result that a game server reports, about a second later, in a VM of its own, where the network may be
   * used for 10 s at most. Once; after a crash, or when it takes longer than a minute, possibly once more with the same `id`.
   * When it throws it is called again, five times in all within some minutes; not when it is async, which is logged.
   */
  onResult?(ctx: Context, logger: Logger, nk: Nakama, result: ServerResult): void;
  /** The same for every session that is over and to which players were sent; after `onResult` for all that it had reported. */
  onEnded?(ctx: Context, logger: Logger, nk: Nakama, end: SessionEnd): void;
}

/** What is wrong with a function of the module that answers a promise. */
export const ASYNC =
  'It is async: Nakama ends its call before what it awaits, so its answer never comes. Make it a plain function.';

export function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';
}

/** Shared by all VMs of the process, unlike variables. */
const CACHE_KEY = 'gameye_extension';

// A closure variable, so mutable although Nakama freezes globals; each VM has its own.
let current: Extension | undefined;

/** Takes over a module's extension; throws an Error that names every mistake. */
export function configure(extension: Extension): void {
  const problems = mistakes(extension);
  if (problems.length > 0) throw new Error(`nakama-gameye: configure() was given mistakes: ${problems.join(' ')}`);
  current = extension;
}

export function getExtension(): Extension {
  return current ?? {};
}

/** Leaves a note for the other VMs that there is an extension. Called while InitModule runs. */
export function noteExtension(nk: Nakama): void {
  if (current) nk.localcachePut(CACHE_KEY, 'configured');
}

/** True when the VM of InitModule had an extension and this one has none: configure() was called in InitModule. */
export function isExtensionMissing(nk: Nakama): boolean {
  return current === undefined && nk.localcacheGet(CACHE_KEY) !== undefined;
}

function mistakes(extension: Extension): string[] {
  const found: string[] = [];
  const known = ['onMatched', 'callbacks', 'extras', 'onResult', 'onEnded'];
  for (const name of Object.keys(extension)) {
    if (!known.includes(name)) found.push(`"${name}" is unknown; there are ${known.join(', ')}.`);
  }
  for (const name of ['onMatched', 'extras', 'onResult', 'onEnded'] as const) {
    if (extension[name] !== undefined && typeof extension[name] !== 'function') found.push(`${name} is no function.`);
  }
  const callbacks = extension.callbacks ?? {};
  for (const name of Object.keys(callbacks)) {
    const callback = callbacks[name];
    const run = typeof callback === 'object' && callback !== null ? callback.run : callback;
    if (typeof run !== 'function') found.push(`The callback "${name}" is neither a function nor {run, notify?}.`);
  }
  return found;
}
