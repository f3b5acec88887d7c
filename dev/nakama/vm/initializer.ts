// The `initializer` that InitModule receives.

import type { Bridge } from './bridge.ts';
import { GoError } from './errors.ts';
import type { MatchHandlers, VmData } from './protocol.ts';
import { RegistrationSearch, Trap, globalValue } from './registration-search.ts';
import { define, isMap } from './values.ts';

type Native = (...args: unknown[]) => unknown;

const MATCH_CALLBACKS: (keyof MatchHandlers)[] = [
  'matchInit',
  'matchJoinAttempt',
  'matchJoin',
  'matchLeave',
  'matchLoop',
  'matchTerminate',
  'matchSignal',
];

const UNSUPPORTED =
  'registerStorageIndex registerStorageIndexFilter registerTournamentEnd registerTournamentReset registerLeaderboardReset registerPurchaseNotificationApple ' +
  'registerPurchaseNotificationGoogle registerSubscriptionNotificationApple registerSubscriptionNotificationGoogle';

/** API hooks exist for every request of the real server; they are found by prefix. */
const API_HOOK = /^register(Before|After)[A-Z]/;

function name(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new TypeError('expects a non empty string');
  return value;
}

function needFunction(value: unknown, message = 'expects a function'): void {
  if (typeof value !== 'function') throw new TypeError(message);
}

/** @throws what InitModule must not catch is fatal: a Trap ends the process with its explanation. */
export function createInitializer(bridge: Bridge, data: VmData): object {
  const search = new RegistrationSearch(data.registrations ?? { initializer: '', body: [], objects: {} }, data.version);
  const minor = Number(data.version.split('.')[1]);

  const lookUp = (find: () => string): string => {
    try {
      return find();
    } catch (error) {
      if (error instanceof Trap) bridge.fatal(error.message);
      throw new GoError((error as Error).message);
    }
  };
  // Handlers of hooks and matches must be properties of the global object: `const` and `let` are not.
  const inGlobalScope = (key: string): void => {
    if (minor >= 22 && !Object.prototype.hasOwnProperty.call(globalThis, key))
      throw new GoError(`function "${key}" not registered in the global object scope`);
  };
  const register = (kind: string, id: string, key: string): void => void bridge.call('register', [kind, id, key]);

  const functions: Record<string, Native> = {
    registerRpc: (id, fn) => {
      const rpc = name(id);
      needFunction(fn);
      const key = lookUp(() => search.named('registerRpc', rpc));
      if (globalValue(key) === undefined)
        bridge.fatal(`registerRpc("${rpc}", …): there is no global function "${key}", so Nakama could never call it.`);
      register('rpc', rpc.toLowerCase(), key);
    },
    registerMatch: (module, handlers) => {
      const id = name(module);
      if (!isMap(handlers)) throw new TypeError('expects an object');
      const keys: Partial<MatchHandlers> = {};
      for (const callback of MATCH_CALLBACKS) {
        if (!(callback in handlers)) throw new TypeError(`${callback} not found`);
        needFunction(handlers[callback], `${callback} value not a valid function`);
        const key = lookUp(() => search.match(id, callback));
        inGlobalScope(key);
        keys[callback] = key;
      }
      bridge.call('registerMatch', [id, keys]);
    },
    registerMatchmakerMatched: (fn) => {
      needFunction(fn);
      const key = lookUp(() => search.hook('registerMatchmakerMatched'));
      inGlobalScope(key);
      register('matchmakerMatched', '', key);
    },
  };
  for (const method of ['registerRtBefore', 'registerRtAfter']) {
    define(functions, method, (id: unknown, fn: unknown) => {
      const message = name(id);
      needFunction(fn);
      const key = lookUp(() => search.named(method, message));
      inGlobalScope(key);
      register(method === 'registerRtBefore' ? 'rtBefore' : 'rtAfter', message.toLowerCase(), key);
    });
  }
  if (minor >= 22) {
    define(functions, 'registerShutdown', (fn: unknown) => {
      needFunction(fn);
      const key = lookUp(() => search.hook('registerShutdown'));
      inGlobalScope(key);
      register('shutdown', '', key);
    });
  }
  if (minor >= 25) define(functions, 'getConfig', () => JSON.parse(JSON.stringify(data.config ?? {})) as object);
  for (const method of UNSUPPORTED.split(' ')) define(functions, method, unsupported(method));

  const initializer = {};
  for (const [key, fn] of Object.entries(functions)) define(initializer, key, fn);
  return new Proxy(initializer, {
    get(target, key) {
      if (typeof key === 'string' && !(key in target) && API_HOOK.test(key)) return unsupported(key);
      return (target as Record<string | symbol, unknown>)[key];
    },
  });
}

function unsupported(method: string): Native {
  return () => {
    throw new Error(`the embedded runtime does not implement initializer.${method}`);
  };
}
