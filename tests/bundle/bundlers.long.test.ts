import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../dev/stack/until.ts';
import { forEachRuntime } from '../helpers/runtimes.ts';
import { useStack } from '../helpers/stack.ts';
import { endSessions, quietStack } from '../integration/support/world.ts';
import { CALM } from '../unit/support/gameye';
import { fakeNakama } from '../unit/support/nakama';
import { doc } from '../project/readme.ts';
import { BUILDS, buildAll } from './support/bundlers.ts';
import { ctx, initModule, playMatch } from './support/module.ts';
import { nakamaVm } from './support/vm.ts';

const USERS = ['5f1b5f5c-0f4e-4f6e-9a55-d1b2c3d4e5f6', '00000000-0000-4000-8000-000000000001'];

beforeAll(() => buildAll(), 240_000);

it('the page about the library says what to set for each bundler', () => {
  const rows = doc('library.md')
    .text.split('\n')
    .filter((line) => line.startsWith('| '));
  for (const { bundler } of BUILDS) expect(rows.some((row) => row.startsWith(`| ${bundler} `))).toBe(true);
});

describe.each(BUILDS)('a module built by $how', ({ configured, file }) => {
  it('serves its first match and its first RPC in frozen VMs', () => {
    const code = readFileSync(file, 'utf8');
    const registered = initModule(fakeNakama(), code);
    const fake = playMatch(registered, [CALM], USERS);
    const told = fake.sent().map(({ userId, code: kind }) => [userId, kind]);
    expect(new Map(told as [string, number][])).toEqual(new Map(USERS.map((userId) => [userId, 7300])));
    const made = fake.sent().map(({ content }) => (content as { made?: string }).made);
    expect(made).toEqual(USERS.map(() => (configured ? 'by the studio' : undefined)));
    const studio = nakamaVm(true, undefined, code).global(registered.rpcs.get('studio')!);
    expect(() => studio(ctx, fake.logger, fake.nk, '{"id":"nobody-has-this"}')).toThrow(
      expect.objectContaining({ code: 5 }),
    );
    expect(fake.log.filter(({ level }) => level === 'error')).toEqual([]);
  });
});

forEachRuntime((runtime) => {
  const stack = useStack(runtime, quietStack(['eu-central-1']));

  it.each(BUILDS)('a module built by $how starts, and so does a session', async (built) => {
    const node = await stack().startNode({ modulePath: built.file });
    const callback = built.configured ? { callback: 'noted' } : {};
    const created = await node.rpc('fleet_create', { max_players: 2, ...callback });
    expect(created).toMatchObject({ status: 200 });
    const { session_id: id } = created.payload as { session_id: string };
    const started = async () => {
      const { payload } = await node.rpc('studio', { id, other: 1 });
      const { noted, ...instance } = payload as { status: string; noted?: string };
      return instance.status === 'running' && (noted === 'success') === built.configured ? instance : undefined;
    };
    expect(await until(started, 20_000, 'a running session')).toMatchObject({ id, others: { other: 1 } });
    await endSessions(stack(), [id]);
    await node.stop();
  });
});
