import { buildSync } from 'esbuild';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Script } from 'node:vm';
import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import type { Compiled, Fields, FromVm, MatchEvent, Reply, Thrown, ToVm, VmData } from './vm/protocol.ts';

/** What a VM says on its own account, and the work it asks for. */
export interface VmOwner {
  /** @returns the value of a synchronous call; what it throws becomes a GoError in the module. */
  call(vm: VmThread, fn: string, args: unknown[]): unknown;
  log(vm: VmThread, message: Extract<FromVm, { t: 'log' }>): void;
  /** A Go panic: the whole server dies. */
  fatal(message: string): void;
}

let program: Compiled | undefined;

export function compiled(text: string, filename: string): Compiled {
  try {
    return { text, cache: new Script(text, { filename }).createCachedData() };
  } catch {
    // What is wrong with it, the VM that runs it will say.
    return { text };
  }
}

const PROGRAM_FILE = 'vm.js';

/** Node cannot start a thread from a compiled script, so it starts this. A function: its names must not become the module's. */
const STARTER = `(({ program }) => {
  const { Script } = require('node:vm');
  new Script(program.text, { filename: '${PROGRAM_FILE}', cachedData: program.cache }).runInThisContext();
})(require('node:worker_threads').workerData);`;

/** The VM's program as one script, built once: threads that would have to translate TypeScript start ten times slower. */
function vmProgram(): Compiled {
  if (program) return program;
  const entry = path.join(path.dirname(fileURLToPath(import.meta.url)), 'vm', 'entry.ts');
  const built = buildSync({
    entryPoints: [entry],
    bundle: true,
    write: false,
    platform: 'node',
    format: 'iife',
    target: 'node20',
    // Top-level names of the bundle must not collide with the module's, which runs in the same realm.
    external: ['node:*'],
    minifySyntax: true,
  }).outputFiles[0]!.text;
  return (program = compiled(built, PROGRAM_FILE));
}

/** Module and settings that all VMs of a server share. */
export type VmShared = Omit<VmData, 'signal' | 'replies' | 'frozen' | 'program'>;

type Listener = (message: FromVm) => void;

/** One JavaScript VM: a thread of its own, so that it can wait for the main thread while it runs. */
export class VmThread {
  private readonly worker: Worker;
  private readonly replies: MessagePort;
  private readonly flag: Int32Array;
  private readonly pending = new Map<number, (message: FromVm) => void>();
  private nextId = 1;
  private ended = false;
  /** Aborted when the caller of the VM has gone away: what the VM waits for then fails with "context canceled". */
  private cancel: AbortSignal | null = null;
  /** Messages that only a match sends. */
  onMatch: Listener | null = null;
  /** Whatever the owner wants to know about this VM later (which match it runs). */
  tag: unknown = null;
  readonly ready: Promise<void>;

  constructor(
    shared: VmShared,
    frozen: boolean,
    private readonly owner: VmOwner,
  ) {
    const { port1, port2 } = new MessageChannel();
    const signal = new SharedArrayBuffer(8);
    this.flag = new Int32Array(signal);
    this.replies = port1;
    this.worker = new Worker(STARTER, {
      eval: true,
      workerData: { ...shared, frozen, signal, replies: port2, program: vmProgram() } satisfies VmData,
      transferList: [port2],
      execArgv: [],
      env: {},
      stdin: false,
      trackUnmanagedFds: false,
      resourceLimits: { maxOldGenerationSizeMb: 128, maxYoungGenerationSizeMb: 4, stackSizeMb: 4 },
    });
    this.ready = new Promise((resolve, reject) => {
      this.pending.set(-1, (message) => {
        if (message.t === 'ready') resolve();
        else reject(new Error((message as { message?: string }).message ?? 'the VM did not start'));
      });
    });
    this.ready.catch(() => undefined);
    this.worker.on('message', (message: FromVm) => this.receive(message));
    this.worker.on('error', (error) => {
      if (!this.ended) owner.fatal(`a JavaScript VM ended: ${error.stack ?? error.message}`);
    });
  }

