import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { Container, ContainerError, type Machine } from './container.ts';
import { ApiError } from './errors.ts';
import type { Ledger, LedgerEntry } from './ledger.ts';
import { Session, type RunRequest } from './session.ts';
import { canRun, type Settings } from './settings.ts';
import { parseTtl } from './ttl.ts';
import { WarmPool } from './warm-pool.ts';

/** Who asked, for the ledger, and what a fault adds to the start. */
export interface Caller {
  tokenName: string;
  requestOrdinal: number;
  slowStartMs: number;
}

/** All sessions: admits them, starts them, ends them, and keeps the books. Refusals are thrown as ApiError. */
export class Fleet {
  private readonly sessions = new Map<string, Session>();
  private readonly notOver = new Set<Session>();
  private readonly entries: LedgerEntry[] = [];
  private readonly occupied = new Map<string, number>();
  private readonly pools = new Map<string, WarmPool>();
  private readonly starting = new Set<Promise<Session>>();
  private isClosing = false;

  constructor(
    private readonly settings: Settings,
    private readonly machine: Machine,
  ) {
    for (const [name, image] of settings.images) {
      for (const region of settings.regions.keys()) {
        const pool = new WarmPool({
          image,
          region,
          machine,
          startMs: () => settings.startMs,
          occupy: () => this.occupy(region),
          vacate: () => this.vacate(region),
        });
        this.pools.set(poolKey(name, region), pool);
      }
    }
  }

  /** Every session ever; the entries are kept up to date in place. */
  get ledger(): Ledger {
    return { entries: this.entries, get: (id) => this.sessions.get(id)?.entry };
  }

  /** Those that have not ended, in the order they were asked for. */
  get live(): Iterable<Session> {
    return this.notOver;
  }

  get all(): Iterable<Session> {
    return this.sessions.values();
  }

  /** Warm containers and sessions in a region: what counts against its capacity. */
  occupancy(region: string): number {
    return this.occupied.get(region) ?? 0;
  }

  /** How many wait in a warm pool. */
  ready(image: string, region: string): number {
    return this.pools.get(poolKey(image, region))?.ready ?? 0;
  }

