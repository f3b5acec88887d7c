import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { RPC_PAGE, withGenerated, writeGenerated } from './readme-generated.ts';

const source = readFileSync(`${projectRoot}/src/index.ts`, 'utf8');

it('the reference of RPCs says what the table of RPCs says', () => {
  if (process.env['UPDATE_DOCS']) writeGenerated();
  const page = readFileSync(RPC_PAGE, 'utf8');
  expect(page, 'run it again with UPDATE_DOCS=1').toBe(withGenerated(page));
});

it('the reference has every RPC that the module registers, once', () => {
  const registered = [...source.matchAll(/registerRpc\('(\w+)'/g)].map(([, id = '']) => id);
  const described = [...readFileSync(RPC_PAGE, 'utf8').matchAll(/^- \*\*`(\w+)`\*\*/gm)].map(([, id = '']) => id);
  expect(registered.length).toBeGreaterThan(20);
  expect(described.sort()).toEqual(registered.sort());
});
