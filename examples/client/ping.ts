/*
 * How far are the regions? For browsers and Node, without dependencies: copy this file into your client.
 *
 *   const answer = await client.rpc(session, 'gameye_ping_targets', {});
 *   const pings = await measurePings(answer.payload.targets);
 *   await socket.addMatchmaker('*', 2, 4, {}, pings);
 *
 * The addresses answer ICMP echo requests, and Gameye promises nothing else of them. A native game should send those (Unity
 * has UnityEngine.Ping). A browser cannot, nor can Node by itself. What they can do is to open a connection and take the
 * time until the other side accepts or refuses it: one to three round trips, which is no ping but tells near regions from
 * far ones. Where a firewall swallows the attempt, there is no measurement, and the region counts as farther than those
 * that have one. A game with an echo of its own in each region gets true figures from it: give it as `probe`.
 */

/** One of the `targets` that the RPC `gameye_ping_targets` answers. */
export interface PingTarget {
  region: string;
  host: string;
  /** The ticket's numeric property for this region. */
  property: string;
}

export interface PingOptions {
  /** Attempts for each region, of which the fastest counts; default 3. */
  rounds?: number;
  /** Longer attempts are none; default 1000. */
  timeoutMs?: number;
  /** Resolves when the host has reacted in any way, rejects when it is known that it cannot; ends early when `signal` does. */
  probe?: (host: string, signal: AbortSignal) => Promise<unknown>;
}

/** Nobody is this near to several regions: so near they only seem when the page may not connect at all. */
const TOO_NEAR_MS = 1;

/**
 * Measures all targets at the same time and answers a ticket's numeric properties, in milliseconds, of those that reacted.
 * Takes at most `rounds` times `timeoutMs`. Never rejects: without measurements a ticket is still a ticket.
 */
export async function measurePings(targets: PingTarget[], options: PingOptions = {}): Promise<Record<string, number>> {
  const { rounds = 3, timeoutMs = 1000, probe = connect } = options;
  const measured = await Promise.all(
    targets.map(async ({ host, property }) => {
      let best: number | undefined;
      for (let round = 0; round < rounds; round++) {
        const ms = await attempt(host, timeoutMs, probe);
        // Who is silent once will be so again; waiting for it would keep the player from the queue.
        if (ms === undefined) break;
        best = Math.min(ms, best ?? ms);
      }
      return { host, property, best };
    }),
  );
  const reached = measured.filter((one) => one.best !== undefined) as {
    host: string;
    property: string;
    best: number;
  }[];
  const isBlocked = reached.length > 1 && reached.every(({ host, best }) => best < TOO_NEAR_MS && !isLocal(host));
  if (isBlocked) return {};
  return Object.fromEntries(reached.map(({ property, best }) => [property, Math.round(best * 10) / 10]));
}

/** Milliseconds, or undefined when the host did not react in time. */
async function attempt(host: string, timeoutMs: number, probe: NonNullable<PingOptions['probe']>) {
  const controller = new AbortController();
  const startedAt = performance.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), timeoutMs);
  });
  try {
    const first = await Promise.race([probe(host, controller.signal), late]);
    return first === 'late' ? undefined : performance.now() - startedAt;
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
    controller.abort();
  }
}

/** A connection, accepted or refused: a page learns only that it is over. https, because secure pages may open nothing else. */
async function connect(host: string, signal: AbortSignal): Promise<void> {
  // Another address each time: an answer out of the cache would be nearer than anything.
  const url = `https://${host.includes(':') ? `[${host}]` : host}/?${Math.random()}`;
  // A refusal and a wrong certificate reject as well, and both are reactions.
  await fetch(url, { mode: 'no-cors', signal }).catch(() => undefined);
}

function isLocal(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^(127|10|192\.168|172\.(1[6-9]|2\d|3[01]))\./.test(host);
}
