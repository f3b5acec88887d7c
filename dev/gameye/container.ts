import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { GameProcess, type Exit } from './game-process.ts';
import type { Guard } from './guard.ts';
import type { Port } from './ledger.ts';
import { Output } from './output.ts';
import type { PortRange } from './ports.ts';
import type { ImageOptions } from './settings.ts';

/** What containers of one simulator share. */
export interface Machine {
  host: string;
  ports: PortRange;
  guard: Guard;
  workRoot: string;
}

export interface ContainerSpec {
  /** GAMEYE_SESSION_ID inside. */
  id: string;
  image: Required<ImageOptions>;
  env: Readonly<Record<string, string>>;
  args: readonly string[];
}

/** No host port is free, or the command cannot be run. Nothing was left behind. */
export class ContainerError extends Error {
  constructor(
    readonly reason: 'ports' | 'command',
    message: string,
  ) {
    super(message);
  }
}

let counter = 0;

/** A game server as Gameye runs it: host ports, environment, output, a work folder, and the process. */
export class Container {
  readonly output = new Output();
  process: GameProcess | undefined;

  private constructor(
    private readonly machine: Machine,
    private readonly command: readonly string[],
    readonly ports: Port[],
    readonly env: Readonly<Record<string, string>>,
    readonly workFolder: string,
  ) {}

  /** Starts one. Throws ContainerError. */
  static async start(machine: Machine, spec: ContainerSpec): Promise<Container> {
    const { image } = spec;
    const exposed = [...new Set(image.ports)];
    const hasProcess = image.command.length > 0;
    const hostPorts = hasProcess ? await machine.ports.take(exposed.length) : machine.ports.name(exposed.length);
    if (!hostPorts) throw new ContainerError('ports', 'No host port of the range is free; widen hostPorts.');
    const ports = exposed.map((port, i): Port => {
      const [number, type] = port.split('/');
      return { type: type as Port['type'], container: Number(number), host: hostPorts[i]! };
    });
    const env: Record<string, string> = { ...spec.env, GAMEYE_SESSION_ID: spec.id, GAMEYE_HOST: machine.host };
    for (const port of ports) env[`GAMEYE_PORT_${port.type.toUpperCase()}_${port.container}`] = String(port.host);
    const command = [...image.command, ...(hasProcess ? spec.args : [])].map((argument) =>
      argument.replace(/\{(\d+)\/(udp|tcp)\}/g, (text, number: string, type: string) =>
        String(ports.find((port) => port.container === Number(number) && port.type === type)?.host ?? text),
      ),
    );
    // Numbered, not named by the session: an id may hold anything, '../' included.
    const workFolder = join(machine.workRoot, String(++counter));
    const container = new Container(machine, command, ports, env, workFolder);
    if (hasProcess) {
      try {
        await mkdir(workFolder, { recursive: true });
        await container.launch();
      } catch (error) {
        container.release();
        throw new ContainerError('command', `Cannot run ${command[0]}: ${(error as Error).message}`);
      }
    }
    return container;
  }

  /** Starts the process again, with the same ports and environment. Rejects when the command cannot be run. */
  async launch(): Promise<void> {
    const { command, env, workFolder, output } = this;
    this.process = await GameProcess.launch({ command, env, workFolder, output, guard: this.machine.guard });
  }

  /** When the current process is gone; never for a container without one. */
  get exited(): Promise<Exit> {
    return this.process?.exited ?? new Promise(() => undefined);
  }

  /** Gives the ports back and ends the output. Call it once the process is gone; the work folder stays for /artifacts. */
  release(): void {
    this.machine.ports.release(this.ports.map((port) => port.host));
    void (this.process?.flushed ?? Promise.resolve()).then(() => this.output.close());
  }
}
