// What a player can say over the socket.

import { filled, fromHook, problemOf, toHook } from './envelopes.ts';
import type { Log } from './log.ts';
import type { Matches } from './matches.ts';
import { presenceOf, userPresence } from './running-match.ts';
import type { Matchmaker, MatchmakerRequest } from './matchmaker.ts';
import type { Parties } from './parties.ts';
import type { Connection } from './presences.ts';
import type { CallOrigin, Runtime } from './runtime.ts';
import { verifyJwt } from './tokens.ts';

const ErrorCode = {
  RuntimeException: 0,
  Unrecognized: 1,
  BadInput: 3,
  MatchNotFound: 4,
  JoinRejected: 5,
  NoFunction: 6,
  FunctionException: 7,
};

/** A refusal that the player is told of. */
class RealtimeError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

type Message = Record<string, unknown>;
/** The answer's envelope without its cid; null answers nothing. */
type Handler = (connection: Connection, message: Message) => object | null | Promise<object | null>;

const text = (value: unknown): string => (typeof value === 'string' ? value : '');
const bad = (message: string): RealtimeError => new RealtimeError(ErrorCode.BadInput, message);

/** protojson takes 64-bit and wrapped numbers as strings, too. */
function number(value: unknown): number {
  const result = typeof value === 'string' ? Number(value) : value;
  return typeof result === 'number' && Number.isFinite(result) ? result : 0;
}

function matchmakerRequest(message: Message): MatchmakerRequest {
  const minCount = number(message.min_count);
  const maxCount = number(message.max_count);
  if (minCount < 2) throw bad('Invalid minimum count, must be >= 2');
  if (maxCount < minCount) throw bad('Invalid maximum count, must be >= minimum count');
  let countMultiple = 1;
  if (message.count_multiple !== undefined && message.count_multiple !== null) {
    countMultiple = number(message.count_multiple);
    if (countMultiple < 1) throw bad('Invalid count multiple, must be >= 1');
    if (minCount % countMultiple !== 0) throw bad('Invalid count multiple for minimum count, must divide');
    if (maxCount % countMultiple !== 0) throw bad('Invalid count multiple for maximum count, must divide');
  }
  const stringProperties = (message.string_properties ?? {}) as Record<string, string>;
  const numericProperties = (message.numeric_properties ?? {}) as Record<string, number>;
  const query = text(message.query);
  return { query: query === '' ? '*' : query, minCount, maxCount, countMultiple, stringProperties, numericProperties };
}

/** Handles envelopes of one node's sockets. */
export class Realtime {
  private readonly handlers: Record<string, Handler>;

  constructor(
    private readonly log: Log,
    private readonly runtime: Runtime,
    private readonly matches: Matches,
    private readonly matchmaker: Matchmaker,
    private readonly parties: Parties,
    private readonly encryptionKey: string,
  ) {
    this.handlers = { ...this.basics(), ...this.matchmaking(), ...this.matchMessages() };
  }

  /** Runs hooks around the message and answers it. */
  async handle(connection: Connection, envelope: Message): Promise<void> {
    const cid = text(envelope.cid);
    let own: { cid?: string } = cid === '' ? {} : { cid };
    const kind = Object.keys(envelope).find((key) => key !== 'cid') ?? '';
    const handler = this.handlers[kind];
    try {
      if (handler === undefined)
        throw new RealtimeError(
          ErrorCode.Unrecognized,
          `Unrecognized message: the embedded runtime does not know "${kind}".`,
        );
      let message = (envelope[kind] ?? {}) as Message;
      const hook = kind.replaceAll('_', '');
      if (this.runtime.has('rtBefore', hook)) {
        const seen = this.runtime.since(23) ? filled(kind, message) : message;
        const changed = await this.before(hook, connection, { ...own, [kind]: seen });
        if (changed === null) {
          // The real server writes an answer and disconnects in the same breath: clients see the disconnect only.
          this.log.warn('Intercepted a disabled resource.', { resource: kind });
          connection.close();
          return;
        }
        // What the hook returned replaces the envelope, cid included: without it the client waits for ever.
        own = text(changed.cid) === '' ? {} : { cid: text(changed.cid) };
        const problem = problemOf(kind, changed);
        if (problem !== null) {
          this.log.error('Could not unmarshal result to envelope', { error: problem });
          throw new RealtimeError(ErrorCode.FunctionException, 'Could not complete runtime Before function.');
        }
        if (changed[kind] === undefined) {
          const why = 'The hook returned an envelope without its message: Nakama panics here, and answers nothing.';
          this.log.error(why, { resource: kind });
          return;
        }
        message = changed[kind] as Message;
      }
      const answer = await handler(connection, message);
      if (answer !== null) connection.send({ ...own, ...answer });
      if (this.runtime.has('rtAfter', hook)) {
        const args = [toHook({ ...own, ...answer }), toHook({ ...own, [kind]: message })];
        await this.runtime.namedHook('rtAfter', hook, 'after', origin(connection), args).catch(() => undefined);
      }
    } catch (error) {
      const code = error instanceof RealtimeError ? error.code : ErrorCode.RuntimeException;
      connection.send({ ...own, error: { ...(code === 0 ? {} : { code }), message: (error as Error).message } });
    }
  }

