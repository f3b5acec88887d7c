import type { VmReserve } from './vm-reserve.ts';
import type { VmThread } from './vm-thread.ts';

/**
 * A new VM costs far more here than in Nakama, so a caller first waits this long for one to come back. A pool whose VMs
 * are blocked still grows to its limit, and only then makes callers wait without end.
 */
const PATIENCE_MS = 15;

interface Waiting {
  resolve(vm: VmThread): void;
}

/** The bounded pool that RPCs and hooks run in: an idle VM, else a new one up to the limit, else whoever comes waits. */
export class VmPool {
  private readonly idle: VmThread[] = [];
  private readonly waiting: Waiting[] = [];
  private count = 0;
  private growing: NodeJS.Timeout | null = null;

  constructor(
    private readonly reserve: VmReserve,
    private readonly maxCount: number,
  ) {}

  /** Takes VMs until `count` are idle, so that consecutive calls meet different VMs as they do in Nakama. */
  async prepare(count: number): Promise<void> {
    const wanted = Math.min(count, this.maxCount);
    this.count = wanted;
    this.idle.push(...(await Promise.all(Array.from({ length: wanted }, () => this.reserve.take()))));
  }

  /** @throws Error "context canceled" when the caller goes away while it waits. */
  take(cancel: AbortSignal | null): Promise<VmThread> {
    // The one that has been idle longest: state that a module keeps in one VM is missing in the next.
    const vm = this.idle.shift();
    if (vm !== undefined) return Promise.resolve(vm);
    return new Promise((resolve, reject) => {
      const goAway = (): void => {
        this.waiting.splice(this.waiting.indexOf(entry), 1);
        reject(new Error('context canceled'));
      };
      const entry: Waiting = {
        resolve(taken) {
          cancel?.removeEventListener('abort', goAway);
          resolve(taken);
        },
      };
      cancel?.addEventListener('abort', goAway, { once: true });
      this.waiting.push(entry);
      this.grow();
    });
  }

  private grow(): void {
    if (this.growing !== null || this.count >= this.maxCount) return;
    this.growing = setTimeout(() => {
      this.growing = null;
      if (this.waiting.length === 0 || this.count >= this.maxCount) return;
      this.count += 1;
      void this.reserve.take().then((vm) => this.give(vm));
      this.grow();
    }, PATIENCE_MS);
  }

  give(vm: VmThread): void {
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(vm);
    else next.resolve(vm);
  }
}
