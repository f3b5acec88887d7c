import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModule } from '../../dev/nakama/module-file.ts';
import { RegistrationSearch, Trap } from '../../dev/nakama/vm/registration-search.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'nakama-gameye-registrations-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function load(source: string, version = '3.40.0') {
  await writeFile(path.join(folder, 'index.js'), source);
  return loadModule(folder, '', version)!;
}

async function search(body: string, version = '3.40.0', before = ''): Promise<RegistrationSearch> {
  const source = `${before}\nfunction InitModule(ctx, logger, nk, init) {\n${body}\n}`;
  return new RegistrationSearch((await load(source, version)).syntax, version);
}

describe('the function of a registration', () => {
  it('is the identifier of a direct statement', async () => {
    const found = await search("init.registerRpc('a', rpcA); init.registerRpc('b', rpcB);");
    expect(found.named('registerRpc', 'b')).toBe('rpcB');
  });

  it('is found inside try', async () => {
    const found = await search("try { init.registerRpc('a', rpcA); } catch (e) {}");
    expect(found.named('registerRpc', 'a')).toBe('rpcA');
  });

  it('is found when the initializer has another name', async () => {
    const { syntax } = await load('var InitModule = function (a, b, c, zz) { zz.registerMatchmakerMatched(hook); };');
    expect(new RegistrationSearch(syntax, '3.40.0').hook('registerMatchmakerMatched')).toBe('hook');
  });

  it('may be a member of a namespace since 3.23, and is inlined before', async () => {
    const body = "init.registerRpc('a', lib.rpcA);";
    expect((await search(body)).named('registerRpc', 'a')).toBe('rpcA');
    const old = await search(body, '3.22.0');
    expect(() => old.named('registerRpc', 'a')).toThrow('javascript functions cannot be inlined');
  });

  it.each([
    ['a helper', 'registerAll(init);'],
    ['an if', "if (true) { init.registerRpc('a', rpcA); }"],
    ['a computed member', "init['registerRpc']('a', rpcA);"],
    ['a comma sequence', "init.registerRpc('a', rpcA), init.registerRpc('b', rpcB);"],
    ['void', "void init.registerRpc('a', rpcA);"],
  ])('is not found in %s', async (_what, body) => {
    const found = await search(body);
    expect(() => found.named('registerRpc', 'a')).toThrow('js a function key could not be extracted: not found');
  });

  it('must not be written in place', async () => {
    const found = await search("init.registerRpc('a', function () {});");
    expect(() => found.named('registerRpc', 'a')).toThrow(
      'function literal found: javascript functions cannot be inlined',
    );
  });

  it('is not found without an InitModule that is a function declaration or var', async () => {
    const { syntax } = await load("const InitModule = function (a, b, c, d) { d.registerRpc('a', rpcA); };");
    expect(() => new RegistrationSearch(syntax, '3.40.0').named('registerRpc', 'a')).toThrow(
      'failed to find InitModule function',
    );
  });
});

describe('the check of registrations', () => {
  it.each([
    ['a.b.c();', 'plain name'],
    ['foo().bar();', 'plain name'],
    ['[1].forEach(x);', 'plain name'],
    ['this.x();', 'plain name'],
  ])('refuses what crashes or mis-binds in Nakama, and names the rule: %s', async (statement, rule) => {
    const found = await search(`${statement} init.registerRpc('a', rpcA);`);
    expect(() => found.named('registerRpc', 'a')).toThrow(Trap);
    expect(() => found.named('registerRpc', 'a')).toThrow(rule);
  });

  it('accepts the same code after the registration', async () => {
    const found = await search("init.registerRpc('a', rpcA); a.b.c();");
    expect(found.named('registerRpc', 'a')).toBe('rpcA');
  });

  it.each(['`a`', 'Ids.a'])('refuses the id %s, which Nakama would not compare', async (id) => {
    const found = await search(`init.registerRpc(${id}, rpcA);`);
    expect(() => found.named('registerRpc', 'a')).toThrow('ids are string literals');
  });

  it('refuses the shorthand of registerMatch before 3.23', async () => {
    const body = "init.registerMatch('m', { matchInit });";
    expect((await search(body)).match('m', 'matchInit')).toBe('matchInit');
    const old = await search(body, '3.22.0');
    expect(() => old.match('m', 'matchInit')).toThrow('shorthand');
  });

  it('does not see quoted keys of registerMatch', async () => {
    const found = await search("init.registerMatch('m', { 'matchInit': mi });");
    expect(() => found.match('m', 'matchInit')).toThrow('not found');
  });

  it('takes handlers from a top-level var, and refuses a const', async () => {
    const body = "init.registerMatch('m', handlers);";
    expect((await search(body, '3.40.0', 'var handlers = { matchInit: mi };')).match('m', 'matchInit')).toBe('mi');
    const constant = await search(body, '3.40.0', 'const handlers = { matchInit: mi };');
    expect(() => constant.match('m', 'matchInit')).toThrow(Trap);
  });
});

describe('loading a module', () => {
  it.each([
    ['import', 'import x from "y";', '3.40.0'],
    ['import()', 'function f() { return import("x"); }', '3.40.0'],
    ['top-level await', 'await 1;', '3.40.0'],
    ['async generators', 'async function* f() {}', '3.40.0'],
    ['for await', 'async function f(x) { for await (const y of x); }', '3.40.0'],
    ['BigInt on 3.22', 'var x = 1n;', '3.22.0'],
    ['numeric separators on 3.22', 'var x = 1_000;', '3.22.0'],
    ['??= on 3.25', 'var x; function f() { x ??= 1; }', '3.25.0'],
    ['named groups on 3.35', 'var x = /(?<a>b)/;', '3.35.0'],
    ['property escapes', 'var x = /\\p{L}/u;', '3.35.0'],
    ['what strict mode forbids', 'var x = 010;', '3.40.0'],
    ['a source map beside the file', 'var x = 1;\n//# sourceMappingURL=index.js.map', '3.40.0'],
  ])('fails with %s', async (_what, source, version) => {
    await expect(load(source, version)).rejects.toThrow(/SyntaxError|sourceMappingURL/);
  });

  it('accepts what Goja knows', async () => {
    const source = 'class A { #p = 1; static { } get p() { return this.#p ?? 0; } }\nvar f = (x) => x?.y;';
    expect((await load(source, '3.22.0')).filename).toBe('index.js');
  });

  it('is no error when the default entry point is missing', () => {
    expect(loadModule(path.join(folder, 'nowhere'), '', '3.40.0')).toBeNull();
    expect(() => loadModule(folder, 'other.js', '3.40.0')).toThrow('Could not read JavaScript module');
  });
});
