import { isUnstorable } from '../text';
import { parseTerms, type Term, type TermValue } from './query-terms';

/*
 * A list's query as conditions for the database. Every name and operator comes from this file; whatever the caller wrote is a
 * value that is bound. What is not translated is refused with a sentence that names it.
 */

/** A condition, and the values that are bound to its placeholders. */
export interface Condition {
  sql: string;
  values: (string | number)[];
}

type Translated = Condition | { problem: string };

const TEXTS = ['id', 'status', 'region', 'version', 'image', 'mode'];
const NUMBERS = ['player_count', 'open_seats'];
const TIME = 'create_time';
const FIELDS = [...TEXTS, ...NUMBERS, TIME, 'metadata.…'].join(', ');

const LONGEST = 1000;
const MOST_TERMS = 50;
const LONGEST_PATTERN = 200;
const MOST_PATTERNS = 10;
/** Postgres writes `a{50}` out: counts inside of counts make automata that take seconds to build. */
const MOST_REPEATS = 50;

/**
 * The condition of a query over instances `i`; its placeholders are numbered from `first`. Terms with `+` must hold, with `-`
 * must not; of the others one has to hold when there is none with `+`, and otherwise they change nothing.
 */
export function translateQuery(query: string, first: number): Translated {
  if (query.length > LONGEST) return { problem: `may have ${LONGEST} characters.` };
  if (isUnstorable(query)) return { problem: 'has a NUL character or half a surrogate pair.' };
  const terms = parseTerms(query);
  if ('problem' in terms) return terms;
  if (terms.length > MOST_TERMS) return { problem: `may have ${MOST_TERMS} terms.` };
  if (terms.filter(({ value }) => value.kind === 'regex').length > MOST_PATTERNS) {
    return { problem: `may have ${MOST_PATTERNS} regular expressions.` };
  }
  const values: Condition['values'] = [];
  const bind = (value: string | number): string => {
    values.push(value);
    return `$${first + values.length - 1}${typeof value === 'number' ? '::float8' : '::text'}`;
  };
  const conditions: { [sign in Term['sign']]: string[] } = { '+': [], '-': [], '': [] };
  const hasMust = terms.some(({ sign }) => sign === '+');
  for (const term of terms) {
    const counts = term.sign !== '' || !hasMust;
    // Read in any case: a mistake is told also where it changes nothing.
    const sql = translateTerm(term, counts ? bind : () => '');
    if (typeof sql !== 'string') return sql;
    if (counts) conditions[term.sign].push(`coalesce(${sql}, false)`);
  }
  const all = conditions['+'].concat(conditions['-'].map((sql) => `NOT ${sql}`));
  if (conditions[''].length > 0) all.push(`(${conditions[''].join(' OR ')})`);
  return { sql: all.length === 0 ? 'true' : all.join(' AND '), values };
}

type Bind = (value: string | number) => string;

function translateTerm({ field, value }: Term, bind: Bind): string | { problem: string } {
  if (field === '' && value.kind === 'any') return 'true';
  const name = field.replace(/^value\./, '');
  if (TEXTS.includes(name)) return textCondition(`i.${name}`, value, bind, name);
  if (NUMBERS.includes(name)) return numberCondition(`i.${name}`, value, bind, name);
  if (name === TIME) return timeCondition(value, bind);
  if (/^metadata\../.test(name)) return metadataCondition(name.split('.').slice(1), value, bind);
  return { problem: `has the field "${field.slice(0, 50)}", which cannot be asked for. There are ${FIELDS}.` };
}

function textCondition(column: string, value: TermValue, bind: Bind, name: string): string | { problem: string } {
  switch (value.kind) {
    case 'any':
      return 'true';
    case 'text':
      return `${column} = ${bind(value.text)}`;
    case 'wildcard':
      return `${column} LIKE ${bind(likePattern(value.parts))}`;
    case 'regex': {
      const problem = patternProblem(value.pattern);
      return problem ? { problem } : `${column} ~ ${bind(`^(?:${value.pattern})$`)}`;
    }
    case 'range':
      return { problem: `compares the text ${name} with ${value.operator}: only numbers and ${TIME} have an order.` };
  }
}

