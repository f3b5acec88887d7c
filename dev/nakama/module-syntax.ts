// The parts of a module's syntax tree that Nakama looks at to learn which global functions InitModule registers.

/** An argument of a registration, as far as Nakama distinguishes. */
export type Argument =
  | { kind: 'identifier'; name: string }
  | { kind: 'string'; value: string }
  | { kind: 'member'; property: string }
  | { kind: 'object'; properties: Property[] }
  | { kind: 'other'; syntax: string };

export type Property =
  | { kind: 'keyed'; key: string; value: Argument }
  | { kind: 'shorthand'; name: string }
  | { kind: 'other'; syntax: string };

/** A direct statement of InitModule's body; everything else is invisible to Nakama. */
export type Statement =
  | { kind: 'try'; body: Statement[] }
  | { kind: 'call'; object: string; method: string; args: Argument[]; line: number }
  /** `a.b.c()`, `f().g()`, `this.x()`…: Nakama assumes that what stands left of the method is a plain name. */
  | { kind: 'crash'; text: string; line: number };

export interface ModuleSyntax {
  /** Why InitModule's registrations cannot be found at all, in Nakama's words. */
  error?: string;
  /** The name of InitModule's fourth parameter. */
  initializer: string;
  body: Statement[];
  /** Top-level `var name = { … }`, which a registerMatch may name. */
  objects: Record<string, Property[]>;
}
