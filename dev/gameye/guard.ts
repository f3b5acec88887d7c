import { spawn, type ChildProcess } from 'node:child_process';
import { rm } from 'node:fs/promises';

// Reads '+ pid' and '- pid'; when the simulator is gone, kill -9 included, its standard input ends: then it ends every
// process group it knows of and removes the work folder.
const SCRIPT = `
pids=' '
while read -r op pid; do
  case $op in
    +) pids="$pids$pid " ;;
    -) pids="\${pids%% $pid *} \${pids#* $pid }" ;;
  esac
done
for pid in $pids; do kill -s KILL -- "-$pid" 2>/dev/null; done
rm -rf -- "$1"
`;

/**
 * Makes sure that no game server outlives the simulator, however the simulator ends. One small shell per simulator, in
 * a session of its own so that Ctrl+C in a terminal does not end it first. POSIX only, as are process groups.
 */
export class Guard {
  private readonly shell: ChildProcess;

  constructor(private readonly workFolder: string) {
    this.shell = spawn('/bin/sh', ['-c', SCRIPT, 'gameye-guard', workFolder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      env: { PATH: process.env['PATH'] ?? '' },
    });
    // Without a shell (Windows) or after somebody ended it, only an orderly stop cleans up.
    this.shell.on('error', () => undefined);
    this.shell.stdin!.on('error', () => undefined);
    this.shell.unref();
    (this.shell.stdin as unknown as { unref(): void }).unref();
  }

  started(pid: number): void {
    this.shell.stdin!.write(`+ ${pid}\n`);
  }

  ended(pid: number): void {
    this.shell.stdin!.write(`- ${pid}\n`);
  }

  /** Ends what may still run, and removes the work folder. */
  async stop(): Promise<void> {
    this.shell.stdin!.end();
    await rm(this.workFolder, { recursive: true, force: true });
  }
}
