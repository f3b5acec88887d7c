import { watch, type RollupError, type RollupWatcher } from 'rollup';
import { CONSOLE_LOGIN } from '../stack/command-line.ts';
import type { LogEntry } from '../stack/log.ts';
import { moduleBuildOptions } from '../stack/module.ts';
import type { Nakama } from '../stack/nakama.ts';
import { usualNakamaPorts } from '../stack/ports.ts';
import { chooseRuntime, describeRuntime } from '../stack/runtimes.ts';
import { startStack, type NodeOptions, type Stack } from '../stack/stack.ts';
import { demoVariables } from './scenario.ts';
import { paint, table, terminal, type Screen } from './timeline.ts';

const screen = terminal();

/** `npm run dev`: everything up, the module rebuilt and Nakama restarted whenever a file in src/ changes. */
async function main(): Promise<void> {
  const runtime = chooseRuntime(process.argv.includes('--embedded'));
  const firstNode: NodeOptions = { name: 'n1', ports: await usualNakamaPorts(), onLog: (entry) => show(screen, entry) };
  const restarts = new Restarts(firstNode);
  // Watched from the first build on, so that no change is missed; Nakama starts after it and never reads half a file.
  const watcher = await watchModule(() => restarts.ask());
  const stack = await startStack({ runtime, env: demoVariables, firstNode });
  restarts.begin(stack);
  const end = async (): Promise<void> => {
    await watcher.close();
    await stack.stop().catch(() => {}); // Whatever is left ends with us.
    process.exit(0);
  };
  process.once('SIGINT', () => {
    process.on('SIGINT', () => {}); // Passed on by npm as well.
    void end();
  });
  process.once('SIGTERM', () => void end());
  screen.write(welcome(stack));
}

/** Restarts Nakama one at a time: changes that come during a restart lead to one more. */
class Restarts {
  private stack: Stack | undefined;
  private asked = false;
  private running: Promise<void> | undefined;

  constructor(private readonly node: NodeOptions) {}

  begin(stack: Stack): void {
    this.stack = stack;
  }

  ask(): void {
    if (!this.stack) return; // The first Nakama has not started yet and will load what is built.
    this.asked = true;
    this.running ??= this.work(this.stack).finally(() => (this.running = undefined));
  }

  private async work(stack: Stack): Promise<void> {
    while (this.asked) {
      this.asked = false;
      const startedAtMs = Date.now();
      try {
        await stack.nodes.at(-1)?.stop();
        await stack.startNode(this.node);
        screen.write(paint(screen, 'good', `\nNakama runs the new module (${Date.now() - startedAtMs} ms).\n\n`));
      } catch (error) {
        screen.write(
          paint(screen, 'bad', `\n${(error as Error).message}\n`) + 'Nakama starts again after the next change.\n\n',
        );
      }
    }
  }
}

/** Resolves after the first build, and calls `onBuilt` after every other that went well. */
async function watchModule(onBuilt: () => void): Promise<RollupWatcher> {
  const watcher = watch(await moduleBuildOptions());
  await new Promise<void>((resolve) => {
    let isFirst = true;
    watcher.on('event', (event) => {
      if (event.code === 'BUNDLE_END' && !isFirst) onBuilt();
      if (event.code === 'ERROR') tellBuildError(event.error);
      if (event.code === 'END') {
        isFirst = false;
        resolve();
      }
      if ('result' in event) void event.result?.close();
    });
  });
  return watcher;
}

function tellBuildError({ message, loc }: RollupError): void {
  const where = loc ? ` (${loc.file}:${loc.line})` : '';
  screen.write(
    `${paint(screen, 'bad', `\nThe module does not build: ${message}${where}`)}\nThe last good one goes on.\n\n`,
  );
}

function welcome({ runtime, nakama, simulator, database }: Stack): string {
  const rpc = `${nakama.url}/v2/rpc/fleet_create?http_key=${nakama.httpKey}&unwrap`;
  const rows: [string, string][] = [
    ['nakama', `${nakama.url}  ${describeRuntime(runtime)}, server key "${nakama.serverKey}"`],
    ...(runtime.kind === 'real' ? [consoleRow(nakama)] : []),
    ['gameye', `${simulator.url}/_sim  sessions, requests and fault switches of the simulator`],
    ['database', `psql postgres://${database}`],
    ['try', `curl '${rpc}' -H 'content-type: application/json' -d '{"max_players": 4}'`],
  ];
  return `\n${table(rows)}\nChanges in src/ restart Nakama. Ctrl-C ends everything.\n\n`;
}

function consoleRow({ consoleUrl }: Nakama): [string, string] {
  return ['console', `${consoleUrl}  ${CONSOLE_LOGIN.username} / ${CONSOLE_LOGIN.password}`];
}

/** Warnings and errors of Nakama, and everything the module says. */
function show(screen: Screen, entry: LogEntry): void {
  const fromModule = String(entry.caller ?? '').includes('runtime_javascript_logger');
  const isBad = entry.level === 'error' || entry.level === 'fatal' || entry.level === 'text';
  if (!fromModule && !isBad && entry.level !== 'warn') return;
  const { level, ts, msg } = entry;
  const shown = ['level', 'ts', 'msg', 'caller', 'runtime'];
  const fields = Object.fromEntries(Object.entries(entry).filter(([name]) => !shown.includes(name)));
  const rest = Object.keys(fields).length > 0 ? ` ${JSON.stringify(fields)}` : '';
  const time = paint(screen, 'dim', String(ts ?? '').slice(11, 19));
  screen.write(
    `${time} ${paint(screen, isBad ? 'bad' : level === 'warn' ? 'yellow' : 'cyan', level.padEnd(5))} ${msg}${rest}\n`,
  );
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
});