  private async before(hook: string, connection: Connection, envelope: Message): Promise<Message | null> {
    try {
      const result = await this.runtime.namedHook('rtBefore', hook, 'before', origin(connection), [toHook(envelope)]);
      return result === null ? null : (fromHook(result as object) as Message);
    } catch (error) {
      throw new RealtimeError(ErrorCode.FunctionException, (error as Error).message);
    }
  }

  /** A socket has closed. */
  closed(connection: Connection): void {
    this.matchmaker.removeSession(connection.sessionId);
    this.matches.leaveAll(connection.sessionId);
    this.parties.leaveAll(connection.sessionId);
  }

  private basics(): Record<string, Handler> {
    return {
      ping: () => ({ pong: {} }),
      pong: () => null,
      status_update: () => ({}),
      status_follow: () => ({ status: {} }),
      status_unfollow: () => ({}),
      rpc: async (connection, message) => {
        const id = text(message.id);
        if (id === '') throw bad('RPC ID must be set');
        const result = await this.runtime.rpc(id, origin(connection), text(message.payload), null);
        if (result === null) throw new RealtimeError(ErrorCode.NoFunction, 'RPC function not found');
        if (!('payload' in result)) throw new RealtimeError(ErrorCode.FunctionException, result.message);
        return { rpc: { id, ...(result.payload === '' ? {} : { payload: result.payload }) } };
      },
    };
  }

  private matchmaking(): Record<string, Handler> {
    const party = (what: string, work: () => object): object => {
      try {
        return work();
      } catch (error) {
        throw error instanceof RealtimeError ? error : bad(`Error ${what}: ${(error as Error).message}`);
      }
    };
    return {
      matchmaker_add: (connection, message) => {
        const request = matchmakerRequest(message);
        try {
          return { matchmaker_ticket: { ticket: this.matchmaker.add([presenceOf(connection)], '', request) } };
        } catch (error) {
          this.log.error('Error adding to matchmaker', { error: (error as Error).message });
          throw new RealtimeError(ErrorCode.RuntimeException, 'Error adding to matchmaker');
        }
      },
      matchmaker_remove: (connection, message) => {
        const ticket = text(message.ticket);
        if (ticket === '') throw bad('Invalid matchmaker ticket');
        if (!this.matchmaker.remove(connection.sessionId, ticket)) throw bad('Matchmaker ticket not found');
        return {};
      },
      party_create: (connection, message) => {
        const maxSize = number(message.max_size);
        if (maxSize < 0 || maxSize > 256) throw bad('Invalid party max size, must be 1-256');
        return { party: this.parties.create(connection, message.open === true, maxSize === 0 ? 256 : maxSize) };
      },
      party_join: (connection, message) =>
        party('joining party', () => {
          this.parties.join(connection, text(message.party_id));
          return {};
        }),
      party_leave: (connection, message) => {
        this.parties.leave(connection.sessionId, text(message.party_id));
        return {};
      },
      party_close: (connection, message) =>
        party('closing party', () => {
          this.parties.close(connection.sessionId, text(message.party_id));
          return {};
        }),
      party_matchmaker_add: (connection, message) =>
        party('adding party to matchmaker', () => {
          const id = text(message.party_id);
          const ticket = this.parties.matchmakerAdd(connection.sessionId, id, matchmakerRequest(message));
          return { party_matchmaker_ticket: { party_id: id, ticket } };
        }),
      party_matchmaker_remove: (connection, message) =>
        party('removing party matchmaker ticket', () => {
          this.parties.matchmakerRemove(connection.sessionId, text(message.party_id), text(message.ticket));
          return {};
        }),
    };
  }

  private matchMessages(): Record<string, Handler> {
    return {
      match_join: async (connection, message) => {
        let id = text(message.match_id);
        if (text(message.token) !== '') {
          const claims = verifyJwt(text(message.token), this.encryptionKey);
          if (claims === null) throw bad('Invalid match token');
          id = text(claims.mid);
        }
        if (id === '') throw bad('No match ID or token found');
        if (!/^[0-9a-f-]{36}\./i.test(id)) throw bad('Invalid match ID');
        if (id.endsWith('.')) throw bad('the embedded runtime does not implement relayed matches');
        const metadata = (message.metadata ?? {}) as Record<string, string>;
        const result = await this.matches.join(id, connection, metadata);
        if (result === null) throw new RealtimeError(ErrorCode.MatchNotFound, 'Match not found');
        if (!result.accepted)
          throw new RealtimeError(ErrorCode.JoinRejected, result.reason === '' ? 'Match join rejected' : result.reason);
        const others = result.members.filter((member) => member.sessionId !== connection.sessionId);
        const match = { match_id: id, authoritative: true, label: result.label, size: result.members.length };
        return { match: { ...match, presences: others.map(userPresence), self: userPresence(presenceOf(connection)) } };
      },
      match_leave: (connection, message) => {
        this.matches.leave(text(message.match_id), connection.sessionId);
        return {};
      },
      match_data_send: (connection, message) => {
        const data = text(message.data);
        this.matches.data(text(message.match_id), {
          sender: presenceOf(connection),
          opCode: number(message.op_code),
          data: data === '' ? null : new Uint8Array(Buffer.from(data, 'base64')),
          reliable: message.reliable === true,
          receiveTimeMs: Date.now(),
        });
        return null;
      },
    };
  }
}

function origin(connection: Connection): CallOrigin {
  const { clientIp, clientPort, expiresAt, lang, sessionId, userId, username, vars } = connection;
  return { clientIp, clientPort, userSessionExp: expiresAt, lang, sessionId, userId, username, vars };
}
