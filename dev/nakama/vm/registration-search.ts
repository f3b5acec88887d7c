// Nakama does not keep the functions that InitModule registers: it looks up their names in InitModule's syntax tree
// (runtime_javascript_init.go) and calls the globals of those names in other VMs. This is that search. What it silently
// gets wrong, or what makes the whole server crash, is an error here that names the rule.

import type { Argument, ModuleSyntax, Property, Statement } from '../module-syntax.ts';
import type { MatchHandlers } from './protocol.ts';

const globalEval = eval;

/** A registration that would crash Nakama or bind to something else than it says. */
export class Trap extends Error {}

/** The value of a global name, lexical ones included, as Goja's vm.Get finds it. */
export function globalValue(name: string): unknown {
  try {
    return (globalEval as (code: string) => unknown)(name);
  } catch {
    return undefined;
  }
}

type Call = Extract<Statement, { kind: 'call' }>;

/** The statement that registers `id` by `method`, the way Nakama walks there; null when it does not find one. */
function find(body: Statement[], initializer: string, method: string, id: string | null): Call | null {
  for (const statement of body) {
    if (statement.kind === 'try') {
      const found = find(statement.body, initializer, method, id);
      if (found !== null) return found;
      continue;
    }
    if (statement.kind === 'crash') {
      throw new Trap(
        `InitModule, line ${statement.line}: "${statement.text}" stands before initializer.${method}(…). Nakama crashes on ` +
          'a call whose object is not a plain name (rule: InitModule contains only statements of the form x.y(…)).',
      );
    }
    if (statement.object !== initializer || statement.method !== method) continue;
    if (id === null) return statement;
    if (matches(statement, id)) return statement;
  }
  return null;
}

function matches(statement: Call, id: string): boolean {
  const name = statement.args[0];
  if (name?.kind === 'string') return name.value === id;
  if (name?.kind === 'identifier') {
    const value = globalValue(name.name);
    if (value === undefined) {
      throw new Trap(
        `InitModule, line ${statement.line}: the name "${name.name}" in ${statement.method}(…) is not a global. Nakama ` +
          'crashes here (rule: ids are string literals, or names of globals).',
      );
    }
    return String(value) === id;
  }
  throw new Trap(
    `InitModule, line ${statement.line}: the id of ${statement.method}(…) is neither a string literal nor a name. Nakama ` +
      'does not compare such ids, so this function would answer for every id that is registered after it (rule: ids are ' +
      'string literals).',
  );
}

const INLINED = 'function literal found: javascript functions cannot be inlined';

function handlerName(argument: Argument | undefined, member: boolean): string {
  if (argument?.kind === 'identifier') return argument.name;
  if (argument?.kind === 'string') return argument.value;
  if (argument?.kind === 'member' && member) return argument.property;
  throw new Error(INLINED);
}

/** Looks up names of registered functions for one module. */
export class RegistrationSearch {
  constructor(
    private readonly syntax: ModuleSyntax,
    private readonly version: string,
  ) {}

  /** @param id of the RPC or realtime message. @throws Error with Nakama's text, or a Trap. */
  named(method: string, id: string): string {
    return this.search(method, id, (call) =>
      handlerName(call.args[1], method !== 'registerRtBefore' && method !== 'registerRtAfter' && this.since(23)),
    );
  }

  hook(method: string): string {
    return this.search(method, null, (call) => handlerName(call.args[0], false), method);
  }

  match(name: string, callback: keyof MatchHandlers): string {
    const label = `match handler "${callback}" function for module "${name}"`;
    return this.search(
      'registerMatch',
      name,
      (call) => {
        for (const property of this.properties(call)) {
          if (property.kind === 'keyed' && property.key === callback) return handlerName(property.value, false);
          if (property.kind === 'shorthand') {
            if (!this.since(23))
              throw new Trap(
                `registerMatch("${name}", …): Nakama before 3.23 crashes on the shorthand {${property.name}}.`,
              );
            if (property.name === callback) return property.name;
          }
        }
        throw new Error('not found');
      },
      label,
      'global id',
    );
  }

  private search(
    method: string,
    id: string | null,
    pick: (call: Call) => string,
    what = id ?? method,
    key = 'function key',
  ): string {
    if (this.syntax.error !== undefined) throw new Error(this.syntax.error);
    try {
      const call = find(this.syntax.body, this.syntax.initializer, method, id);
      if (call === null) throw new Error('not found');
      return pick(call);
    } catch (error) {
      if (error instanceof Trap) throw error;
      const text = (error as Error).message;
      const hint =
        text === 'not found'
          ? `. Register it by a direct statement of InitModule: ${this.syntax.initializer}.${method}(…)`
          : '';
      throw new Error(`js ${what} ${key} could not be extracted: ${text}${hint}`);
    }
  }

  private properties(call: Call): Property[] {
    const argument = call.args[1];
    if (argument?.kind === 'object') return argument.properties;
    if (argument?.kind === 'identifier' && this.syntax.objects[argument.name] !== undefined)
      return this.syntax.objects[argument.name]!;
    throw new Trap(
      `InitModule, line ${call.line}: the second argument of registerMatch(…) is neither an object literal nor the name of a ` +
        'top-level "var" object. Nakama crashes here.',
    );
  }

  private since(minor: number): boolean {
    return Number(this.version.split('.')[1]) >= minor;
  }
}
