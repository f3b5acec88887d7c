import { setTimeout as pause } from 'node:timers/promises';

export interface ReporterOptions {
  /** Nakama's address, as the server in its container reaches it. */
  url: string;
  /** This session's credential; it opens the RPCs about this session only. */
  token: string;
  sessionId: string;
  log: (line: string) => void;
  attempts?: number;
  retryAfterMs?: number;
}

interface Report {
  rpc: string;
  payload: Record<string, unknown>;
}

/**
 * Tells Nakama who came and who left, in order, one request at a time. The game goes on when Nakama does not answer: a
 * report is tried a few times, then given up with a log line.
 */
export class Reporter {
  private readonly queue: Report[] = [];
  private readonly options: Required<ReporterOptions>;
  private working: Promise<void> | undefined;
  private playerCount = 0;
  private toldCount: number | undefined;

  constructor(options: ReporterOptions) {
    this.options = { attempts: 4, retryAfterMs: 150, ...options };
  }

  joined(userId: string, playerCount: number): void {
    this.add('gameye_server_join', { user_ids: [userId] }, playerCount);
  }

  /** `hold`: the connection broke, so the seat is held for a while. */
  left(userId: string, playerCount: number, hold = false): void {
    this.add('gameye_server_leave', { user_ids: [userId], ...(hold && { hold }) }, playerCount);
  }

  /** The server can take players; only asked for with GAMEYE_READY=server. */
  ready(): void {
    this.add('gameye_server_ready', {}, this.playerCount);
  }

  /** What came of the game: the scores of its players, which the module writes on the leaderboard of the mode. */
  result(scores: Record<string, number>): void {
    this.add('gameye_server_result', { result: { scores } }, this.playerCount);
  }

  /** Resolves when everything was told or given up, or after `deadlineMs`. */
  async flush(deadlineMs: number): Promise<void> {
    await Promise.race([this.working, pause(deadlineMs, undefined, { ref: false })]);
  }

  private add(rpc: string, payload: Record<string, unknown>, playerCount: number): void {
    this.playerCount = playerCount;
    this.queue.push({ rpc, payload });
    this.working ??= this.work().finally(() => (this.working = undefined));
  }

  private async work(): Promise<void> {
    await Promise.resolve(); // Whoever comes in the same moment is told together.
    for (;;) {
      const report = this.takeNext();
      if (!report) return;
      await this.send(report);
    }
  }

  private takeNext(): Report | undefined {
    const report = this.queue.shift();
    if (report) return report;
    if (this.playerCount === this.toldCount) return undefined;
    this.toldCount = this.playerCount;
    const payload = { id: this.options.sessionId, player_count: this.playerCount };
    return { rpc: 'update_instance_info', payload };
  }

  private async send({ rpc, payload }: Report): Promise<void> {
    const { attempts, retryAfterMs, log } = this.options;
    for (let attempt = 1; ; attempt++) {
      const failure = await this.tryOnce(rpc, payload);
      if (failure === undefined) return log(`reported ${rpc} ${JSON.stringify(payload)}`);
      if (failure.isFinal || attempt === attempts) return log(`REPORT FAILED ${rpc}: ${failure.why}`);
      await pause(retryAfterMs * 2 ** (attempt - 1));
    }
  }

  private async tryOnce(
    rpc: string,
    payload: Record<string, unknown>,
  ): Promise<{ why: string; isFinal: boolean } | undefined> {
    const { url, token } = this.options;
    try {
      const response = await fetch(`${url.replace(/\/+$/, '')}/v2/rpc/${rpc}`, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(JSON.stringify(payload)), // Nakama wants a JSON string that holds the payload.
        signal: AbortSignal.timeout(5_000),
      });
      const text = await response.text();
      if (response.ok) return undefined;
      // A conflict or an overloaded server may pass; what is forbidden or wrong stays so.
      const isFinal = response.status < 500 && response.status !== 409 && response.status !== 429;
      return { why: `${response.status} ${messageOf(text)}`, isFinal };
    } catch (error) {
      return { why: (error as Error).message, isFinal: false };
    }
  }
}

function messageOf(body: string): string {
  try {
    return String((JSON.parse(body) as { message?: unknown }).message ?? '');
  } catch {
    return body.slice(0, 100); // Not from Nakama: a proxy's page.
  }
}
