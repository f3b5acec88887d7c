import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { expect, it } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { RPCS } from '../../src/rpc/table.ts';
import { callVectors } from './support/call-vectors.ts';
import { tokenVectors } from './support/token-vectors.ts';

const folder = `${projectRoot}/kits/vectors`;

it.each([
  ['tokens.json', tokenVectors()],
  ['calls.json', callVectors()],
])('%s, which every kit is tested with, says what the module does', async (name, vectors) => {
  const text = await format(JSON.stringify(vectors), { parser: 'json', printWidth: 120 });
  if (process.env['UPDATE_DOCS']) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(`${folder}/${name}`, text);
  }
  expect(readFileSync(`${folder}/${name}`, 'utf8'), 'run it again with UPDATE_DOCS=1').toBe(text);
});

it('the vectors of the kits have no name and no token twice', () => {
  const tokens = tokenVectors();
  const { requests, answers, repetitions } = callVectors();
  for (const group of [tokens, requests, answers, repetitions]) {
    const names = group.map(({ name }) => name);
    expect(names).toEqual([...new Set(names)]);
  }
  for (const { name, user_id, refused } of tokens) expect(user_id === '', name).toBe(refused !== '');
});

it('the requests of the kits are RPCs of game servers, with fields that the module knows', () => {
  for (const { name, request } of callVectors().requests) {
    if (!request) continue;
    const id = /\/v2\/rpc\/(\w+)\?unwrap=$/.exec(request.url)?.[1];
    const rpc = RPCS.find((one) => one.id === id);
    expect(rpc?.caller, name).toBe('game server');
    expect(rpc?.fields, name).toEqual(expect.arrayContaining(Object.keys(request.body as object)));
  }
});
