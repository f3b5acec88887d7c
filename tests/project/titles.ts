import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript';
import { projectRoot } from '../../dev/stack/paths.ts';

/** A test as a page names it: `file`: "title", or a distinctive part of the title. */
export interface NamedTest {
  file: string;
  title: string;
}

/** The tests that a text of a page names. */
export function testsNamedIn(cell: string): NamedTest[] {
  return [...cell.matchAll(/`(tests\/[\w/-]+\.test\.ts)`: "([^"]+)"/g)].map(([, file = '', title = '']) => ({
    file,
    title,
  }));
}

/** How pages name tests. */
export function named(tests: NamedTest[]): string {
  return tests.map(({ file, title }) => `\`${file}\`: "${title}"`).join(', ');
}

/** True when the file exists and one of its tests is called so. */
export function exists({ file, title }: NamedTest): boolean {
  return existsSync(`${projectRoot}/${file}`) && titlesIn(file).some((one) => one.includes(title));
}

/** What the tests of a file are called: the first arguments of `it` and `describe`, and the names in tables of cases. */
function titlesIn(file: string): string[] {
  const source = ts.createSourceFile(
    file,
    readFileSync(`${projectRoot}/${file}`, 'utf8'),
    ts.ScriptTarget.Latest,
    true,
  );
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    const isTest = ts.isCallExpression(node) && /^(it|describe)\b(?!.*\.(skip|todo))/s.test(node.expression.getText());
    const first = isTest ? node.arguments[0] : ts.isArrayLiteralExpression(node) ? node.elements[0] : undefined;
    if (first && ts.isStringLiteralLike(first)) titles.push(first.text);
    if (first && ts.isTemplateExpression(first)) titles.push(first.head.text);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}
