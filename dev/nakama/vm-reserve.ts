import { VmThread, type VmOwner, type VmShared } from './vm-thread.ts';

/** How many threads may be starting at once: more would only slow down each other and the work that is going on. */
const STARTING_AT_ONCE = 2;
/** A burst is what is taken within this time; the reserve then grows to serve the next one like it. */
const BURST_MS = 5_000;
/** After this time without a burst the reserve shrinks to its usual size. */
const CALM_MS = 60_000;
const MOST = 256;

/**
 * VMs for whoever needs one: a reserve of started ones, refilled in the background. A thread takes tens of milliseconds
 * to start where Goja takes one, so without a reserve every match would begin late.
 */
export class VmReserve {
  private readonly idle: VmThread[] = [];
  private readonly waiting: ((vm: VmThread) => void)[] = [];
  private takenAt: number[] = [];
  private starting = 0;
  private stopped = false;
  private target: number;
  private calm: NodeJS.Timeout | null = null;

  constructor(
    private readonly shared: VmShared,
    private readonly owner: VmOwner,
    private readonly size: number,
  ) {
    this.target = size;
    this.fill();
  }

  /** A fresh VM that has run the module's top level. */
  take(): Promise<VmThread> {
    this.learn();
    const vm = this.idle.shift();
    if (vm !== undefined) {
      // Not at once: whoever takes one now is likely to need the processor more.
      setImmediate(() => this.fill());
      return Promise.resolve(vm);
    }
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.fill();
    });
  }

  private learn(): void {
    const now = Date.now();
    this.takenAt = this.takenAt.filter((at) => at > now - BURST_MS);
    this.takenAt.push(now);
    if (this.takenAt.length <= this.target) return;
    this.target = Math.min(this.takenAt.length, MOST);
    if (this.calm !== null) clearTimeout(this.calm);
    this.calm = setTimeout(() => this.shrink(), CALM_MS);
    this.calm.unref();
  }

  private shrink(): void {
    this.target = this.size;
    for (const vm of this.idle.splice(this.size)) vm.end();
  }

  private fill(): void {
    while (!this.stopped && this.starting < STARTING_AT_ONCE && this.missing() > 0) {
      const vm = new VmThread(this.shared, true, this.owner);
      this.starting += 1;
      vm.ready.then(
        () => this.started(vm),
        (error: unknown) => this.owner.fatal(`Failed to initialize JavaScript runtime: ${(error as Error).message}`),
      );
    }
  }

  private started(vm: VmThread): void {
    this.starting -= 1;
    const next = this.waiting.shift();
    if (next !== undefined) next(vm);
    else if (this.stopped) vm.end();
    else this.idle.push(vm);
    this.fill();
  }

  private missing(): number {
    return this.target + this.waiting.length - this.idle.length - this.starting;
  }

  stop(): void {
    this.stopped = true;
    if (this.calm !== null) clearTimeout(this.calm);
    for (const vm of this.idle.splice(0)) vm.end();
  }
}
