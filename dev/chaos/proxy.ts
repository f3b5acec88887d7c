import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { Messages, isQuestion, texts } from './wire.ts';

/** A statement of the module that changes something. */
const CHANGE = /(?:INSERT INTO|UPDATE|DELETE FROM) gameye_(?:allocation|instance|seat)\b/;

/** What "ready for the next one" says of the transaction: there is none, so what was done before is committed. */
const OUTSIDE_A_TRANSACTION = 'I';

/**
 * Stands between Nakama and Postgres, and can lose the answer of a statement that was carried out: the worst that a
 * connection can do, because whoever asked cannot know whether it was.
 */
export class LossyProxy {
  private readonly sockets = new Set<Socket>();
  private left = 0;
  private lost = 0;

  private constructor(
    private readonly server: Server,
    /** Address of the database behind it, as given. */
    readonly direct: string,
    /** The same by way of the proxy. */
    readonly address: string,
  ) {}

  /** In front of a server of this address (`user:password@host:port/dbname`). */
  static async start(direct: string): Promise<LossyProxy> {
    const target = new URL(`postgres://${direct}`);
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(0, '127.0.0.1', resolve);
    });
    const address = `${target.username}:${target.password}@127.0.0.1:${(server.address() as AddressInfo).port}${target.pathname}`;
    const proxy = new LossyProxy(server, direct, address);
    server.on('connection', (client) => proxy.serve(client, Number(target.port), target.hostname));
    return proxy;
  }

  /** The address of a database behind the proxy, past it. */
  past(address: string): string {
    const direct = new URL(`postgres://${this.direct}`);
    return `${direct.username}:${direct.password}@${direct.host}${new URL(`postgres://${address}`).pathname}`;
  }

  /** From now on the answers to so many changes are lost. */
  lose(answers: number): void {
    this.left = answers;
  }

  /** Loses no more; answers how many were lost since the last time. */
  endLosing(): number {
    const { lost } = this;
    this.left = 0;
    this.lost = 0;
    return lost;
  }

  get isLosing(): boolean {
    return this.left > 0;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private serve(client: Socket, port: number, host: string): void {
    const server = connect(port, host);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      this.sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => this.sockets.delete(socket));
    }
    client.on('close', () => server.destroy());
    server.on('close', () => client.end());

    const asked = new Messages(true);
    const changes = new Set<string>();
    let answers: Messages | undefined;
    /** A change was sent, and it was done: it is committed when the server says that it is ready for the next one. */
    let isChanging = false;
    let isDone = false;
    client.on('data', (bytes: Buffer) => {
      for (const { type, body } of asked.push(bytes)) {
        if (type === '' && isQuestion(body)) continue;
        if (type === '') answers = new Messages();
        else if (type === 'P') note(changes, texts(body));
        // A statement may be prepared once and carried out often, by its name.
        else if (type === 'B' && changes.has(texts(body)[1])) isChanging = true;
      }
      server.write(bytes);
    });
    server.on('data', (bytes: Buffer) => {
      for (const { type, body } of answers?.push(bytes) ?? []) {
        if (type === 'C') isDone = true;
        if (type !== 'Z') continue;
        if (isChanging && isDone && this.left > 0 && body.toString() === OUTSIDE_A_TRANSACTION) {
          this.left--;
          this.lost++;
          client.destroy();
          return;
        }
        isChanging = isDone = false;
      }
      client.write(bytes);
    });
  }
}

function note(changes: Set<string>, [name, statement]: [string, string]): void {
  if (CHANGE.test(statement)) changes.add(name);
  else changes.delete(name);
}
