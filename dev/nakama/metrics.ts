import { createServer, type Server } from 'node:http';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

type Kind = 'counter' | 'gauge' | 'timer';
type Metric = Counter | Gauge | Histogram;

/** Custom metrics of a module and a few of the server's own, as Prometheus reads them. */
export class Metrics {
  private readonly registry = new Registry();
  private readonly metrics = new Map<string, { kind: Kind; labels: string; metric: Metric }>();
  private server: Server | null = null;

  constructor(node: string) {
    this.registry.setDefaultLabels({ node_name: node });
  }

  /** @param value nanoseconds for timers. A name keeps the kind and the labels of its first use; other uses are dropped. */
  custom(kind: Kind, name: string, tags: Record<string, string>, value: number): void {
    // Negative counters make Nakama before 3.39 panic; the newer ones ignore them.
    if (kind === 'counter' && value < 0) return;
    this.record(kind, `nakama_custom_${name}`, tags, kind === 'timer' ? value / 1e9 : value);
  }

  /** A gauge of the server itself. */
  gauge(name: string, value: number): void {
    this.record('gauge', `nakama_${name}`, {}, value);
  }

  private record(kind: Kind, rawName: string, tags: Record<string, string>, value: number): void {
    const name = rawName.replace(/[^a-zA-Z0-9_:]/g, '_');
    const labels = Object.keys(tags).map((tag) => tag.replace(/[^a-zA-Z0-9_]/g, '_'));
    const shape = [...labels].sort().join();
    let entry = this.metrics.get(name);
    if (entry === undefined) {
      const options = { name, help: name, labelNames: labels, registers: [this.registry] };
      const metric =
        kind === 'counter' ? new Counter(options) : kind === 'gauge' ? new Gauge(options) : new Histogram(options);
      entry = { kind, labels: shape, metric };
      this.metrics.set(name, entry);
    }
    if (entry.kind !== kind || entry.labels !== shape) return;
    // The real server's library lets nothing but letters, digits and underscores into a value.
    const values = Object.values(tags).map((value) => value.replace(/[^a-zA-Z0-9_]/g, '_'));
    const given = Object.fromEntries(labels.map((label, i) => [label, values[i]!]));
    if (entry.metric instanceof Counter) entry.metric.inc(given, value);
    else if (entry.metric instanceof Gauge) entry.metric.set(given, value);
    else entry.metric.observe(given, value);
  }

  /** Serves every path on `port`, as Nakama's own metrics port does. */
  async listen(port: number, host: string): Promise<void> {
    this.server = createServer((_request, response) => {
      void this.registry.metrics().then((text) => {
        response.writeHead(200, { 'content-type': this.registry.contentType });
        response.end(text);
      });
    });
    const server = this.server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  }

  close(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}
