import { expect, it } from 'vitest';
import { nodesOf, program, type Tree } from './support/bundle.ts';

const named = (node: Tree): string => String((node['property'] as { [field: string]: unknown })['name'] ?? '');

// Any player may write objects there, of any collection and with any content.
it('the built file reads and writes nothing in the storage engine, so that nothing a player stores there has an effect', () => {
  const members = [...nodesOf(program.body)].filter((node) => node.type === 'MemberExpression').map(named);
  expect(members).toContain('sqlQuery');
  expect(members.filter((name) => /storage|multiUpdate/i.test(name))).toEqual([]);
});
