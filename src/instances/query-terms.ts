/*
 * The text of a list's query in parts: what Nakama's storage index reads in the same way (blugelabs/query_string). A term is
 * `field:value` with `+` or `-` in front or neither; a backslash takes a character's meaning away.
 */

/** One term of a query. */
export interface Term {
  sign: '+' | '-' | '';
  field: string;
  value: TermValue;
}

export type TermValue =
  | { kind: 'text'; text: string }
  /** Literal pieces, and between each two of them `*` or `?`: those have the odd places. */
  | { kind: 'wildcard'; parts: string[] }
  | { kind: 'regex'; pattern: string }
  | { kind: 'range'; operator: '>' | '>=' | '<' | '<='; bound: string }
  /** Whatever there is. */
  | { kind: 'any' };

/** A character that a backslash makes an ordinary one; before others the backslash stays. */
const SPECIAL = '+-=&|><!(){}[]^"~*?:\\/ ';

interface Lexed {
  text: string;
  /** For each character whether it stands for itself. */
  literal: boolean[];
  quoted: boolean;
  end: number;
}

/** The terms of a query, or what is wrong with it as a sentence. */
export function parseTerms(query: string): Term[] | { problem: string } {
  const terms: Term[] = [];
  let at = 0;
  for (;;) {
    while (isSpace(query.charAt(at))) at++;
    if (at >= query.length) return terms;
    const first = query.charAt(at);
    const sign = first === '+' || first === '-' ? first : '';
    const term = parseTerm(query, sign === '' ? at : at + 1);
    if ('problem' in term) return term;
    terms.push({ sign, field: term.field, value: term.value });
    at = term.end;
  }
}

/** Lines and tabs part terms as well: a query may be written over several lines. */
function isSpace(one: string): boolean {
  return one !== '' && /\s/.test(one);
}

function parseTerm(query: string, from: number): (Omit<Term, 'sign'> & { end: number }) | { problem: string } {
  const name = lex(query, from);
  if ('problem' in name) return name;
  if (query.charAt(name.end) !== ':' || name.quoted || name.text === '') {
    const problem = problemBehind(query.charAt(name.end));
    if (problem) return { problem };
    if (name.text === '*' && !name.literal[0]) return { field: '', value: { kind: 'any' }, end: name.end };
    return { problem: `has "${name.text.slice(0, 50)}" without a field: write field:value.` };
  }
  let at = name.end + 1;
  const operator = /^[<>]=?/.exec(query.slice(at, at + 2))?.[0] as '>' | '>=' | '<' | '<=' | undefined;
  if (operator) at += operator.length;
  const value = lex(query, at);
  if ('problem' in value) return value;
  if (value.text === '' && !value.quoted) return { problem: `has no value for the field ${name.text.slice(0, 50)}.` };
  const problem = problemBehind(query.charAt(value.end));
  if (problem) return { problem };
  return {
    field: name.text,
    value: operator ? { kind: 'range', operator, bound: value.text } : valueOf(value),
    end: value.end,
  };
}

/** What is wrong with a term that this character ends. */
function problemBehind(next: string): string | undefined {
  if (next === '^') return 'has a boost (^): a list does not rank, leave it out.';
  if (next === '~') return 'has a fuzzy term (~): terms are exact here.';
  return next === '' || isSpace(next) ? undefined : `has a "${next}" that needs a backslash in front.`;
}

/** A phrase in quotes, or everything up to a space, `:`, `^` or `~` that no backslash stands in front of. */
function lex(query: string, from: number): Lexed | { problem: string } {
  const quoted = query.charAt(from) === '"';
  const literal: boolean[] = [];
  let text = '';
  let at = quoted ? from + 1 : from;
  for (; at < query.length; at++) {
    const one = query.charAt(at);
    if (one === '\\') {
      if (at + 1 === query.length) return { problem: 'ends with a backslash that has nothing behind it.' };
      const escaped = query.charAt(++at);
      if (!SPECIAL.includes(escaped)) {
        text += '\\';
        literal.push(true);
      }
      text += escaped;
      literal.push(true);
      continue;
    }
    if (quoted ? one === '"' : isSpace(one) || one === ':' || one === '^' || one === '~') break;
    text += one;
    literal.push(quoted);
  }
  if (quoted && query.charAt(at) !== '"') return { problem: 'has a quote that does not end.' };
  return { text, literal, quoted, end: quoted ? at + 1 : at };
}

function valueOf({ text, literal, quoted }: Lexed): TermValue {
  if (quoted) return { kind: 'text', text };
  if (text.length > 2 && text.startsWith('/') && text.endsWith('/') && !literal[0]) {
    return { kind: 'regex', pattern: text.slice(1, -1) };
  }
  const parts: string[] = [''];
  for (let i = 0; i < text.length; i++) {
    const one = text.charAt(i);
    if ((one === '*' || one === '?') && !literal[i]) parts.push(one, '');
    else parts[parts.length - 1] += one;
  }
  if (parts.length === 1) return { kind: 'text', text };
  return text === '*' ? { kind: 'any' } : { kind: 'wildcard', parts };
}
