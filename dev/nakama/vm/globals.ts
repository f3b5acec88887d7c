// Turns the realm of a worker thread into what Goja offers: no Node, no web APIs, and nothing of V8 that Goja lacks.

import { GLOBALS, GLOBALS_SINCE_3_25, PROPERTIES, PROPERTIES_SINCE_3_25, TYPED_ARRAY } from './goja-surface.ts';
import { GoError } from './errors.ts';

/** Needed by every function and class, so their absence from the tables means nothing. */
const STRUCTURAL = new Set(['constructor', 'length', 'name', 'prototype', 'arguments', 'caller', '__proto__']);
/** Node's own code reads it while this realm runs. */
const KEPT = new Set(['stackTraceLimit']);

function keepOnly(target: object, names: string, except: Set<string>): void {
  const allowed = new Set(names.split(' '));
  for (const key of Object.getOwnPropertyNames(target)) {
    if (STRUCTURAL.has(key) || KEPT.has(key) || (allowed.has(key) && !except.has(key))) continue;
    Reflect.deleteProperty(target, key);
  }
}

/** Removes everything that the module must not see. Runs before the module; keep what you need of Node in variables. */
export function reduceGlobals(version: string): void {
  const old = Number(version.split('.')[1]) < 25;
  const later = (name: string): Set<string> => new Set(old ? (PROPERTIES_SINCE_3_25[name]?.split(' ') ?? []) : []);
  const missing = new Set(old ? GLOBALS_SINCE_3_25.split(' ') : []);
  Object.defineProperty(globalThis, 'GoError', { value: GoError, writable: true, configurable: true });

  const all = globalThis as unknown as Record<string, unknown>;
  const typedArray = Object.getPrototypeOf(Uint8Array) as { prototype: object };
  keepOnly(typedArray, TYPED_ARRAY.own, new Set());
  keepOnly(typedArray.prototype, TYPED_ARRAY.proto, later('TypedArray'));
  const arrayIterator = Object.getPrototypeOf([][Symbol.iterator]()) as object;
  keepOnly(Object.getPrototypeOf(arrayIterator) as object, '', new Set());
  for (const [name, properties] of Object.entries(PROPERTIES)) {
    const value = all[name];
    if (value === undefined || name === 'GoError') continue;
    keepOnly(value as object, properties.own, new Set());
    const prototype = (value as { prototype?: object }).prototype;
    if (prototype !== undefined) keepOnly(prototype, properties.proto, later(name));
  }
  const allowed = new Set(GLOBALS.split(' '));
  for (const key of Reflect.ownKeys(globalThis)) {
    if (typeof key === 'string' && allowed.has(key) && !missing.has(key)) continue;
    Reflect.deleteProperty(globalThis, key);
  }
}

/**
 * What Nakama's freezeGlobalObject does after the module's top level: every global value, its prototype and its
 * __proto__ are frozen, the global object itself among them. (The newest Nakama leaves untouched built-ins unfrozen, an
 * accident of its engine; a module that lives with the stricter rule runs everywhere.)
 */
export function freezeGlobals(): void {
  for (const key of Reflect.ownKeys(globalThis)) {
    const value = (globalThis as unknown as Record<string | symbol, unknown>)[key];
    if (!value) continue;
    Object.freeze(value);
    const { prototype, __proto__ } = value as { prototype?: object; __proto__?: object };
    if (prototype) Object.freeze(prototype);
    if (__proto__) Object.freeze(__proto__);
  }
}
