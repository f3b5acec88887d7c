import { vi } from 'vitest';
import { changeOrders } from '../../../src/allocation/orders';
import type { Call } from '../../../src/nakama/caller';
import type { AllocationRequest } from '../../../src/records';
import { configWith } from './config';
import { context, fakeNakama, type FakeNakama } from './nakama';

export const config = configWith({ GAMEYE_API_IMAGE_VERSION: '1.0' });
export const request: AllocationRequest = { user_ids: [], max_players: 2, latencies: [], metadata: {} };

/** An operator's call on this server. */
export function callOn(fake: FakeNakama): Call {
  return { ctx: context(), logger: fake.logger, nk: fake.nk, config };
}

/** A new server, and an operator's call on it, while it is `now`; who uses it restores all mocks afterwards. */
export function serverAt(now: () => number): { fake: FakeNakama; call: Call } {
  vi.spyOn(Date, 'now').mockImplementation(now);
  const fake = fakeNakama();
  return { fake, call: callOn(fake) };
}

/** Who changes what operators order. */
export const NOTED = { fleet: config.fleet, change: 'test', node: 'n2', client_ip: '', meant: {} };

/** Stores the version that an operator set for an image, on another node. */
export function storeVersion(fake: FakeNakama, version: string, image = 'my-game'): void {
  const order = { image, version, set_at: '2026-01-01T00:00:00.000Z' };
  changeOrders(fakeNakama(fake).nk, config, NOTED, (orders) => ({ ...orders, versions: { '': order } }));
}
