// A match, inside the VM that it has for itself: ticks, callbacks, and the state between them. What goes wrong ends the
// match exactly as match_handler.go and runtime_javascript_match_core.go end it.

import type { Bridge } from './bridge.ts';
import { createDispatcher } from './dispatcher.ts';
import { describeThrown } from './errors.ts';
import type { Logger } from './logger.ts';
import type { Fields, MatchData, MatchEvent, MatchHandlers, Presence } from './protocol.ts';
import { define, exportValue, isInteger, isMap } from './values.ts';

type Callback = (...args: unknown[]) => unknown;
type State = Record<string, unknown>;

// Node's timer and clock, taken before the module's view of the globals loses them.
const later = setTimeout;
const clock = performance;

export interface MatchSetup {
  bridge: Bridge;
  filename: string;
  logger: Logger;
  nk: object;
  ctx: Fields;
  handlers: MatchHandlers;
  maxEmptySec: number;
  /** Set by the main thread when the match was stopped from outside. */
  stoppedFlag(): boolean;
  callback(key: string): Callback;
}

/** A failure of matchInit; matchCreate throws its text. */
export class MatchInitError extends Error {}

export class Match {
  private state: State = {};
  private tick = 0;
  private rate = 1;
  private emptyTicks = 0;
  private stopped = false;
  private presences: Presence[] = [];
  private inbox: MatchData[] = [];
  private cancelled = new Set<number>();
  private readonly dispatcher: object;

  constructor(private readonly setup: MatchSetup) {
    this.dispatcher = createDispatcher(setup.bridge, {
      stopped: () => this.stopped || setup.stoppedFlag(),
      presences: () => this.presences,
      setLabel: (label) => define(setup.ctx, 'matchLabel', label),
    });
  }

  /** Runs matchInit and starts the clock. @throws MatchInitError with Nakama's text. */
  start(params: object): { tickRate: number; label: string } {
    const { bridge, callback, ctx, handlers, logger, nk } = this.setup;
    let result: unknown;
    try {
      result = callback(handlers.matchInit)(ctx, logger, nk, params);
    } catch (thrown) {
      throw new MatchInitError(this.describe(thrown, handlers.matchInit));
    }
    if (!isMap(result))
      throw new MatchInitError(
        "matchInit is expected to return an object with 'state', 'tickRate' and 'label' properties",
      );
    if (!('tickRate' in result)) throw new MatchInitError("matchInit return value has no 'tickRate' property");
    const { tickRate, label, state } = result;
    if (!isInteger(tickRate) || tickRate < 1 || tickRate > 60)
      throw new MatchInitError("matchInit 'tickRate' must be a number between 1 and 60");
    if ('label' in result && typeof label !== 'string')
      throw new MatchInitError("matchInit 'label' value must be a string");
    if (!('state' in result))
      throw new MatchInitError("matchInit is expected to return an object with a 'state' property");
    if (state === null || state === undefined) throw new MatchInitError('Match initial state must not be nil');
    const text = (label ?? '') as string;
    if (unescape(encodeURIComponent(text)).length > 2048)
      throw new MatchInitError('match label too long, must be 0-2048 bytes');
    if (!isMap(state)) {
      bridge.fatal(
        "matchInit returned a 'state' that is not an object: Nakama accepts it here and crashes at the next callback.",
      );
    }
    this.state = exportValue(state) as State;
    this.rate = tickRate;
    define(ctx, 'matchLabel', text);
    define(ctx, 'matchTickRate', tickRate);
    this.schedule(clock.now() + 1000 / tickRate);
    return { tickRate, label: text };
  }

  handle(event: MatchEvent): void {
    switch (event.op) {
      case 'data':
        if (!this.stopped) this.inbox.push(event.message);
        return;
      case 'cancel':
        this.cancelled.add(event.id);
        return;
      case 'join': {
        const joins = event.presences.filter((one) => !this.presences.some((p) => p.sessionId === one.sessionId));
        this.presences.push(...joins);
        const list = joins.map((presence) => ({ ...presence, reason: 1 }));
        if (joins.length > 0) this.run('matchJoin', 'match_join', 'Match join', [list]);
        return;
      }
      case 'leave': {
        const gone = new Set(event.presences.map((presence) => presence.sessionId));
        const leaves = this.presences.filter((presence) => gone.has(presence.sessionId));
        this.presences = this.presences.filter((presence) => !gone.has(presence.sessionId));
        const list = leaves.map((presence) => ({ ...presence, reason: 2 }));
        if (leaves.length > 0) this.run('matchLeave', 'match_leave', 'Match leave', [list]);
        return;
      }
      case 'terminate':
        this.run('matchTerminate', 'match_terminate', 'Match terminate', [event.graceSec]);
        return;
      case 'signal':
        this.signal(event.id, event.data);
        return;
      case 'join-attempt':
        this.joinAttempt(event);
        return;
      case 'stop':
        this.stopped = true;
    }
  }

