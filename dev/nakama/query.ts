// The query language of the matchmaker and of match listings (bluge's query strings, as far as they are used), over documents
// held in memory. What is not reproduced is an error, never an empty result.

export type FieldValue = string | number | { dateMs: number };
/** Field name to values; nested objects have dotted names, arrays several values. */
export type Document = Map<string, FieldValue[]>;

interface Clause {
  occur: 'must' | 'should' | 'mustNot';
  boost: number;
  test(document: Document): boolean;
}

/** The score of a document, or null when it does not match. Every matching clause counts with its boost. */
export type Query = (document: Document) => number | null;

type TokenKind = 'string' | 'number' | 'phrase' | 'boost' | 'tilde' | '+' | '-' | ':' | '>' | '<' | '=';
interface Token {
  kind: TokenKind;
  text: string;
}

const OPERATORS = '+-:><=';
const unsupported = (what: string): Error => new Error(`the embedded runtime does not implement ${what} in queries`);

function lex(source: string): Token[] {
  const tokens: Token[] = [];
  const chars = [...source];
  let i = 0;
  // A backslash keeps its own meaning before characters that need no escape.
  const unescape = (char: string): string => (/[-+=&|><!(){}[\]^"~*?:\\/ ]/.test(char) ? char : `\\${char}`);
  while (i < chars.length) {
    const char = chars[i]!;
    if (/\s/.test(char)) {
      i += 1;
    } else if (char === '"') {
      let text = '';
      for (i += 1; i < chars.length && chars[i] !== '"'; i += 1) {
        if (chars[i] === '\\' && i + 1 < chars.length) text += unescape(chars[(i += 1)]!);
        else text += chars[i]!;
      }
      if (i >= chars.length) throw new Error('parse error: unterminated quote');
      i += 1;
      tokens.push({ kind: 'phrase', text });
    } else if (OPERATORS.includes(char)) {
      tokens.push({ kind: char as TokenKind, text: char });
      i += 1;
    } else {
      const kind = char === '^' ? 'boost' : char === '~' ? 'tilde' : 'string';
      if (kind !== 'string') i += 1;
      let text = '';
      let escaped = false;
      for (; i < chars.length; i += 1) {
        const next = chars[i]!;
        if (next === ' ' || (kind === 'string' && ':^~'.includes(next))) break;
        if (next === '\\' && i + 1 < chars.length) {
          text += unescape(chars[(i += 1)]!);
          escaped = true;
        } else text += next;
      }
      const isNumber = kind === 'string' && !escaped && /^\d+\.?\d*$/.test(text);
      tokens.push({ kind: isNumber ? 'number' : kind, text });
    }
  }
  return tokens;
}

/** Parses the date forms that Nakama indexes as dates; null for anything else. */
export function parseDate(text: string): number | null {
  const match = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text) ?? null;
  if (match === null) return null;
  const [, day, time = '00:00:00', fraction = '', zone = 'Z'] = match;
  const ms = Date.parse(`${day!}T${time}${fraction.slice(0, 4)}${zone}`);
  return Number.isNaN(ms) ? null : ms;
}

function wildcard(pattern: string): RegExp {
  const source = [...pattern].map((char) => {
    if (char === '*') return '.*';
    return char === '?' ? '.' : char.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
  });
  return new RegExp(`^${source.join('')}$`, 's');
}

// The common part of both dialects; like the real one it has to match a whole term.
function regularExpression(source: string): RegExp {
  if (/\(\?|\\[bBdDwWsSpPkAzZ1-9]/.test(source)) throw unsupported(`the regular expression ${source}`);
  try {
    return new RegExp(`^(?:${source})$`, 's');
  } catch (error) {
    throw new Error(`error parsing regexp: ${(error as Error).message}`);
  }
}

type Test = (value: FieldValue) => boolean;

function term(token: Token): Test {
  // Keyword fields have no positions, so that a quoted text matches nothing, not even itself (seen on 3.22.0 and 3.40.0).
  if (token.kind === 'phrase') return () => false;
  if (token.kind === 'number') return (value) => value === token.text || value === Number(token.text);
  if (token.kind === 'string' && /^\/.*\/$/s.test(token.text)) {
    const pattern = regularExpression(token.text.slice(1, -1));
    return (value) => typeof value === 'string' && pattern.test(value);
  }
  if (token.kind === 'string' && /[*?]/.test(token.text)) {
    const pattern = wildcard(token.text);
    return (value) => typeof value === 'string' && pattern.test(value);
  }
  return (value) => value === token.text;
}

class Parser {
  private at = 0;
  constructor(private readonly tokens: Token[]) {}

  parse(): Clause[] {
    const clauses: Clause[] = [];
    while (this.at < this.tokens.length) clauses.push(this.clause());
    if (clauses.length === 0) throw new Error('syntax error');
    return clauses;
  }

  private take(kind: TokenKind): Token | null {
    const token = this.tokens[this.at];
    if (token?.kind !== kind) return null;
    this.at += 1;
    return token;
  }

  private clause(): Clause {
    const occur = this.take('+') !== null ? 'must' : this.take('-') !== null ? 'mustNot' : 'should';
    const name = this.take('string');
    if (name === null || this.take(':') === null) {
      if (name === null && !['number', 'phrase'].includes(this.tokens[this.at]?.kind ?? ''))
        throw new Error('syntax error');
      throw unsupported('terms without a field');
    }
    const test = this.fieldTest();
    if (this.take('tilde') !== null) throw unsupported('fuzzy terms');
    const boost = this.take('boost');
    if (boost !== null && Number.isNaN(Number(boost.text)))
      throw new Error(`parse error: invalid boost value: ${boost.text}`);
    return {
      occur,
      boost: boost === null || boost.text === '' ? 1 : Number(boost.text),
      test: (document) => document.get(name.text)?.some(test) ?? false,
    };
  }

  private fieldTest(): Test {
    const comparison = this.take('>') ?? this.take('<');
    if (comparison === null) {
      const negative = this.take('-') !== null;
      const token = this.take('number') ?? (negative ? null : (this.take('phrase') ?? this.take('string')));
      if (token === null) throw new Error('syntax error');
      return term(negative ? { kind: 'number', text: `-${token.text}` } : token);
    }
    const orEqual = this.take('=') !== null;
    const phrase = this.take('phrase');
    let bound: number;
    if (phrase === null) {
      const sign = this.take('-') === null ? 1 : -1;
      const number = this.take('number');
      if (number === null) throw new Error('syntax error');
      bound = sign * Number(number.text);
    } else {
      const date = parseDate(phrase.text);
      if (date === null) throw new Error(`parse error: invalid time: ${phrase.text}`);
      bound = date;
    }
    return (value) => {
      if (phrase === null ? typeof value !== 'number' : typeof value !== 'object') return false;
      const number = typeof value === 'object' ? value.dateMs : (value as number);
      if (orEqual && number === bound) return true;
      return comparison.kind === '>' ? number > bound : number < bound;
    };
  }
}

/** @throws Error in the words of the real parser, or saying what the embedded runtime lacks. */
export function parseQuery(source: string): Query {
  if (source === '*') return () => 1;
  const clauses = new Parser(lex(source)).parse();
  const must = clauses.filter((clause) => clause.occur === 'must');
  const should = clauses.filter((clause) => clause.occur === 'should');
  const mustNot = clauses.filter((clause) => clause.occur === 'mustNot');
  return (document) => {
    if (mustNot.some((clause) => clause.test(document))) return null;
    if (!must.every((clause) => clause.test(document))) return null;
    const wished = should.filter((clause) => clause.test(document));
    // Without "+" terms at least one of the plain ones has to match.
    if (must.length === 0 && should.length > 0 && wished.length === 0) return null;
    const matched = [...must, ...wished];
    return matched.length === 0 ? 1 : matched.reduce((sum, clause) => sum + clause.boost, 0);
  };
}

/** Adds a JSON value to a document below `path`: strings that look like dates become dates, booleans "T" and "F". */
export function addField(document: Document, path: string, value: unknown): void {
  if (value === null || value === undefined) return;
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) addField(document, path, item);
    return;
  }
  if (typeof value === 'object') {
    for (const [key, item] of Object.entries(value)) addField(document, `${path}.${key}`, item);
    return;
  }
  let field: FieldValue;
  if (typeof value === 'boolean') field = value ? 'T' : 'F';
  else if (typeof value === 'number') field = value;
  else {
    const dateMs = parseDate(String(value));
    field = dateMs === null ? String(value) : { dateMs };
  }
  const values = document.get(path);
  if (values === undefined) document.set(path, [field]);
  else values.push(field);
}
