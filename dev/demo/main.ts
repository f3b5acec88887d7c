import path from 'node:path';
import { parseArgs } from 'node:util';
import { chooseRuntime, describeRuntime } from '../stack/runtimes.ts';
import { ensureModule } from '../stack/module.ts';
import { startStack, type Stack } from '../stack/stack.ts';
import { saveEvidence, serverLogsOf } from './evidence.ts';
import { playMatch } from './play-match.ts';
import { playRoom } from './play-room.ts';
import { demoRegions, demoVariables, lostReply, matchPlans, roomPlan } from './scenario.ts';
import { paint, table, terminal, Timeline } from './timeline.ts';
import { problemsOf, summary } from './verdict.ts';

const screen = terminal();

/** `npm start`: three matches and a room at the same time, from queueing to the end of their sessions. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      /** Uses the embedded runtime although there is a real Nakama. */
      embedded: { type: 'boolean' },
      /** Keeps everything running afterwards. */
      keep: { type: 'boolean' },
      /** Another folder or file to load, such as the build of a game that imports the library. */
      module: { type: 'string' },
    },
  });
  const runtime = chooseRuntime(values.embedded === true);
  screen.write('\nnakama-gameye: matches are made, game servers start, players play.\n\n');
  const modulePath = values.module ?? (await ensureModule());
  const stack = await startStack({
    runtime,
    modulePath,
    env: demoVariables,
    simulator: { regions: demoRegions },
    gameServerArgs: ['--no-show', '20', '--silence', '5'],
  });
  process.on('SIGINT', () => void leave(stack, 130));
  process.on('SIGTERM', () => void leave(stack, 143));
  try {
    screen.write(banner(stack, modulePath));
    const code = await playAll(stack);
    if (values.keep) {
      screen.write('\nEverything keeps running (--keep). Ctrl-C ends it.\n');
      await new Promise(() => {});
    }
    return code;
  } finally {
    await stack.stop();
  }
}

async function playAll(stack: Stack): Promise<number> {
  stack.simulator.faults.add(lostReply);
  const timeline = new Timeline(screen);
  timeline.begin();
  const [results, room] = await Promise.all([
    Promise.all(matchPlans.map((plan) => playMatch(plan, stack, timeline))),
    playRoom(roomPlan, stack, timeline),
  ]);
  const sessions = stack.simulator.ledger.entries;
  const problems = problemsOf(results, [room], sessions, await serverLogsOf(stack));
  if (problems.length === 0) {
    screen.write(`\n${paint(screen, 'good', `OK: ${summary(results, [room], sessions)}.`)}\n`);
    return 0;
  }
  const folder = await saveEvidence(stack);
  screen.write(`\n${problems.map((problem) => `  ${paint(screen, 'bad', problem)}\n`).join('')}`);
  screen.write(
    `\n${paint(screen, 'bad', `FAILED: ${problems.length} of the demo's promises broken.`)} Look into ${folder}\n`,
  );
  return 1;
}

function banner(stack: Stack, modulePath: string): string {
  const { runtime, simulator, nakama, database } = stack;
  const which = describeRuntime(runtime);
  const more =
    runtime.kind === 'real' ? ` (${runtime.binary})` : ', a stand-in for development; NAKAMA_BIN=… uses a real one';
  const rows: [string, string][] = [
    ['nakama', `${nakama.url}  ${which}${more}`],
    ['gameye', `${simulator.url}  simulator of the Session API; watch it at ${simulator.url}/_sim`],
    ['database', `${database.replace(/^.*@/, '')}  Postgres`],
    ['module', `${path.relative(process.cwd(), modulePath)}  Node ${process.versions.node} runs the rest`],
  ];
  return `${table(rows)}\n`;
}

let leaving = false;

/** A Ctrl-C arrives twice under npm: from the terminal, and passed on by our parent. */
async function leave(stack: Stack, code: number): Promise<void> {
  if (leaving) return;
  leaving = true;
  screen.write('\nEnding.\n');
  await stack.stop().catch(() => {}); // We leave anyway, and what is left ends with us.
  process.exit(code);
}

main().then(
  (code) => leaving || process.exit(code),
  (error: unknown) => {
    if (leaving) return; // What was under way breaks when everything ends.
    process.stderr.write(
      `${paint(screen, 'bad', 'FAILED:')} ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(1);
  },
);
