import { mkdtemp } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { registerControl } from './control.ts';
import { Faults, type ActiveFault, type FaultRule } from './faults.ts';
import { Fleet } from './fleet.ts';
import { Guard } from './guard.ts';
import type { Ledger } from './ledger.ts';
import { PortRange } from './ports.ts';
import { RequestLog, type RequestLogEntry } from './request-log.ts';
import { buildServer } from './server.ts';
import { applyChange, resolveSettings, type SettingsChange, type SimulatorOptions } from './settings.ts';

export type { ActiveFault, FaultAction, FaultRule, Operation } from './faults.ts';
export type { Ending, Ledger, LedgerEntry, Port } from './ledger.ts';
export type { RequestLogEntry } from './request-log.ts';
export type { ImageOptions, RegionOptions, SettingsChange, SimulatorOptions } from './settings.ts';

/** A Session API on this machine whose sessions are real processes. */
export interface Simulator {
  /** http://host:port */
  readonly url: string;
  /** Every session ever started, kept up to date in place. */
  readonly ledger: Ledger;
  /** The latest 100,000 requests, in the order of arrival. */
  requests(): RequestLogEntry[];
  readonly faults: {
    /** Returns the rule's id. Throws a TypeError that says what is wrong with the rule. */
    add(rule: FaultRule): string;
    remove(id: string): boolean;
    clear(): void;
    list(): ActiveFault[];
  };
  /** Changes settings while it runs. Throws SettingsError and changes nothing when one of them is wrong. */
  configure(change: SettingsChange): void;
  /** Ends a session as a crash of its process would (kill -9). False when it does not run. */
  kill(sessionId: string): boolean;
  /** Ends the API and every game server; no process is left when it settles. May be called again. */
  stop(): Promise<void>;
}

/** Starts a simulator, warm pools included. Throws SettingsError for wrong options. */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  const settings = resolveSettings(options);
  const workRoot = await mkdtemp(join(tmpdir(), `gameye-sim-${process.pid}-`));
  const guard = new Guard(workRoot);
  const ports = new PortRange(...settings.hostPorts, settings.host);
  const fleet = new Fleet(settings, { host: settings.gameHost, ports, guard, workRoot });
  const faults = new Faults();
  const log = new RequestLog();
  const stopping = new AbortController();
  const app = buildServer({ settings, fleet, faults, log, stopping: stopping.signal });
  const configure = (change: SettingsChange): void => {
    applyChange(settings, change);
    void fleet.fillPools();
  };
  registerControl(app, { settings, fleet, faults, log, configure });

  const end = async (): Promise<void> => {
    stopping.abort();
    // The sessions first: no new one can start while the server closes, since its answers go nowhere.
    await Promise.all([app.close(), fleet.shutdown()]);
    await guard.stop();
  };
  try {
    await app.listen({ host: settings.host, port: settings.port });
    await fleet.fillPools(0);
  } catch (error) {
    await end();
    throw error;
  }
  const address = app.server.address() as AddressInfo;
  let stopped: Promise<void> | undefined;
  return {
    url: `http://${settings.host}:${address.port}`,
    ledger: fleet.ledger,
    requests: () => log.all(),
    faults,
    configure,
    kill: (id) => fleet.kill(id),
    stop: () => (stopped ??= end()),
  };
}
