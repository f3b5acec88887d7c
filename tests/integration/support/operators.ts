import { expect } from 'vitest';
import type { Nakama } from '../../../dev/stack/nakama.ts';
import type { Stack } from '../../../dev/stack/stack.ts';
import { until } from '../../../dev/stack/until.ts';
import type { Status } from '../../../src/operations/status.ts';
import { instanceRows } from './world.ts';

/** The payload of an RPC that succeeds. */
export async function ask<T>(nakama: Nakama, rpc: string, payload: object = {}): Promise<T> {
  const answer = await nakama.rpc(rpc, payload);
  expect(answer, `${rpc} ${JSON.stringify(payload)}`).toMatchObject({ status: 200 });
  return answer.payload as T;
}

/** What an operator sees of the fleet. */
export const status = (nakama: Nakama): Promise<Status> => ask<Status>(nakama, 'gameye_status');

/** Starts sessions in a region and waits until they are stored. */
export async function startSessions(
  stack: Stack,
  region: string,
  count: number,
  nakama = stack.nakama,
): Promise<string[]> {
  const ids: string[] = [];
  for (let i = 0; i < count; i++) {
    const { session_id } = await ask<{ session_id: string }>(nakama, 'fleet_create', {
      max_players: 4,
      regions: [region],
    });
    ids.push(session_id);
  }
  const stored = async (): Promise<boolean> => (await instanceRows(stack, ids)).length === count;
  await until(stored, 10_000, `${count} sessions in ${region}`, 100);
  return ids;
}
