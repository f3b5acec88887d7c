/** The operations, as the official document names them. */
export const OPERATIONS = [
  'session-run',
  'session-list',
  'describe-session',
  'session-stop',
  'join-session',
  'leave-session',
  'artifacts',
  'get-available-locations',
  'tag-exists',
  'stream-logs',
] as const;

export type Operation = (typeof OPERATIONS)[number];

/**
 * What goes wrong. `when: 'before'` means the request is never processed, 'after' that it is processed and only its
 * answer suffers: a POST dropped after processing has really started the session.
 * - delay: the answer comes later; 'before' (default) waits first and then processes
 * - status: this status, as an ErrorResponse or an HTML page, with a Retry-After header if given; 'before' by default
 * - drop: the connection is closed without an answer
 * - truncate: processed; the body breaks off in the middle
 * - html: processed; an HTML page with the real status, as a broken proxy sends it
 * - stale-list: GET /session answers as of `ageMs` ago
 * - slow-start: POST /session takes longer
 * - body: processed; any body with the real status, or with this one
 * - alter: processed; these fields of the answer have these values, in a list those of each session
 * - echo: never processed; a refusal (422) that quotes the whole body of the request
 * - redirect: never processed; to the same path at another server, or (without `to`) at this one
 */
export type FaultAction =
  | { kind: 'delay'; ms: number; when?: 'before' | 'after' }
  | { kind: 'status'; status: number; html?: boolean; when?: 'before' | 'after'; retryAfter?: string }
  | { kind: 'drop'; when: 'before' | 'after' }
  | { kind: 'truncate' }
  | { kind: 'html' }
  | { kind: 'stale-list'; ageMs: number }
  | { kind: 'slow-start'; ms: number }
  | { kind: 'body'; body: unknown; status?: number }
  | { kind: 'alter'; fields: Record<string, unknown> }
  | { kind: 'echo'; status?: number }
  | { kind: 'redirect'; status?: number; to?: string };

export interface FaultRule {
  /** Default: all. */
  operation?: Operation;
  /** Default: all. Requests that name no region, and no session that has one, match no rule with a region. */
  region?: string;
  /** Ordinals count the requests that match the rule since it was added, from 1; `times: n` is the first n. */
  on: { ordinals: number[] } | { rate: number; seed?: number } | { times: number } | 'always';
  action: FaultAction;
}

export interface ActiveFault extends FaultRule {
  id: string;
  /** Requests that matched, and those that were hit. */
  seen: number;
  hit: number;
}

/** What the rules do to one request: waits add up, and the first rule that changes the answer wins. */
export interface FaultPlan {
  /** For the request log, e.g. 'fault-1 drop'. */
  name: string;
  delayBeforeMs: number;
  delayAfterMs: number;
  slowStartMs: number;
  staleMs?: number;
  answer?: Exclude<FaultAction, { kind: 'delay' | 'stale-list' | 'slow-start' }>;
}

/** The rules in force. */
export class Faults {
  private readonly rules: { fault: ActiveFault; random: () => number }[] = [];
  private added = 0;

  /** Adds a rule and returns its id. Throws a TypeError that lists what is wrong with it. */
  add(rule: FaultRule): string {
    const problems = problemsOf(rule);
    if (problems.length > 0) throw new TypeError(`Not a fault rule: ${problems.join('; ')}.`);
    const id = `fault-${++this.added}`;
    const seed = typeof rule.on === 'object' && 'rate' in rule.on ? (rule.on.seed ?? 1) : 1;
    this.rules.push({ fault: { ...structuredClone(rule), id, seen: 0, hit: 0 }, random: mulberry32(seed) });
    return id;
  }

  /** False when there is no such rule. */
  remove(id: string): boolean {
    const index = this.rules.findIndex(({ fault }) => fault.id === id);
    if (index >= 0) this.rules.splice(index, 1);
    return index >= 0;
  }

  clear(): void {
    this.rules.length = 0;
  }

  list(): ActiveFault[] {
    return this.rules.map(({ fault }) => structuredClone(fault));
  }

  /** Counts a request, and says what happens to it; undefined when nothing does. */
  plan(operation: Operation, region: string | undefined): FaultPlan | undefined {
    let plan: FaultPlan | undefined;
    for (const { fault, random } of this.rules) {
      if (fault.operation !== undefined && fault.operation !== operation) continue;
      if (fault.region !== undefined && fault.region !== region) continue;
      fault.seen++;
      if (!strikes(fault, random)) continue;
      fault.hit++;
      const name = `${fault.id} ${fault.action.kind}`;
      plan = plan
        ? { ...plan, name: `${plan.name}, ${name}` }
        : { name, delayBeforeMs: 0, delayAfterMs: 0, slowStartMs: 0 };
      apply(plan, fault.action);
    }
    return plan;
  }
}

