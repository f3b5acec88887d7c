import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Container, type Machine } from './container.ts';
import type { ImageOptions } from './settings.ts';

export interface WarmPoolOptions {
  image: Required<ImageOptions>;
  region: string;
  machine: Machine;
  startMs: () => number;
  /** Takes room for one container in the region, or says that there is none. */
  occupy: () => boolean;
  vacate: () => void;
}

/** Containers of one image in one region that run before anybody asks for them. */
export class WarmPool {
  private readonly waiting: Container[] = [];
  private readonly starts = new Set<Promise<void>>();
  private readonly closing = new AbortController();

  constructor(private readonly options: WarmPoolOptions) {}

  get size(): number {
    return this.options.image.warmPool[this.options.region] ?? 0;
  }

  get ready(): number {
    return this.waiting.length;
  }

  /** One that runs already, with its room in the region; the pool starts another in its place. */
  claim(): Container | undefined {
    const container = this.waiting.shift();
    if (container) void this.fill();
    return container;
  }

  /** Brings the pool to its size, in the time a start takes. Never rejects: what cannot start now is tried again. */
  async fill(delayMs = this.options.startMs()): Promise<void> {
    while (this.waiting.length > this.size) void this.retire(this.waiting.pop()!);
    while (
      this.waiting.length + this.starts.size < this.size &&
      !this.closing.signal.aborted &&
      this.options.occupy()
    ) {
      const start = this.warmOne(delayMs).finally(() => this.starts.delete(start));
      this.starts.add(start);
    }
    await Promise.all(this.starts);
  }

  /** Ends everything that waits. */
  async close(): Promise<void> {
    this.closing.abort();
    await Promise.all(this.starts);
    await Promise.all(this.waiting.splice(0).map((container) => this.retire(container)));
  }

  private async warmOne(delayMs: number): Promise<void> {
    const { machine, image, vacate } = this.options;
    try {
      await wait(delayMs, undefined, { signal: this.closing.signal });
      const container = await Container.start(machine, { id: `warm-${randomUUID()}`, image, env: {}, args: [] });
      this.waiting.push(container);
      void container.exited.then(() => this.lost(container));
    } catch {
      // Closing, or the machine cannot start it now; the next claim or change of settings tries again.
      vacate();
    }
  }

  /** For a container that is no longer in `waiting`. */
  private async retire(container: Container): Promise<void> {
    container.process?.kill();
    if (container.process) await container.exited;
    container.release();
    this.options.vacate();
  }

  /** A waiting container ended by itself: replaced, but not faster than once a second, in case each one does. */
  private lost(container: Container): void {
    const index = this.waiting.indexOf(container);
    if (index < 0) return; // claimed by a session, or retired
    this.waiting.splice(index, 1);
    container.release();
    this.options.vacate();
    void this.fill(Math.max(1000, this.options.startMs()));
  }
}
