import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parse, type AnyNode, type Expression, type Program } from 'acorn';
import type { Argument, ModuleSyntax, Property, Statement } from './module-syntax.ts';

/** A module as it was found on disk. */
export interface ModuleFile {
  /** Base name, as it appears in stack traces. */
  filename: string;
  /** Strict from the first character on, as Nakama compiles it; line numbers are unchanged. */
  source: string;
  syntax: ModuleSyntax;
}

/**
 * Reads and checks the entry point. Null when there is none at the default place, which is not an error in Nakama either.
 * @throws Error with the place of what Goja of that version does not understand.
 */
export function loadModule(runtimePath: string, entrypoint: string, version: string): ModuleFile | null {
  const file = path.join(runtimePath, entrypoint === '' ? 'index.js' : entrypoint);
  let source: string;
  try {
    source = readFileSync(file, 'utf8');
  } catch (error) {
    if (entrypoint === '' && (error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new Error(`Could not read JavaScript module ${file}: ${(error as Error).message}`);
  }
  const filename = path.basename(file);
  if (/^\/\/[#@] sourceMappingURL=(?!data:)/m.test(source)) {
    throw new Error(
      `${filename}: Goja resolves "//# sourceMappingURL=<file>" while it compiles, relative to the server's folder, and fails. Leave it out or inline the map.`,
    );
  }
  let program: Program;
  try {
    program = parse(`"use strict";${source}`, { ecmaVersion: 2024, sourceType: 'script', locations: true });
  } catch (error) {
    throw new Error(`SyntaxError: ${filename}: ${(error as Error).message}`);
  }
  refuseUnknownSyntax(program, filename, Number(version.split('.')[1]));
  return { filename, source: `"use strict";${source}`, syntax: moduleSyntax(program) };
}

type Visit = (node: AnyNode) => string | null;

/** Syntax that V8 accepts and Goja does not, by the version from which it does. */
function unknownSyntax(minor: number): Visit {
  return (node) => {
    switch (node.type) {
      case 'ImportExpression':
        return 'import()';
      case 'ForOfStatement':
        return node.await ? 'for await' : null;
      case 'FunctionDeclaration':
      case 'FunctionExpression':
        return node.async && node.generator ? 'async generators' : null;
      case 'AssignmentExpression':
        return minor < 27 && ['??=', '||=', '&&='].includes(node.operator) ? `${node.operator} (Nakama 3.27)` : null;
      case 'Literal': {
        const raw = node.raw ?? '';
        if (typeof node.bigint === 'string') return minor < 25 ? 'BigInt (Nakama 3.25)' : null;
        if (typeof node.value === 'number' && raw.includes('_'))
          return minor < 25 ? 'numeric separators (Nakama 3.25)' : null;
        if (node.regex === undefined) return null;
        if (/[dv]/.test(node.regex.flags)) return `the regular expression flags ${node.regex.flags}`;
        if (minor < 25 && node.regex.flags.includes('s')) return 'the regular expression flag s (Nakama 3.25)';
        if (/\\p\{/i.test(node.regex.pattern)) return 'property escapes in regular expressions';
        if (minor < 36 && /\(\?<[A-Za-z_$]/.test(node.regex.pattern)) return 'named groups (Nakama 3.36)';
        return null;
      }
      default:
        return null;
    }
  };
}

function refuseUnknownSyntax(program: Program, filename: string, minor: number): void {
  const check = unknownSyntax(minor);
  const walk = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(walk);
    if (typeof value !== 'object' || value === null || !('type' in value)) return;
    const node = value as AnyNode;
    const found = check(node);
    if (found !== null)
      throw new Error(`SyntaxError: ${filename}:${node.loc!.start.line}: Goja does not know ${found}`);
    for (const child of Object.values(node)) if (typeof child === 'object') walk(child);
  };
  walk(program);
}

function moduleSyntax(program: Program): ModuleSyntax {
  const objects: Record<string, Property[]> = {};
  let body: AnyNode[] | null = null;
  let parameters: AnyNode[] = [];
  for (const node of program.body) {
    if (node.type === 'FunctionDeclaration' && node.id.name === 'InitModule') {
      body ??= node.body.body;
      parameters = node.params;
    }
    if (node.type !== 'VariableDeclaration' || node.kind !== 'var') continue;
    const first = node.declarations[0]!;
    if (first.id.type !== 'Identifier') continue;
    if (first.init?.type === 'ObjectExpression') objects[first.id.name] = properties(first.init);
    if (first.id.name === 'InitModule' && first.init?.type === 'FunctionExpression') {
      body = first.init.body.body;
      parameters = first.init.params;
    }
  }
  const none = { initializer: '', body: [], objects };
  if (body === null) return { ...none, error: 'failed to find InitModule function' };
  if (parameters.length < 4) return { ...none, error: 'InitModule function is missing params' };
  const fourth = parameters[3]!;
  if (fourth.type !== 'Identifier') return { ...none, error: "InitModule's fourth parameter is not a plain name" };
  return { initializer: fourth.name, body: body.flatMap(statement), objects };
}

function statement(node: AnyNode): Statement[] {
  if (node.type === 'TryStatement') return [{ kind: 'try', body: node.block.body.flatMap(statement) }];
  // Other statements, calls inside ifs and loops among them, are invisible to Nakama.
  if (node.type !== 'ExpressionStatement' || node.expression.type !== 'CallExpression') return [];
  const { arguments: args, callee } = node.expression;
  if (callee.type !== 'MemberExpression' || callee.computed || callee.optional) return [];
  const line = node.loc!.start.line;
  const method = (callee.property as { name?: string }).name ?? '';
  if (callee.object.type !== 'Identifier') return [{ kind: 'crash', text: `….${method}()`, line }];
  return [{ kind: 'call', object: callee.object.name, method, args: args.map((arg) => argument(arg)), line }];
}

function argument(node: Expression | AnyNode): Argument {
  if (node.type === 'Identifier') return { kind: 'identifier', name: node.name };
  if (node.type === 'Literal' && typeof node.value === 'string') return { kind: 'string', value: node.value };
  if (node.type === 'ObjectExpression') return { kind: 'object', properties: properties(node) };
  if (node.type === 'MemberExpression' && !node.computed)
    return { kind: 'member', property: (node.property as { name?: string }).name ?? '' };
  return { kind: 'other', syntax: node.type };
}

function properties(node: Extract<AnyNode, { type: 'ObjectExpression' }>): Property[] {
  return node.properties.map((property): Property => {
    if (property.type !== 'Property' || property.computed || property.method || property.kind !== 'init')
      return { kind: 'other', syntax: property.type };
    // Nakama compares the literal as it is written: a quoted key keeps its quotes and never matches.
    if (property.key.type !== 'Identifier') return { kind: 'other', syntax: 'a quoted key' };
    if (property.shorthand) return { kind: 'shorthand', name: property.key.name };
    return { kind: 'keyed', key: property.key.name, value: argument(property.value) };
  });
}