  /** Brings the warm pools to the size the settings ask for. `delayMs`: instead of the usual start time. */
  async fillPools(delayMs?: number): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.fill(delayMs)));
  }

  /** Starts a session and answers when it runs. Throws ApiError 402, 404, 409, 420, 422. */
  async run(request: RunRequest, caller: Caller): Promise<Session> {
    const start = this.start(request, caller);
    this.starting.add(start);
    return start.finally(() => this.starting.delete(start));
  }

  /** A session that the API shows; throws ApiError 404. */
  find(id: string): Session {
    const session = this.sessions.get(id);
    if (!session || !this.isVisible(session)) throw new ApiError(404, `There is no session "${id}".`);
    return session;
  }

  isVisible(session: Session): boolean {
    return this.settings.visibleWhileStarting || session.status !== 'created';
  }

  /** DELETE: answers when the signal is sent; the process may take a moment. Throws ApiError 404, 409. */
  stop(id: string): void {
    const session = this.find(id);
    if (session.isOver || session.entry.stopRequestedAtMs !== undefined) {
      throw new ApiError(409, `Session "${id}" has already been terminated.`);
    }
    session.entry.stopRequestedAtMs = Date.now();
    session.close('stop');
  }

  /** As if its process had crashed: kill -9. False when it does not run. */
  kill(id: string): boolean {
    const session = this.sessions.get(id);
    if (!session?.container || session.isOver || session.status === 'restarting') return false;
    if (session.container.process) session.container.process.kill();
    else session.close('killed');
    return true;
  }

  /** Ends everything, and settles when no process is left. */
  async shutdown(): Promise<void> {
    this.isClosing = true;
    const ends = [...this.notOver].map((session) => session.ended);
    for (const session of this.notOver) session.close('shutdown');
    await Promise.all([...this.pools.values()].map((pool) => pool.close()));
    await Promise.allSettled(this.starting);
    await Promise.all(ends);
  }

  private async start(request: RunRequest, caller: Caller): Promise<Session> {
    if (this.isClosing) throw new ApiError(500, 'The simulator is being stopped.');
    const ttlMs = request.ttl === undefined ? undefined : parseTtl(request.ttl);
    const { image, pool, tag } = this.resolve(request);
    const id = request.id ?? randomUUID();
    this.admit(id);
    // No await up to here and none before the session is in the books: two requests with one id cannot both pass.
    const { location, env = {}, args = [] } = request;
    const { outage } = this.settings.regions.get(location)!;
    const warm = outage ? undefined : pool.claim();
    if (!warm && !this.occupy(location)) {
      throw new ApiError(
        420,
        `Region "${location}" ${outage ? 'is out of service. Try' : 'is full. Wait 2 to 5 s, or try'} another.`,
      );
    }
    const session = this.open(id, tag, request, caller, warm !== undefined);
    try {
      await wait(caller.slowStartMs + (warm ? 0 : this.settings.startMs), undefined, { signal: session.cancel });
      const container = warm ?? (await Container.start(this.machine, { id, image, env, args }));
      session.run(container, ttlMs === undefined ? undefined : ttlMs * this.settings.ttlScale);
    } catch (error) {
      if (warm) await discard(warm);
      session.abandon(error instanceof ContainerError ? 127 : 0);
      if (error instanceof ContainerError && error.reason === 'command') throw new ApiError(500, error.message);
      if (error instanceof ContainerError) throw new ApiError(420, error.message);
    }
    if (session.cancel.aborted) throw new ApiError(420, `Session "${id}" was stopped while it was being started.`);
    return session;
  }

  private resolve(request: RunRequest) {
    const { location, version } = request;
    const image = this.settings.images.get(request.image);
    if (!image) throw new ApiError(404, `There is no image "${request.image}".`);
    if (!this.settings.regions.has(location)) throw new ApiError(404, `There is no region "${location}".`);
    if (!canRun(image, location))
      throw new ApiError(404, `Image "${request.image}" is not available in "${location}".`);
    const pool = this.pools.get(poolKey(request.image, location))!;
    const [preferred] = image.tags;
    // A warm session has the pool's version, whatever the request says.
    const tag = pool.ready > 0 ? preferred! : (version ?? preferred!);
    if (!image.tags.includes(tag)) throw new ApiError(404, `Image "${request.image}" has no version "${tag}".`);
    return { image, pool, tag };
  }

  private admit(id: string): void {
    if (this.sessions.has(id)) throw new ApiError(409, `The id "${id}" was used before; take a new UUID.`);
    if (this.notOver.size >= this.settings.quota) {
      throw new ApiError(402, `Your quota is ${this.settings.quota} sessions at the same time.`);
    }
  }

  /** Enters a session into the books. */
  private open(id: string, tag: string, request: RunRequest, caller: Caller, warm: boolean): Session {
    const env = warm ? {} : (request.env ?? {});
    const entry: LedgerEntry = {
      id,
      region: request.location,
      image: request.image,
      tag,
      labels: warm ? {} : (request.labels ?? {}),
      ...(request.external_id === undefined ? {} : { externalId: request.external_id }),
      tokenName: caller.tokenName,
      requestOrdinal: caller.requestOrdinal,
      warm,
      host: this.machine.host,
      envKeys: Object.keys(env),
      matchUserIds: (env['NAKAMA_MATCH_USER_IDS'] ?? '').split(',').filter((userId) => userId !== ''),
      requestedAtMs: Date.now(),
      ports: [],
      players: [],
      peakPlayers: 0,
      restarts: 0,
    };
    const session = new Session(entry, {
      restart: !warm && request.restart === true,
      env,
      killGraceMs: () => this.settings.killGraceMs,
      onEnd: () => {
        this.notOver.delete(session);
        this.vacate(entry.region);
      },
    });
    this.entries.push(entry);
    this.sessions.set(id, session);
    this.notOver.add(session);
    return session;
  }

  private occupy(region: string): boolean {
    const { capacity, outage } = this.settings.regions.get(region)!;
    if (outage || this.occupancy(region) >= capacity) return false;
    this.occupied.set(region, this.occupancy(region) + 1);
    return true;
  }

  private vacate(region: string): void {
    this.occupied.set(region, this.occupancy(region) - 1);
  }
}

function poolKey(image: string, region: string): string {
  return `${region}\n${image}`;
}

async function discard(container: Container): Promise<void> {
  container.process?.kill();
  if (container.process) await container.exited;
  container.release();
}