function numberCondition(column: string, value: TermValue, bind: Bind, name: string): string | { problem: string } {
  if (value.kind === 'any') return 'true';
  const text = value.kind === 'text' ? value.text : value.kind === 'range' ? value.bound : '';
  const number = numberOf(text);
  if (number === undefined) return { problem: `needs a number for ${name}.` };
  return `${column} ${value.kind === 'range' ? value.operator : '='} ${bind(number)}`;
}

/** A time as RFC 3339 writes it, compared in milliseconds: in those a list shows it, and asks for what it has shown. */
function timeCondition(value: TermValue, bind: Bind): string | { problem: string } {
  if (value.kind === 'any') return 'true';
  const text = value.kind === 'text' ? value.text : value.kind === 'range' ? value.bound : '';
  const isTime = /^\d{4}-\d\d-\d\d(T\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d))?$/.test(text);
  const time = isTime ? Date.parse(text) : NaN;
  if (isNaN(time)) return { problem: `needs a time such as "2026-11-22T08:00:00Z" for ${TIME}, in quotes.` };
  return `(extract(epoch FROM i.${TIME}) * 1000)::int8 ${value.kind === 'range' ? value.operator : '='} ${bind(time)}`;
}

/** A text matches the same text, number or truth value, and a list that has it. */
function metadataCondition(path: string[], value: TermValue, bind: Bind): string | { problem: string } {
  if (path.some((key) => key === '')) return { problem: 'has an empty name in a metadata field.' };
  const at = `${bind(arrayLiteral(path))}::text[]`;
  const found = `(i.metadata #> ${at})`;
  const text = `(i.metadata #>> ${at})`;
  switch (value.kind) {
    case 'any':
      // Not of the JSON: a null in there is no value.
      return `${text} IS NOT NULL`;
    case 'range': {
      const number = numberOf(value.bound);
      if (number === undefined)
        return { problem: `needs a number after ${value.operator} for metadata.${path.join('.')}.` };
      return `CASE WHEN jsonb_typeof(${found}) = 'number' THEN ${text}::float8 END ${value.operator} ${bind(number)}`;
    }
    case 'text': {
      // The index that this replaces knew truth values as T and F.
      const same = value.text === 'T' ? 'true' : value.text === 'F' ? 'false' : value.text;
      const bound = bind(value.text);
      const either = same === value.text ? `${text} = ${bound}` : `${text} IN (${bound}, ${bind(same)})`;
      const number = numberOf(value.text);
      const equal = number === undefined ? '' : ` OR ${found} @> to_jsonb(${bind(number)})`;
      return `(${either} OR ${found} @> to_jsonb(${bound})${equal})`;
    }
    default:
      return textCondition(text, value, bind, 'metadata');
  }
}

function numberOf(text: string): number | undefined {
  return /^-?\d+(\.\d+)?$/.test(text) && text.length < 20 ? Number(text) : undefined;
}

function likePattern(parts: string[]): string {
  return parts.map((part, n) => (n % 2 === 0 ? part.replace(/[\\%_]/g, '\\$&') : part === '*' ? '%' : '_')).join('');
}

