// The module at work: its registrations, its VMs, and the calls into it.

import type { Config } from './config.ts';
import { Code } from './failure.ts';
import type { Log } from './log.ts';
import type { ModuleFile } from './module-file.ts';
import { VmPool } from './vm-pool.ts';
import { VmReserve } from './vm-reserve.ts';
import { compiled, VmThread, type VmOwner, type VmShared } from './vm-thread.ts';
import type { Fields, Thrown } from './vm/protocol.ts';

/** Where a call comes from; what is left out is absent in the module's ctx. */
export interface CallOrigin {
  headers?: Record<string, string[]>;
  queryParams?: Record<string, string[]>;
  userId?: string;
  username?: string;
  vars?: Record<string, string>;
  userSessionExp?: number;
  sessionId?: string;
  lang?: string;
  clientIp?: string;
  clientPort?: string;
  traceId?: string;
}

/** How an RPC ended. `error` is what the HTTP API puts beside the message. */
export type RpcResult = { payload: string } | { code: number; message: string; error: object };

type Registered = 'rpc' | 'rtBefore' | 'rtAfter' | 'matchmakerMatched' | 'shutdown';

/** VMs made ready in the pool at start, up to js_min_count: more come when they are needed. */
const PREPARED = 4;

export class Runtime {
  private readonly registered = new Map<string, string>();
  private readonly vms: VmReserve | null = null;
  private readonly pool: VmPool | null = null;
  private readonly shared: VmShared;

  constructor(
    private readonly config: Config,
    private readonly log: Log,
    private readonly module: ModuleFile | null,
    private readonly owner: VmOwner,
  ) {
    this.shared = {
      module: compiled(module?.source ?? '', module?.filename ?? 'index.js'),
      filename: module?.filename ?? 'index.js',
      version: config.embeddedVersion,
      node: config.name,
      env: config.env,
      modulePath: config.runtimePath,
    };
    if (module === null) return;
    this.vms = new VmReserve(this.shared, owner, config.reserve);
    this.pool = new VmPool(this.vms, config.jsMaxCount);
  }

  /** VMs for matches. */
  get reserve(): VmReserve {
    if (this.vms === null) throw new Error('error creating match: not found');
    return this.vms;
  }

  /** Loads the module and runs InitModule in a VM of its own, whose globals stay writable. @throws Error as Nakama words it. */
  async start(): Promise<void> {
    if (this.module === null) {
      this.log.warn('There is no JavaScript module', { path: this.config.runtimePath });
      return;
    }
    const vm = new VmThread(
      { ...this.shared, registrations: this.module.syntax, config: this.publicConfig() },
      false,
      this.owner,
    );
    await vm.ready;
    await vm.initModule();
    vm.end();
    this.log.info('JavaScript runtime modules loaded');
    await this.pool!.prepare(Math.min(PREPARED, Math.max(1, this.config.jsMinCount)));
    for (const name of this.registered.keys()) {
      const [kind, id] = split(name);
      if (kind === 'rpc') this.log.info('Registered JavaScript runtime RPC function invocation', { id });
    }
    if (this.has('matchmakerMatched'))
      this.log.info('Registered JavaScript runtime Matchmaker Matched function invocation');
  }

  private publicConfig(): Fields {
    const { config } = this;
    return {
      name: config.name,
      shutdown_grace_sec: config.shutdownGraceSec,
      logger: { level: config.logLevel },
      session: {
        encryption_key: config.encryptionKey,
        token_expiry_sec: config.tokenExpirySec,
        refresh_encryption_key: config.refreshEncryptionKey,
        refresh_token_expiry_sec: config.refreshTokenExpirySec,
      },
      socket: { server_key: config.serverKey, port: config.port, address: config.address, protocol: 'tcp' },
      runtime: { env: Object.entries(config.env).map(([key, value]) => `${key}=${value}`), http_key: config.httpKey },
    };
  }

  register(kind: Registered, id: string, key: string): void {
    this.registered.set(`${kind}:${id}`, key);
  }

  has(kind: Registered, id = ''): boolean {
    return this.registered.has(`${kind}:${id}`);
  }

  /** Runs an RPC in a VM of the pool; null when there is no RPC of that name. */
  async rpc(name: string, origin: CallOrigin, payload: string, cancel: AbortSignal | null): Promise<RpcResult | null> {
    const id = name.toLowerCase();
    if (!this.has('rpc', id)) return null;
    const traceId = this.since(23) && origin.traceId !== undefined ? { trace_id: origin.traceId } : {};
    const call = { mode: 'rpc', args: [payload], ctx: this.context(origin), fields: { rpc_id: id, ...traceId } };
    let outcome: { value: unknown } | { thrown: Thrown };
    try {
      outcome = await this.call('rpc', id, call, cancel);
    } catch (error) {
      return { code: Code.Internal, message: (error as Error).message, error: {} };
    }
    if ('thrown' in outcome) {
      const { code, message, stackTrace } = outcome.thrown;
      return { code, message, error: { stackTrace } };
    }
    if (outcome.value === null) return { payload: '' };
    if (typeof outcome.value === 'string') return { payload: outcome.value };
    const message = 'Runtime function returned invalid data - only allowed one return value of type string.';
    this.log.error(message, { mode: 'rpc', id });
    return { code: Code.Internal, message, error: {} };
  }

  /** Runs a hook that has no id; null or its return value. @throws Error with the thrown text. */
  async hook(kind: 'matchmakerMatched' | 'shutdown', mode: string, args: unknown[]): Promise<unknown> {
    const fields = kind === 'matchmakerMatched' ? { mode } : {};
    const outcome = await this.call(kind, '', { mode, args, ctx: {}, fields }, null);
    if ('thrown' in outcome) throw new Error(outcome.thrown.message);
    return outcome.value;
  }

  /** Before and after hooks of realtime messages. @throws Error with the thrown text. */
  async namedHook(
    kind: 'rtBefore' | 'rtAfter',
    id: string,
    mode: string,
    origin: CallOrigin,
    args: unknown[],
  ): Promise<unknown> {
    const fields = { api_id: id, mode };
    const outcome = await this.call(kind, id, { mode, args, ctx: this.context(origin), fields }, null);
    if ('thrown' in outcome) throw new Error(outcome.thrown.message);
    return outcome.value;
  }

  private async call(
    kind: Registered,
    id: string,
    call: { mode: string; args: unknown[]; ctx: Fields; fields: Fields },
    cancel: AbortSignal | null,
  ): Promise<{ value: unknown } | { thrown: Thrown }> {
    const vm = await this.pool!.take(cancel);
    try {
      const outcome = await vm.invoke({ ...call, key: this.registered.get(`${kind}:${id}`)! }, cancel);
      if ('thrown' in outcome && !outcome.thrown.custom) {
        const { message } = outcome.thrown;
        const line = { mode: call.mode, id: kind === 'matchmakerMatched' ? kind : id, error: message };
        this.log.error('JavaScript runtime function raised an uncaught exception', line);
      }
      return outcome;
    } finally {
      this.pool!.give(vm);
    }
  }

  private context(origin: CallOrigin): Fields {
    const { traceId, ...rest } = origin;
    return this.since(23) && traceId !== undefined ? { ...rest, traceId } : { ...rest };
  }

  /** True when the version that is reproduced is 3.<minor> or later. */
  since(minor: number): boolean {
    return Number(this.config.embeddedVersion.split('.')[1]) >= minor;
  }

  stop(): void {
    this.vms?.stop();
  }
}

function split(name: string): [string, string] {
  const at = name.indexOf(':');
  return [name.slice(0, at), name.slice(at + 1)];
}
