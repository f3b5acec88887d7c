import { newInstance, type Instance } from '../../../src/instances/instance';
import type { Call } from '../../../src/nakama/caller';
import { configWith, SEAT_SECRET } from './config';
import type { answer } from './gameye';
import { INSTANCES } from './life';
import { context, type FakeNakama, type HttpRequest } from './nakama';

const config = configWith({ GAMEYE_SEAT_SECRET: SEAT_SECRET, GAMEYE_NAKAMA_URL: 'http://nakama:7350' });

/** What Gameye answers, by method; anything else fails the test. */
export interface Replies {
  [method: string]: () => ReturnType<typeof answer>;
}

/** A call of the fleet manager on this server. */
export function callOn(fake: FakeNakama): Call {
  return { ctx: context(), logger: fake.logger, nk: fake.nk, config };
}

/** Gameye, as it answers at the moment of the request. */
export function answering(replies: () => Replies) {
  return ({ method, url }: HttpRequest) => {
    const reply = replies()[method];
    if (!reply) throw new Error(`nobody expected ${method} ${url}`);
    return reply();
  };
}

/** Stores the instance `s1`, where `u1` plays and one seat is free. */
export function putInstance(fake: FakeNakama, more: Partial<Instance> = {}): void {
  const session = { id: 's1', region: 'eu', maxPlayers: 2, metadata: { map: 'dust' }, startedAtMs: 0 };
  const made = newInstance(
    config,
    session,
    { host: '1.2.3.4', ports: { '7777/udp': 1 } },
    { u1: { state: 'joined' } },
  )!;
  fake.put(INSTANCES, 's1', { ...made, ...more });
}

/** The stored instance `s1`. */
export const instanceOf = (fake: FakeNakama) => fake.stored(INSTANCES, 's1') as Instance | undefined;
