import type { Call } from '../../../src/nakama/caller';
import { configWith, SEAT_SECRET } from './config';
import type { answer } from './gameye';
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
