// Synchronous calls from a VM's thread to the main thread, which does the work while this thread sleeps.

import { receiveMessageOnPort, type MessagePort } from 'node:worker_threads';
import { GoError } from './errors.ts';
import type { FromVm, Reply } from './protocol.ts';

// Taken now: the module's view of the globals loses them.
const { load, store, wait } = Atomics;

/** The way out of a VM. */
export interface Bridge {
  /** Sends without waiting. */
  post(message: FromVm): void;
  /**
   * Has the main thread do `fn` and waits for the result.
   * @throws GoError with `prefix` before the text of the failure.
   */
  call(fn: string, args: unknown[], prefix?: string): unknown;
  /** Ends the whole process as a Go panic would, with an explanation. Does not return. */
  fatal(message: string): never;
}

export function openBridge(port: MessagePort, replies: MessagePort, signal: SharedArrayBuffer): Bridge {
  const flag = new Int32Array(signal);
  const call = (fn: string, args: unknown[], prefix = ''): unknown => {
    store(flag, 0, 0);
    port.postMessage({ t: 'call', fn, args } satisfies FromVm);
    // Woken is not answered: the call before may have seen its answer before it was woken for it.
    while (load(flag, 0) === 0) wait(flag, 0, 0);
    const reply = receiveMessageOnPort(replies)?.message as Reply | undefined;
    if (reply === undefined) throw new GoError(`${prefix}context canceled`);
    if ('error' in reply) throw new GoError(`${prefix}${reply.error}`);
    return reply.value;
  };
  return {
    post: (message) => port.postMessage(message),
    call,
    fatal(message) {
      port.postMessage({ t: 'fatal', message } satisfies FromVm);
      // The process is about to end: nothing of the module may run meanwhile.
      for (;;) wait(flag, 0, Number(flag[0]));
    },
  };
}
