import { readFileSync } from 'node:fs';
import { parse, type Node } from 'acorn';
import { ensureModule } from '../../../dev/stack/module.ts';

/** The file that operators drop into Nakama, as built. */
export const source = readFileSync(await ensureModule(), 'utf8');

/** A node with its fields, whatever its type. */
export type Tree = Node & { [field: string]: unknown };

/**
 * The file as Nakama takes it: a script, not a module. ES2020 is what the build aims at; everything newer is an error here,
 * such as `??=`, which Nakama has from 3.27 only.
 */
export const program = parse(source, { ecmaVersion: 2020, sourceType: 'script' }) as unknown as { body: Tree[] };

/** Every node below, itself included. */
export function* nodesOf(node: unknown): Generator<Tree> {
  if (Array.isArray(node)) {
    for (const one of node as unknown[]) yield* nodesOf(one);
  } else if (typeof node === 'object' && node !== null && 'type' in node) {
    yield node as Tree;
    for (const field of Object.values(node)) yield* nodesOf(field);
  }
}

/** The name of an identifier, undefined for everything else. */
export function nameOf(node: unknown): string | undefined {
  const one = node as Tree | null | undefined;
  return one?.type === 'Identifier' ? (one['name'] as string) : undefined;
}
