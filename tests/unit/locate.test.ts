import { expect, it } from 'vitest';
import { newAllocation } from '../../src/allocation/allocation';
import { instanceOf } from '../../src/allocation/launch';
import { locateInstance } from '../../src/allocation/locate';
import { afterStart } from '../../src/allocation/transitions';
import type { Call } from '../../src/nakama/caller';
import { configWith } from './support/config';
import { ALLOCATIONS, INSTANCES } from './support/life';
import { context, fakeNakama } from './support/nakama';

const config = configWith();
const request = { user_ids: ['u1'], max_players: 2, latencies: [], metadata: {} };
const where = { host: '1.2.3.4', ports: { '7777/udp': 20001 } };

it('a session is found at the very moment at which its record takes the place of its allocation', () => {
  const fake = fakeNakama();
  const call: Call = { ctx: context(), logger: fake.logger, nk: fake.nk, config };
  const allocation = afterStart(
    newAllocation('s1', request, ['eu'], 'm1', 60_000, Date.now()),
    where,
    false,
    Date.now(),
  );
  fake.put(ALLOCATIONS, 's1', allocation);
  let isRecorded = false;
  fake.before = (event) => {
    if (isRecorded || event.kind !== 'read' || !event.keys[0]?.startsWith(ALLOCATIONS)) return;
    isRecorded = true;
    fake.put(INSTANCES, 's1', instanceOf(config, allocation, Date.now())!);
    const { version } = fake.nk.storageRead([{ collection: ALLOCATIONS, key: 's1', userId: SYSTEM }])[0]!;
    fake.nk.storageDelete([{ collection: ALLOCATIONS, key: 's1', userId: SYSTEM, version }]);
  };
  expect(locateInstance(call, 's1')).toMatchObject({ id: 's1', status: 'running' });
  expect(isRecorded).toBe(true);
  expect(locateInstance(call, 'unknown')).toBeUndefined();
});

const SYSTEM = '00000000-0000-0000-0000-000000000000';
