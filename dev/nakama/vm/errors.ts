// Errors as Goja shows them. `GoError` is a global that a module can name, so it exists before the module is loaded.

import type { Thrown } from './protocol.ts';

/** What a failed native function throws: `name` "GoError", an own `value`, and Go's error text as the message. */
export class GoError extends Error {
  value = {};
}
Object.defineProperty(GoError.prototype, 'name', { value: 'GoError', writable: true, configurable: true });

interface Frame {
  name: string;
  place: string;
}

/** V8's frames of the module, in Goja's notation. Frames of the runtime itself are left out: a module cannot see Go's. */
function frames(error: unknown, filename: string): Frame[] {
  const stack = error instanceof Error && typeof error.stack === 'string' ? error.stack : '';
  const found: Frame[] = [];
  for (const line of stack.split('\n')) {
    const match = /^\s+at (?:(?:async |new )?(.*?) \()?(.*?)\)?$/.exec(line);
    if (match === null) continue;
    const place = match[2]!;
    const name = (match[1] ?? '').replace(/ \[as .*\]$/, '').replace(/^.*\./, '');
    if (place.startsWith(`${filename}:`)) found.push({ name, place: `${place}(0)` });
    else if (place === '<anonymous>' && found.length > 0) found.push({ name, place: 'native' });
  }
  return found;
}

function describe(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return '[object Object]';
  }
}

/** What Nakama makes of a value that a module's function threw (runtime_javascript.go, invokeFunction). */
export function describeThrown(thrown: unknown, filename: string, functionName: string): Thrown {
  let lines = frames(thrown, filename);
  if (lines.length === 0) lines = [{ name: functionName, place: filename }];
  const text = (frame: Frame): string => (frame.name === '' ? frame.place : `${frame.name} (${frame.place})`);
  const first = describe(thrown);
  let message = `${first} at ${text(lines[0]!)}`;
  let code = 13;
  let custom = false;
  if (typeof thrown === 'object' && thrown !== null) {
    // Goja exports own enumerable properties: the message of an Error object is not one of them, so it is not "custom".
    const own = Object.entries(thrown as Record<string, unknown>);
    for (const [key, value] of own) {
      if (key === 'message' && typeof value === 'string') {
        message = value;
        custom = true;
      } else if (key === 'code' && typeof value === 'number' && Number.isInteger(value)) {
        code = value;
        custom = true;
      }
    }
  }
  return { message, code, custom, stackTrace: `${first}\n${lines.map((frame) => `\tat ${text(frame)}\n`).join('')}` };
}
