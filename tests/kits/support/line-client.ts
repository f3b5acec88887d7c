import { connect, type Socket } from 'node:net';
import { until } from '../../../dev/stack/until.ts';

const PATIENCE_MS = 15_000;

/** A player of the sample servers: lines over TCP. */
export class LineClient {
  private text = '';
  private gone = false;

  private constructor(private readonly socket: Socket) {
    socket.setEncoding('utf8').on('data', (chunk: string) => (this.text += chunk));
    socket.on('error', () => {}); // Closed next.
    socket.on('close', () => (this.gone = true));
  }

  static async connect(host: string, port: number): Promise<LineClient> {
    const socket = connect(port, host);
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new LineClient(socket);
  }

  /** Connects, shows a token, and answers what the server says to it. */
  static async show(host: string, port: number, token: string): Promise<{ player: LineClient; said: string }> {
    const player = await LineClient.connect(host, port);
    player.say(token);
    return { player, said: await player.nextLine() };
  }

  say(line: string): void {
    this.socket.write(`${line}\n`);
  }

  async nextLine(): Promise<string> {
    const whole = (): boolean => this.text.includes('\n') || this.gone;
    await until(whole, PATIENCE_MS, 'a line of the sample server');
    const [line = '', ...rest] = this.text.split('\n');
    this.text = rest.join('\n');
    return line;
  }

  /** Ends the connection without a word. */
  cut(): void {
    this.socket.destroy();
  }

  closed(): Promise<unknown> {
    return until(() => this.gone, PATIENCE_MS, 'the end of the connection');
  }
}
