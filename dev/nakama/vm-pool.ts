import { VmThread, type VmOwner, type VmShared } from './vm-thread.ts';

/** How many threads may be starting at once: more would only slow down each other and the work that is going on. */
const STARTING_AT_ONCE = 2;

/**
 * VMs for whoever needs one: a reserve of started ones, refilled in the background. Every VM of the pool and of a match
 * comes from here.
 */
export class VmReserve {
  private readonly idle: VmThread[] = [];
  private readonly waiting: ((vm: VmThread) => void)[] = [];
  private starting = 0;
  private stopped = false;
  private target: number;

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
    const vm = this.idle.shift();
    if (vm !== undefined) {
      this.fill();
      return Promise.resolve(vm);
    }
    // A burst that emptied the reserve is likely to come again.
    this.target = Math.min(this.target + 1, this.size * 4);
    return new Promise((resolve) => {
      this.waiting.push(resolve);
      this.fill();
    });
  }

  private fill(): void {
    while (!this.stopped && this.starting < STARTING_AT_ONCE && this.idle.length + this.starting < this.wanted()) {
      const vm = new VmThread(this.shared, true, this.owner);
      this.starting += 1;
      vm.ready.then(
        () => {
          this.starting -= 1;
          const next = this.waiting.shift();
          if (next === undefined) this.idle.push(vm);
          else next(vm);
          this.fill();
        },
        (error: unknown) => this.owner.fatal(`Failed to initialize JavaScript runtime: ${(error as Error).message}`),
      );
    }
  }

  private wanted(): number {
    return this.target + this.waiting.length;
  }

  stop(): void {
    this.stopped = true;
    for (const vm of this.idle.splice(0)) vm.end();
  }
}

/** The bounded pool that RPCs and hooks run in: an idle VM, else a new one up to the limit, else whoever comes waits. */
export class VmPool {
  private readonly idle: VmThread[] = [];
  private readonly waiting: { resolve: (vm: VmThread) => void; cancel: AbortSignal | null }[] = [];
  private count = 0;

  constructor(
    private readonly reserve: VmReserve,
    private readonly maxCount: number,
  ) {}

  /** Takes VMs until `count` are idle, so that consecutive calls meet different VMs as they do in Nakama. */
  async prepare(count: number): Promise<void> {
    const vms = await Promise.all(
      Array.from({ length: Math.min(count, this.maxCount) }, async () => {
        this.count += 1;
        return this.reserve.take();
      }),
    );
    this.idle.push(...vms);
  }

  /** @throws Error "context canceled" when the caller goes away while it waits. */
  async take(cancel: AbortSignal | null): Promise<VmThread> {
    const vm = this.idle.shift();
    if (vm !== undefined) return vm;
    if (this.count < this.maxCount) {
      this.count += 1;
      return this.reserve.take();
    }
    return new Promise((resolve, reject) => {
      const entry = { resolve, cancel };
      this.waiting.push(entry);
      cancel?.addEventListener('abort', () => {
        const at = this.waiting.indexOf(entry);
        if (at < 0) return;
        this.waiting.splice(at, 1);
        reject(new Error('context canceled'));
      });
    });
  }

  give(vm: VmThread): void {
    const next = this.waiting.shift();
    if (next === undefined) this.idle.push(vm);
    else next.resolve(vm);
  }
}