/** What Nakama's index and Postgres read alike: no references back, no looking around, few counts. */
function patternProblem(pattern: string): string | undefined {
  if (pattern.length > LONGEST_PATTERN) return `may have ${LONGEST_PATTERN} characters in a regular expression.`;
  if (/\\[^.^$*+?()[\]{}|\\/\-dDwWsS]/.test(pattern))
    return 'has an escape in a regular expression that is not known here.';
  if (/\(\?(?!:)/.test(pattern))
    return 'has a group in a regular expression that is not known here: only (…) and (?:…) are.';
  if (/\[\^?\]|\[[^\]]*\[[.=]|\[:[<>]/.test(pattern))
    return 'has brackets in a regular expression that are not known here.';
  const counts = pattern.match(/\{\d+(,\d*)?/g) ?? [];
  const repeats = counts.reduce((sum, count) => sum + Number(count.split(/[{,]/).filter(Boolean).pop()), 0);
  if (repeats > MOST_REPEATS) return `may repeat ${MOST_REPEATS} times with counts in a regular expression.`;
  if ((pattern.match(/\)\{\d/g) ?? []).length > 1)
    return 'has more than one group with a count in a regular expression.';
  try {
    new RegExp(pattern);
  } catch {
    return 'has a regular expression that cannot be read.';
  }
  return undefined;
}

/** A list of texts as Postgres writes it. */
function arrayLiteral(texts: string[]): string {
  return `{${texts.map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`).join(',')}}`;
}

/** What a list can be sorted by; `-` in front of one turns it around. */
export const SORTABLE = [...NUMBERS, TIME];

/** Fullest first, then newest: what Nakama's GameLift plugin answers as well. */
const DEFAULT_ORDER = ['-player_count', '-create_time'];

/** The row that a page ended with; `create_time` in microseconds, as a text. */
export interface LastRow {
  id: string;
  player_count: number;
  open_seats: number;
  create_time: string;
}

/**
 * The order of a list, with the id last, and what comes after a cursor; placeholders are numbered from `first`. A cursor is
 * the row that a page ended with: rows that come and go meanwhile change nothing of the others.
 */
export function translateOrder(
  query: string,
  order: string[] = DEFAULT_ORDER,
  cursor: string,
  first: number,
): { orderBy: string; after?: Condition } | { problem: string } {
  const keys = order.map((field) => ({ column: field.replace(/^-/, ''), descending: field.startsWith('-') }));
  if (!keys.every(({ column }) => SORTABLE.includes(column)))
    return { problem: `needs an order by fields of ${SORTABLE.join(', ')}.` };
  const sorted = keys.concat({ column: 'id', descending: false });
  const orderBy = sorted.map(({ column, descending }) => `i.${column}${descending ? ' DESC' : ''}`).join(', ');
  if (cursor === '') return { orderBy };
  const values = readCursor(cursor, query, order);
  if (!values) return { problem: 'must be one that fleet_list answered for the same query and order, or be left out.' };
  const bound = sorted.map(({ column }, n) => {
    const at = `$${first + n}`;
    if (column === TIME) return `(timestamptz 'epoch' + ${at}::text::int8 * interval '1 microsecond')`;
    return column === 'id' ? `${at}::text` : `${at}::int4`;
  });
  // Later by the first key, or the same there and later by the next one.
  const steps = sorted.map(({ column, descending }, n) => {
    const same = sorted.slice(0, n).map((key, k) => `i.${key.column} = ${bound[k]}`);
    return `(${[...same, `i.${column} ${descending ? '<' : '>'} ${bound[n]}`].join(' AND ')})`;
  });
  const [leading] = sorted;
  // Says the same once more, in a form in which an index finds where to begin.
  const begin = leading ? `i.${leading.column} ${leading.descending ? '<=' : '>='} ${bound[0]} AND ` : '';
  return { orderBy, after: { sql: `${begin}(${steps.join(' OR ')})`, values } };
}

/** The cursor of the page after this row. */
export function cursorAfter(query: string, order: string[] = DEFAULT_ORDER, last: LastRow): string {
  const shown = order.map((field) => last[field.replace(/^-/, '') as keyof LastRow]);
  return JSON.stringify([fingerprint(query, order), ...shown, last.id]);
}

function readCursor(cursor: string, query: string, order: string[]): (string | number)[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(cursor);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parsed) || parsed.length !== order.length + 2) return undefined;
  const [mark, ...values] = parsed as unknown[];
  const fits = values.every((value, n) => {
    const column = order[n]?.replace(/^-/, '') ?? 'id';
    if (column === 'id') return typeof value === 'string' && value.length <= 128 && !isUnstorable(value);
    if (column === TIME) return typeof value === 'string' && /^\d{1,17}$/.test(value);
    return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31;
  });
  return fits && mark === fingerprint(query, order) ? (values as (string | number)[]) : undefined;
}

/** Not a secret: it tells a cursor of another list from this one. */
function fingerprint(query: string, order: string[]): string {
  let hash = 7;
  for (const unit of [query, ...order].join('\n')) hash = (hash * 31 + unit.charCodeAt(0)) % 4_294_967_291;
  return hash.toString(36);
}
