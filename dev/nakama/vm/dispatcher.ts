import type { Bridge } from './bridge.ts';
import { GoError } from './errors.ts';
import type { Presence } from './protocol.ts';
import { absent, boolean, integer, isMap, mapArray, string } from './values.ts';

/** The match a dispatcher speaks for. */
export interface DispatcherMatch {
  stopped(): boolean;
  presences(): Presence[];
  setLabel(label: string): void;
}

function presenceIds(value: unknown, members: Presence[]): string[] | null {
  if (absent(value)) return null;
  const ids = mapArray(value, 'expects an array of presences').map((presence) => {
    if (absent(presence.sessionId)) throw new TypeError("presence is expected to contain a 'sessionId'");
    const id = string(presence.sessionId, "expects a 'sessionId' string");
    if (absent(presence.node)) throw new TypeError("expects presence to contain a 'node'");
    return id;
  });
  return ids.filter((id) => members.some((member) => member.sessionId === id));
}

function payload(value: unknown): Uint8Array | null {
  if (absent(value)) return null;
  if (typeof value === 'string') return new Uint8Array(bytes(value, 'utf8'));
  if (value instanceof ArrayBuffer) return new Uint8Array(value.slice(0));
  throw new TypeError('expects data to be an ArrayBuffer, a string or nil');
}

const { from: bytes } = Buffer;

/** The `dispatcher` argument of match callbacks. */
export function createDispatcher(bridge: Bridge, match: DispatcherMatch): object {
  let deferred: (() => void)[] = [];
  const running = (): void => {
    if (match.stopped()) throw new GoError('match stopped');
  };
  const broadcast = (args: unknown[]): (() => void) => {
    running();
    const opCode = integer(args[0]);
    const data = payload(args[1]);
    const targets = presenceIds(args[2], match.presences());
    let sender: Record<string, unknown> | null = null;
    if (!absent(args[3])) {
      if (!isMap(args[3])) throw new TypeError('expects sender to be an object');
      sender = {
        userId: string(args[3].userId),
        sessionId: string(args[3].sessionId),
        username: args[3].username ?? '',
      };
    }
    const reliable = absent(args[4]) ? true : boolean(args[4]);
    if (targets !== null && targets.length === 0) return () => undefined;
    return () => bridge.post({ t: 'cast', fn: 'matchBroadcast', args: [opCode, data, targets, sender, reliable] });
  };
  const dispatcher = {
    broadcastMessage: (...args: unknown[]) => broadcast(args)(),
    broadcastMessageDeferred: (...args: unknown[]) => void deferred.push(broadcast(args)),
    matchKick: (list: unknown) => {
      running();
      const ids = presenceIds(list, match.presences()) ?? [];
      if (ids.length > 0) bridge.post({ t: 'cast', fn: 'matchKick', args: [ids] });
    },
    matchLabelUpdate: (label: unknown) => {
      running();
      const text = string(label);
      bridge.call('matchLabel', [text]);
      match.setLabel(text);
    },
  };
  Object.defineProperty(dispatcher, 'flush', {
    value: () => {
      const messages = deferred;
      deferred = [];
      for (const send of messages) send();
    },
  });
  return Object.freeze(dispatcher);
}
