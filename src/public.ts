/*
 * What another module imports. It registers the functions in its own InitModule, as index.ts does; all the rest is in the
 * function `library()`, which the build puts in front of this file, so that a module gets few globals more (functions.ts).
 */
import type { Extension } from './extension/extension';
import type * as Library from './library';
import type { Context, Logger, Nakama } from './nakama/runtime';
import type { FleetManager } from './rpc/verbs';

export * from './functions';
export type { StartingInstance } from './allocation/pending';
export type { EndReason, FailureReason, Instance, Latency, SeatRef as SessionInfo } from './records';
export type {
  Callback,
  CallbackResult,
  Extension,
  MatchRequest,
  ServerResult,
  SessionEnd,
} from './extension/extension';
export type {
  Context,
  Initializer,
  Logger,
  MatchHandler,
  MatchmakerResult,
  MatchState,
  Nakama,
  Presence,
  RpcFunction,
} from './nakama/runtime';
export type { RpcError } from './refusal';
export type { CreateRequest, FleetManager } from './rpc/verbs';

declare const library: { (): typeof Library; noted: { extension?: Extension } };

/**
 * Says what this module adds. Called once, at the TOP LEVEL of the module's file: Nakama runs that in every VM, but
 * InitModule in one only, so what is said there is missing where matches are made. Throws when it is too late.
 */
export function configure(extension: Extension): void {
  if (library.noted.extension) {
    throw new Error('nakama-gameye: configure() has to be called once, at the top level of the module.');
  }
  library.noted.extension = extension;
}

/** Gameye's fleet manager, for RPCs, hooks and matches of this module. Costs nothing until a verb is called. */
export function fleetManager(ctx: Context, logger: Logger, nk: Nakama): FleetManager {
  return library().fleetManager(ctx, logger, nk);
}

/**
 * The session whose game server calls this RPC, by its NAKAMA_SERVER_TOKEN; undefined for everybody else, whatever their
 * session variables say. So an RPC of one's own knows that it can believe what it is told, or that no player calls.
 */
export function callingServer(ctx: Context, nk: Nakama): string | undefined {
  return library().serverOf(ctx, nk);
}