  private schedule(at: number): void {
    later(() => {
      if (this.stopped || this.setup.stoppedFlag()) return;
      this.loop();
      // Go's ticker keeps one tick at most while a callback runs: after a long one the loop runs once more at once, then
      // on the original beat again. Ticks never pile up.
      const period = 1000 / this.rate;
      const missed = Math.floor((clock.now() - at) / period);
      this.schedule(at + Math.max(missed, 1) * period);
    }, at - clock.now());
  }

  private loop(): void {
    const messages = this.inbox.splice(0).map((message) => {
      const data = message.data === null ? null : (new Uint8Array(message.data).buffer as ArrayBuffer);
      return { ...message, sender: { ...message.sender }, data };
    });
    if (messages.length > 0) this.setup.bridge.post({ t: 'match-data-taken', count: messages.length });
    if (!this.run('matchLoop', 'match_loop', 'Match loop', [messages])) return;
    if (this.setup.maxEmptySec > 0) {
      this.emptyTicks = this.presences.length === 0 ? this.emptyTicks + 1 : 0;
      if (this.emptyTicks >= this.rate * this.setup.maxEmptySec) {
        this.stop('warn', 'Stopping idle empty match', { tick: this.tick, empty_ticks: this.emptyTicks }, false);
        return;
      }
    }
    this.tick += 1;
  }

  /** Calls a callback and keeps the state it returns. False when the match is over. */
  private run(
    key: keyof MatchHandlers,
    name: string,
    label: string,
    args: unknown[],
    after?: (result: State) => void,
  ): boolean {
    if (this.stopped || this.setup.stoppedFlag()) return false;
    const { callback, ctx, handlers, logger, nk } = this.setup;
    const tick = this.tick;
    let result: unknown;
    try {
      result = callback(handlers[key])(ctx, logger, nk, this.dispatcher, tick, { ...this.state }, ...args);
      const nothing = result === null || result === undefined;
      // These two check the shape before they look for null, so that null is an error in them.
      if (nothing && key !== 'matchTerminate' && key !== 'matchSignal') {
        this.stop('info', `${label} returned nil or no state, stopping match`, {}, false);
        return false;
      }
      if (!isMap(result)) throw new ShapeError(`${key} is expected to return an object with 'state' property`);
      if (!isMap(result.state))
        throw new ShapeError(`${key} is expected to return an object with 'state' object property`);
      after?.(result);
      this.state = exportValue(result.state) as State;
    } catch (thrown) {
      const error = thrown instanceof ShapeError ? thrown.message : this.describe(thrown, handlers[key]);
      this.stop('warn', `Stopping match after error from ${name} execution`, { tick, error }, true);
      return false;
    }
    (this.dispatcher as { flush(): void }).flush();
    return true;
  }

  private signal(id: number, data: string): void {
    if (this.cancelled.delete(id)) return;
    let answer = '';
    const ok = this.run('matchSignal', 'match_signal', 'Match signal', [data], (result) => {
      if (!('data' in result)) return;
      if (typeof result.data !== 'string') throw new ShapeError("matchSignal 'data' property must be a string");
      answer = result.data;
    });
    this.setup.bridge.post({ t: 'match-event-done', id, ok, data: answer });
  }

  private joinAttempt(event: Extract<MatchEvent, { op: 'join-attempt' }>): void {
    let accept = false;
    let reason = '';
    const args = [{ ...event.presence }, event.metadata];
    const ok = this.run('matchJoinAttempt', 'match_join_attempt', 'Match join attempt', args, (result) => {
      if (!('accept' in result)) throw new ShapeError("matchJoinAttempt return value has an 'accept' property");
      if (typeof result.accept !== 'boolean')
        throw new ShapeError("matchJoinAttempt 'accept' property must be a boolean");
      accept = result.accept;
      if (!accept && typeof result.rejectMessage === 'string') reason = result.rejectMessage;
    });
    this.setup.bridge.post({ t: 'match-event-done', id: event.id, ok, accept: ok && accept, data: reason });
  }

  private describe(thrown: unknown, key: string): string {
    return describeThrown(thrown, this.setup.filename, key).message;
  }

  private stop(level: 'info' | 'warn', message: string, fields: Fields, disconnect: boolean): void {
    this.stopped = true;
    (this.dispatcher as { flush(): void }).flush();
    this.setup.bridge.post({ t: 'match-stopped', level, message, fields, disconnect });
  }
}

class ShapeError extends Error {}