  private receive(message: FromVm): void {
    switch (message.t) {
      case 'call':
        void this.answer(message);
        return;
      case 'cast':
        this.owner.call(this, message.fn, message.args);
        return;
      case 'log':
        this.owner.log(this, message);
        return;
      case 'fatal':
        this.owner.fatal(message.message);
        return;
      case 'ready':
      case 'failed':
        this.settle(-1, message);
        return;
      case 'result':
      case 'match-started':
      case 'match-refused':
        this.settle(message.id, message);
        return;
      default:
        this.onMatch?.(message);
    }
  }

  private settle(id: number, message: FromVm): void {
    const waiting = this.pending.get(id);
    this.pending.delete(id);
    waiting?.(message);
  }

  private async answer(message: Extract<FromVm, { t: 'call' }>): Promise<void> {
    const reply = await this.compute(message.fn, message.args);
    if (this.ended) return;
    this.replies.postMessage(reply);
    Atomics.store(this.flag, 0, 1);
    Atomics.notify(this.flag, 0);
  }

  private async compute(fn: string, args: unknown[]): Promise<Reply> {
    const cancel = this.cancel;
    if (cancel?.aborted === true) return { error: 'context canceled' };
    try {
      const value = this.owner.call(this, fn, args);
      if (!(value instanceof Promise)) return { value };
      if (cancel === null) return { value: await (value as Promise<unknown>) };
      let onAbort!: () => void;
      const aborted = new Promise<Reply>((resolve) => {
        onAbort = () => resolve({ error: 'context canceled' });
        cancel.addEventListener('abort', onAbort);
      });
      const done = (value as Promise<unknown>).then((result): Reply => ({ value: result }));
      try {
        return await Promise.race([done, aborted]);
      } finally {
        cancel.removeEventListener('abort', onAbort);
      }
    } catch (error) {
      return { error: (error as Error).message };
    }
  }

  private post(message: ToVm): void {
    if (!this.ended) this.worker.postMessage(message);
  }

  private request(id: number, message: ToVm): Promise<FromVm> {
    return new Promise((resolve, reject) => {
      if (this.ended) reject(new Error('the VM has ended'));
      this.pending.set(id, resolve);
      this.post(message);
    });
  }

  /** Runs InitModule. @throws Error with what it threw, or that there is none. */
  async initModule(): Promise<void> {
    const failed = new Promise<FromVm>((resolve) => this.pending.set(-1, resolve));
    const message = await Promise.race([this.request(0, { t: 'init-module' }), failed]);
    if (message.t === 'failed') throw new Error(message.message);
    if (message.t === 'result' && message.thrown !== undefined) throw new Error(message.thrown.stackTrace.trim());
  }

  /** Calls a global function of the module with ctx, logger, nk and `args`. */
  async invoke(
    call: { mode: string; key: string; ctx: Fields; args: unknown[]; fields: Fields },
    cancel: AbortSignal | null = null,
  ): Promise<{ value: unknown } | { thrown: Thrown }> {
    this.cancel = cancel;
    const id = (this.nextId += 1);
    const message = await this.request(id, { t: 'invoke', id, ...call });
    this.cancel = null;
    if (message.t !== 'result') throw new Error(`unexpected answer of a VM: ${message.t}`);
    return message.thrown === undefined ? { value: message.value } : { thrown: message.thrown };
  }

  async matchInit(setup: Omit<Extract<ToVm, { t: 'match-init' }>, 't' | 'id'>): Promise<FromVm> {
    const id = (this.nextId += 1);
    return this.request(id, { t: 'match-init', id, ...setup });
  }

  matchEvent(event: MatchEvent): void {
    this.post({ t: 'match', event });
  }

  /** The match of this VM was stopped: nothing of it runs any more, and what it waits for fails with "context canceled". */
  stopMatch(): void {
    Atomics.store(this.flag, 1, 1);
    this.post({ t: 'match', event: { op: 'stop' } });
  }

  /** Aborted when whoever this VM works for has gone away. */
  get cancelled(): AbortSignal | null {
    return this.cancel;
  }

  setCancel(signal: AbortSignal): void {
    this.cancel = signal;
  }

  end(): void {
    if (this.ended) return;
    this.ended = true;
    this.replies.close();
    void this.worker.terminate();
  }
}
