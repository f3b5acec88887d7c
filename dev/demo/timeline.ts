/** Where text goes and whether it may be coloured. */
export interface Screen {
  write(text: string): void;
  colour: boolean;
}

export type Tone = 'dim' | 'good' | 'bad' | 'cyan' | 'yellow' | 'magenta';

const CODES: Record<Tone, string> = { dim: '2', good: '32', bad: '31', cyan: '36', yellow: '33', magenta: '35' };
const MATCH_TONES: Tone[] = ['cyan', 'yellow', 'magenta', 'good'];

/** Standard output, coloured on a terminal unless NO_COLOR is set (https://no-color.org). */
export function terminal(): Screen {
  const colour = process.stdout.isTTY === true && !process.env['NO_COLOR'];
  process.stdout.on('error', () => process.exit(1)); // Whoever read along is gone (a closed pipe): nothing left to tell.
  return { colour, write: (text) => void process.stdout.write(text) };
}

/** `text` in a tone where the screen has colours. */
export function paint(screen: Screen, tone: Tone, text: string): string {
  return screen.colour ? `\x1b[${CODES[tone]}m${text}\x1b[0m` : text;
}

/** What happens in the demo, line by line: seconds since the start, the match, an event. */
export class Timeline {
  private startAtMs = Date.now();
  private readonly names: string[] = [];

  constructor(
    private readonly screen: Screen,
    private readonly now: () => number = Date.now,
  ) {}

  /** The clock of the lines starts here. */
  begin(): void {
    this.startAtMs = this.now();
  }

  event(match: string, text: string, tone?: Tone): void {
    if (!this.names.includes(match)) this.names.push(match);
    const matchTone = MATCH_TONES[this.names.indexOf(match) % MATCH_TONES.length] as Tone;
    const time = paint(this.screen, 'dim', seconds(this.now() - this.startAtMs));
    const name = paint(this.screen, matchTone, match.padEnd(6));
    this.screen.write(`  ${time}  ${name} ${tone ? paint(this.screen, tone, text) : text}\n`);
  }
}

/** `  1.23 s`, always as wide. */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(2).padStart(6)} s`;
}

/** Lines like `runtime    Nakama 3.40.0`, with the values below each other. */
export function table(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${value}\n`).join('');
}

/** `1 player`, `2 players`. */
export function count(amount: number, noun: string): string {
  if (amount === 1) return `1 ${noun}`;
  return `${amount} ${noun.endsWith('ch') ? `${noun}es` : noun.endsWith('y') ? `${noun.slice(0, -1)}ies` : `${noun}s`}`;
}

/** Enough of an id to recognise it in other output. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}