function apply(plan: FaultPlan, action: FaultAction): void {
  if (action.kind === 'delay' && action.when === 'after') plan.delayAfterMs += action.ms;
  else if (action.kind === 'delay') plan.delayBeforeMs += action.ms;
  else if (action.kind === 'slow-start') plan.slowStartMs += action.ms;
  else if (action.kind === 'stale-list') plan.staleMs = action.ageMs;
  else plan.answer ??= action;
}

function strikes(fault: ActiveFault, random: () => number): boolean {
  const { on } = fault;
  if (on === 'always') return true;
  if ('ordinals' in on) return on.ordinals.includes(fault.seen);
  if ('times' in on) return fault.seen <= on.times;
  return random() < on.rate;
}

const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value) && value >= 0;
const isWhen = (value: unknown): boolean => value === 'before' || value === 'after';
const isStatus = (value: unknown): boolean =>
  Number.isInteger(value) && isNumber(value) && Number(value) >= 200 && Number(value) < 600;
const optional =
  (check: (value: unknown) => boolean) =>
  (value: unknown): boolean =>
    value === undefined || check(value);

/** Field -> check, for each kind; a field that is not here is a mistake. */
const ACTIONS: Record<FaultAction['kind'], Record<string, (value: unknown) => boolean>> = {
  delay: { ms: isNumber, when: optional(isWhen) },
  status: {
    status: isStatus,
    html: optional((value) => typeof value === 'boolean'),
    when: optional(isWhen),
    retryAfter: optional((value) => typeof value === 'string'),
  },
  drop: { when: isWhen },
  truncate: {},
  html: {},
  'stale-list': { ageMs: isNumber },
  'slow-start': { ms: isNumber },
  body: { body: (value) => value !== undefined, status: optional(isStatus) },
  alter: { fields: (value) => typeof value === 'object' && value !== null && !Array.isArray(value) },
  echo: { status: optional((value) => isStatus(value) && Number(value) >= 400) },
  redirect: {
    status: optional((value) => [301, 302, 303, 307, 308].includes(Number(value))),
    to: optional((value) => typeof value === 'string' && /^https?:\/\/[^/]+$/.test(value)),
  },
};

/** Rules also come from HTTP and from a file, so their type proves nothing. */
function problemsOf(rule: FaultRule): string[] {
  if (typeof rule !== 'object' || rule === null) return ['it must be an object {operation?, region?, on, action}'];
  const problems: string[] = [];
  const extra = Object.keys(rule).filter((key) => !['operation', 'region', 'on', 'action'].includes(key));
  if (extra.length > 0) problems.push(`unknown field ${extra.join(', ')}`);
  if (rule.operation !== undefined && !OPERATIONS.includes(rule.operation)) {
    problems.push(`operation must be one of ${OPERATIONS.join(', ')}`);
  }
  if (rule.region !== undefined && typeof rule.region !== 'string') problems.push('region must be a string');
  const on = rule.on as unknown;
  const { ordinals, rate, times, seed } = (typeof on === 'object' && on !== null ? on : {}) as Record<string, unknown>;
  const counts = Array.isArray(ordinals) && ordinals.every((n) => Number.isInteger(n) && n >= 1);
  const isRate = isNumber(rate) && Number(rate) <= 1 && optional(isNumber)(seed);
  if (on !== 'always' && !counts && !isRate && !isNumber(times)) {
    problems.push(`on must be 'always', {ordinals: [1, …]}, {times: n} or {rate: 0…1, seed?: n}`);
  }
  const action = (rule.action ?? {}) as { kind?: unknown } & Record<string, unknown>;
  const kind = Object.keys(ACTIONS).find((known) => known === action.kind) as FaultAction['kind'] | undefined;
  if (!kind) return [...problems, `action.kind must be one of ${Object.keys(ACTIONS).join(', ')}`];
  for (const [field, check] of Object.entries(ACTIONS[kind])) {
    if (!check(action[field])) problems.push(`action.${field} of "${kind}" is missing or wrong`);
  }
  const unknown = Object.keys(action).filter((key) => key !== 'kind' && !Object.hasOwn(ACTIONS[kind], key));
  if (unknown.length > 0) problems.push(`unknown field action.${unknown.join(', action.')}`);
  return problems;
}

/** A small seeded generator, so that a chaos run can be repeated. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
