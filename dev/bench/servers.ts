import { startNakama, type Nakama } from '../stack/nakama.ts';
import { startPostgres, type Postgres } from '../stack/postgres.ts';
import type { NakamaRuntime } from '../stack/runtimes.ts';

/** The regions of what is filled in; matches alone are started in the first, which is all that the floor knows. */
export const BENCH_REGIONS = ['region-0', 'region-1', 'region-2', 'region-3', 'region-4'];

export interface BenchServer {
  nakama: Nakama;
  database: string;
}

/** A Postgres and what runs on it; everything ends with `stop`, the last first. */
export class Servers {
  private readonly ends: (() => Promise<void>)[] = [];

  private constructor(
    readonly runtime: NakamaRuntime,
    readonly postgres: Postgres,
  ) {}

  static async start(runtime: NakamaRuntime): Promise<Servers> {
    const postgres = await startPostgres();
    const servers = new Servers(runtime, postgres);
    servers.endsWith(() => postgres.stop());
    return servers;
  }

  endsWith(end: () => Promise<void>): void {
    this.ends.push(end);
  }

  /** A Nakama with this module, on a database of its own unless one is given. */
  async nakama(
    modulePath: string,
    api: { url: string },
    more: { env?: Record<string, string>; database?: string; matchmakerIntervalSec?: number } = {},
  ): Promise<BenchServer> {
    const database = more.database ?? (await this.postgres.newDatabase());
    const nakama = await startNakama({
      runtime: this.runtime,
      database,
      modulePath,
      env: { ...variables(api), ...more.env },
      ...(more.matchmakerIntervalSec === undefined ? {} : { matchmakerIntervalSec: more.matchmakerIntervalSec }),
      // Thousands of idle players are the load's, not the module's: nobody pings them.
      flags: ['--socket.ping_period_ms', '1800000', '--socket.pong_wait_ms', '1900000'],
    });
    this.endsWith(() => nakama.stop());
    return { nakama, database };
  }

  async stop(): Promise<void> {
    for (const end of this.ends.reverse()) await end();
  }
}

function variables(api: { url: string }): Record<string, string> {
  return {
    GAMEYE_API_URL: api.url,
    GAMEYE_API_TOKEN: 'sim-token',
    GAMEYE_API_IMAGE: 'demo-game',
    GAMEYE_API_REGION: BENCH_REGIONS[0]!,
    GAMEYE_API_TTL: '12h',
    // Nobody plays here, and no session is to end because of that while it counts.
    GAMEYE_SEAT_TIMEOUT: '2h',
    GAMEYE_SEAT_SECRET: 'bench-seat-secret-0123456789abcdef',
  };
}
