/** The one thing that all VMs of a process share: strings, numbers and booleans with an optional time to live. */
export class LocalCache {
  private readonly entries = new Map<string, { value: unknown; until: number }>();

  get(key: string): unknown {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > 0 && entry.until <= Date.now()) {
      this.entries.delete(key);
      return undefined;
    }
    return entry.value;
  }

  /** @param ttlSec 0 keeps it until the process ends. */
  put(key: string, value: unknown, ttlSec: number): void {
    this.entries.set(key, { value, until: ttlSec > 0 ? Date.now() + ttlSec * 1000 : 0 });
  }

  delete(key: string): void {
    this.entries.delete(key);
  }

  clear(): void {
    this.entries.clear();
  }
}
