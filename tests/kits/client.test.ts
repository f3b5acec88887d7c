import path from 'node:path';
import type { Client, Session, Socket } from '@heroiclabs/nakama-js';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { projectRoot } from '../../dev/stack/paths.ts';
import { GameyeClient, type GameyeOptions, type Outcome, type Search } from '../../kits/client/gameye-client.ts';

type Json = Record<string, unknown>;

const OLD = { state: 'ready', host: '10.0.0.1', port: 1111, session_id: 'old', seat_token: 'v1.old' };
const NEW = { state: 'ready', host: '10.0.0.2', port: 2222, session_id: 'new', seat_token: 'v1.new' };
const NONE = { state: 'none' };
const STARTING = { state: 'starting', session_id: 'new' };
const refusal = (status: number, message = ''): unknown => ({ status, json: async () => ({ message }) });

/** A Nakama in which a player stands where a test says. */
class Fake {
  standing: Json | unknown = NONE;
  readonly calls: string[] = [];
  readonly rpcs: Record<string, () => unknown> = {
    gameye_assignment: () => this.standing,
    gameye_cancel: () => ({ cancelled: false }),
  };
  tickets = 0;
  numbers: unknown;
  addTicket: () => Promise<{ ticket: string }> = async () => ({ ticket: `t${++this.tickets}` });
  readonly socket = {
    onnotification: () => {},
    onmatchmakermatched: () => {},
    ondisconnect: () => {},
    connect: async () => void this.calls.push('connect'),
    disconnect: () => this.socket.ondisconnect(),
    addMatchmaker: (_query: string, _min: number, _max: number, _strings: unknown, numbers: unknown) => {
      this.calls.push('add');
      this.numbers = numbers;
      return this.addTicket();
    },
    removeMatchmaker: async (ticket: string) => void this.calls.push(`remove ${ticket}`),
  };
  readonly client = {
    rpc: async (_session: Session, id: string) => {
      this.calls.push(id);
      const payload = this.rpcs[id]?.() as Json;
      if (payload === undefined || payload instanceof Error || typeof payload['status'] === 'number')
        return Promise.reject(payload);
      return { payload };
    },
  };

  gameye(more: Partial<GameyeOptions> = {}): GameyeClient {
    const { client, socket } = this as unknown as { client: Client; socket: Socket };
    return new GameyeClient({ client, socket, session: {} as Session, ...more });
  }

  notify(code: number, content: Json): void {
    (this.socket as unknown as Socket).onnotification({ code, content });
  }
  match(ticket = `t${this.tickets}`): void {
    (this.socket as unknown as Socket).onmatchmakermatched({ ticket } as never);
  }
  times(call: string): number {
    return this.calls.filter((one) => one === call).length;
  }
}

let fake: Fake;
beforeEach(() => {
  vi.useFakeTimers();
  fake = new Fake();
});
afterEach(() => void vi.useRealTimers());

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms);
/** What came of it after so many milliseconds; undefined: nothing yet. */
async function after(ms: number, search: Search): Promise<Outcome | undefined> {
  let outcome: Outcome | undefined;
  void search.result.then((result) => (outcome = result));
  await pass(ms);
  return outcome;
}
const duel = { minCount: 2, maxCount: 2 };
const newMatch = { kind: 'match', match: { host: '10.0.0.2', port: 2222, session_id: 'new', seat_token: 'v1.new' } };

/** A search whose ticket is in the queue. */
async function queued(more: Partial<GameyeOptions> = {}): Promise<Search> {
  const search = fake.gameye(more).queue(duel);
  await pass(0);
  expect(fake.tickets).toBe(1);
  return search;
}

describe('a player who queues', () => {
  it('gets the address at once when the notification comes, with what the records say', async () => {
    const search = await queued();
    fake.match();
    fake.standing = NEW;
    fake.notify(7300, { ...NEW, seat_token: 'v1.older' });
    expect(await after(0, search)).toEqual(newMatch);
  });

  it('gets the address without any notification', async () => {
    const search = await queued();
    fake.match();
    fake.standing = STARTING;
    expect(await after(5_000, search)).toBeUndefined();
    fake.standing = NEW;
    expect(await after(6_000, search)).toEqual(newMatch);
    fake.notify(7300, NEW);
  });

  it('gets the address without the notification and without the message that the group is complete', async () => {
    const search = await queued();
    fake.standing = NEW;
    expect(await after(12_000, search)).toEqual(newMatch);
  });

  it('hears "timeout" when a matched group gets no answer, and is out of it', async () => {
    const search = await queued({ answerMs: 20_000 });
    fake.match();
    fake.standing = STARTING;
    fake.rpcs['gameye_cancel'] = () => ({ cancelled: true });
    expect(await after(19_000, search)).toBeUndefined();
    expect(await after(2_000, search)).toEqual({ kind: 'failed', reason: 'timeout' });
    expect(fake.times('gameye_cancel')).toBe(1);
  });

  it('hears "no_match" when nobody else comes, and has no ticket left', async () => {
    const search = await queued({ queueMs: 60_000 });
    expect(await after(61_000, search)).toEqual({ kind: 'failed', reason: 'no_match' });
    expect(fake.calls).toContain('remove t1');
  });

  it('gets the match that came in the moment of giving up', async () => {
    const search = await queued({ queueMs: 9_000 });
    fake.rpcs['gameye_cancel'] = () => {
      fake.standing = NEW;
      return refusal(400, 'The session has started already.');
    };
    expect(await after(9_500, search)).toEqual(newMatch);
  });

  it('is not sent to the old match, in which they still have a seat', async () => {
    fake.standing = OLD;
    const search = await queued();
    fake.notify(7300, OLD);
    fake.match();
    fake.notify(7300, OLD);
    fake.standing = STARTING;
    expect(await after(8_000, search)).toBeUndefined();
    fake.standing = NEW;
    expect(await after(6_000, search)).toEqual(newMatch);
  });

  it('is not sent to a still older match by a late notification with another session', async () => {
    fake.standing = OLD;
    const search = await queued();
    fake.notify(7300, { ...OLD, session_id: 'older' });
    fake.match();
    fake.notify(7300, { ...OLD, session_id: 'older' });
    expect(await after(3_000, search)).toBeUndefined();
    fake.standing = NEW;
    expect(await after(6_000, search)).toEqual(newMatch);
  });

  it('is not sent to an old match by the stored notification, because the list is never read', async () => {
    const search = await queued();
    expect(await after(100_000, search)).toBeUndefined();
    expect(new Set(fake.calls)).toEqual(new Set(['gameye_assignment', 'add']));
  });

  it('gets a new seat in the session that they were in', async () => {
    fake.standing = OLD;
    const search = await queued();
    fake.match();
    fake.notify(7300, OLD);
    expect(await after(1_000, search)).toMatchObject({ kind: 'match', match: { session_id: 'old' } });
  });

  it('gets the match that follows a late failure of an earlier one', async () => {
    fake.standing = { state: 'failed', reason: 'timeout' };
    const search = await queued();
    fake.notify(7301, { reason: 'timeout' });
    fake.match();
    fake.notify(7301, { reason: 'timeout' });
    await pass(1_000);
    fake.standing = STARTING;
    expect(await after(4_000, search)).toBeUndefined();
    fake.standing = NEW;
    fake.notify(7300, NEW);
    expect(await after(0, search)).toEqual(newMatch);
  });

  it('hears why there is no server, also for the same reason as the last time', async () => {
    fake.standing = { state: 'failed', reason: 'no_capacity' };
    const search = await queued();
    fake.match();
    fake.standing = STARTING;
    await pass(2_000);
    fake.standing = { state: 'failed', reason: 'no_capacity' };
    expect(await after(6_000, search)).toEqual({ kind: 'failed', reason: 'no_capacity' });
  });

  it('hears of a refusal that only a notification tells', async () => {
    const search = await queued();
    fake.match();
    fake.notify(7301, { reason: 'quota_exceeded' });
    expect(await after(6_000, search)).toEqual({ kind: 'failed', reason: 'quota_exceeded' });
  });

  it('does not wait long for a group that nobody knows of', async () => {
    const search = await queued();
    fake.match();
    expect(await after(14_000, search)).toBeUndefined();
    expect(await after(8_000, search)).toEqual({ kind: 'failed', reason: 'error' });
  });

  it('gives up a start that was on its way before', async () => {
    fake.standing = { state: 'starting', session_id: 'older' };
    fake.rpcs['gameye_cancel'] = () => {
      fake.standing = { state: 'failed', reason: 'error' };
      return { cancelled: true };
    };
    const search = fake.gameye().queue(duel);
    await pass(2_000);
    expect(fake.calls.slice(0, 4)).toEqual(['gameye_assignment', 'gameye_cancel', 'gameye_assignment', 'add']);
    fake.match();
    fake.standing = NEW;
    expect(await after(2_000, search)).toEqual(newMatch);
  });

  it('hears the sentence with which Nakama refuses the ticket', async () => {
    fake.addTicket = async () => Promise.reject({ code: 3, message: 'Invalid query.' });
    const outcome = { kind: 'failed', reason: 'refused', message: 'Invalid query.' };
    expect(await after(0, fake.gameye().queue(duel))).toEqual(outcome);
  });

  it('takes the measurements along, and queues without them when they fail or take too long', async () => {
    const ping = async (targets: { property: string }[]) => ({ [targets[0]?.property ?? '']: 12 });
    fake.rpcs['gameye_ping_targets'] = () => ({ targets: [{ region: 'x', host: 'x', property: 'ping_x' }] });
    fake.gameye({ ping }).queue({ ...duel, numbers: { skill: 5 } });
    await pass(0);
    expect(fake.numbers).toEqual({ ping_x: 12, skill: 5 });
    fake.gameye({ ping: () => new Promise(() => {}) }).queue(duel);
    await pass(5_000);
    expect(fake.numbers).toEqual({});
    fake.rpcs['gameye_ping_targets'] = () => refusal(400);
    fake.gameye({ ping }).queue(duel);
    await pass(0);
    expect([fake.tickets, fake.numbers]).toEqual([3, {}]);
    fake.rpcs['gameye_ping_targets'] = () => refusal(503);
    fake.gameye({ ping }).queue(duel);
    await pass(1_000);
    fake.rpcs['gameye_ping_targets'] = () => ({ targets: [{ region: 'x', host: 'x', property: 'ping_x' }] });
    await pass(1_000);
    expect([fake.tickets, fake.numbers]).toEqual([4, { ping_x: 12 }]);
  });
});

describe('a socket that breaks', () => {
  it('while nobody is matched: connects and queues again, once', async () => {
    const search = await queued();
    fake.socket.disconnect();
    await pass(1_000);
    expect(fake.tickets).toBe(1);
    await pass(4_000);
    expect([fake.times('connect'), fake.tickets]).toEqual([1, 2]);
    await pass(60_000);
    expect(fake.tickets).toBe(2);
    fake.match();
    fake.standing = NEW;
    expect(await after(2_000, search)).toEqual(newMatch);
  });

  it('in the moment of the match: gets it, and does not queue again', async () => {
    const search = await queued();
    fake.socket.disconnect();
    await pass(1_000);
    fake.standing = STARTING;
    await pass(8_000);
    fake.standing = NEW;
    expect(await after(6_000, search)).toEqual(newMatch);
    expect(fake.tickets).toBe(1);
  });

  it('and does not come back for a while: goes on trying, not in a hurry', async () => {
    const search = await queued();
    let tries = 0;
    fake.socket.connect = async () => {
      tries++;
      throw new Error('no network');
    };
    fake.rpcs['gameye_assignment'] = () => new TypeError('fetch failed');
    fake.socket.disconnect();
    await pass(60_000);
    expect(tries).toBeGreaterThan(4);
    expect(tries).toBeLessThan(20);
    fake.rpcs['gameye_assignment'] = () => NEW;
    expect(await after(15_000, search)).toEqual(newMatch);
  });

  it('takes a ticket with it whose answer was lost', async () => {
    const add = fake.addTicket;
    fake.addTicket = async () => Promise.reject('The socket timed out while waiting for a response.');
    const search = fake.gameye().queue(duel);
    let dropped = 0;
    fake.socket.disconnect = () => void dropped++;
    await pass(0);
    expect(dropped).toBe(1);
    fake.addTicket = add;
    await pass(6_000);
    expect([fake.tickets, fake.times('connect')]).toEqual([1, 1]);
    fake.match('another');
    expect(await after(20_000, search)).toBeUndefined();
    fake.match();
    fake.standing = NEW;
    expect(await after(2_000, search)).toEqual(newMatch);
  });
});

describe('records that cannot be read', () => {
  it('leave the notification to count after some seconds, but not one of the old session', async () => {
    fake.standing = OLD;
    const search = await queued();
    fake.match();
    fake.rpcs['gameye_assignment'] = () => refusal(503);
    fake.notify(7300, OLD);
    expect(await after(12_000, search)).toBeUndefined();
    const { state: _state, ...content } = NEW;
    fake.notify(7300, content);
    expect(await after(0, search)).toEqual(newMatch);
  });

  it('do not let a player wait for ever', async () => {
    fake.rpcs['gameye_assignment'] = () => new TypeError('fetch failed');
    const search = fake.gameye({ queueMs: 30_000 }).queue(duel);
    expect(await after(31_000, search)).toEqual({ kind: 'failed', reason: 'unavailable' });
    expect(fake.tickets).toBe(0);
  });

  it('because the player is signed out, or there is no module, are an answer', async () => {
    fake.rpcs['gameye_assignment'] = () => refusal(401);
    expect(await after(0, fake.gameye().queue(duel))).toEqual({ kind: 'failed', reason: 'signed_out' });
    fake.rpcs['gameye_assignment'] = () => refusal(404, 'RPC function not found');
    expect(await after(0, fake.gameye().queue(duel))).toMatchObject({ kind: 'failed', reason: 'misconfigured' });
  });
});

describe('a player who cancels', () => {
  it('has no ticket left', async () => {
    const search = await queued();
    await Promise.all([search.cancel(), pass(0)]);
    expect(await search.result).toEqual({ kind: 'cancelled' });
    expect(fake.calls).toContain('remove t1');
  });

  it('is out of a start that is stored only a moment later', async () => {
    const search = await queued();
    fake.match();
    let asked = 0;
    fake.rpcs['gameye_cancel'] = () => ({ cancelled: ++asked === 2 });
    await Promise.all([search.cancel(), pass(3_000)]);
    expect(await search.result).toEqual({ kind: 'cancelled' });
    expect(asked).toBe(2);
  });

  it('leaves the session that has started already, and keeps a seat from before', async () => {
    fake.rpcs['gameye_cancel'] = () => refusal(400, 'The session has started already.');
    fake.rpcs['gameye_leave'] = () => ({ left: true });
    const search = await queued();
    fake.match();
    fake.standing = NEW;
    await Promise.all([search.cancel(), pass(4_000)]);
    expect(fake.times('gameye_leave')).toBe(1);

    fake.standing = OLD;
    const another = fake.gameye().queue(duel);
    await pass(0);
    await Promise.all([another.cancel(), pass(4_000)]);
    expect(await another.result).toEqual({ kind: 'cancelled' });
    expect(fake.times('gameye_leave')).toBe(1);
  });

  it('before anything was asked touches nothing', async () => {
    fake.standing = OLD;
    const search = fake.gameye().queue(duel);
    await Promise.all([search.cancel(), pass(0)]);
    expect(await search.result).toEqual({ kind: 'cancelled' });
    expect(fake.calls).toEqual(['gameye_assignment']);
  });
});

describe('a player with the client helper', () => {
  it('follows the leader of the party', async () => {
    fake.standing = OLD;
    const search = fake.gameye().follow();
    await pass(0);
    fake.match('of the party');
    fake.standing = NEW;
    fake.notify(7300, NEW);
    expect(await after(0, search)).toEqual(newMatch);
    expect(fake.times('add')).toBe(0);
  });

  it('gets a session alone', async () => {
    fake.rpcs['gameye_solo_match'] = () => ({ status: 'starting' });
    const search = fake.gameye().solo();
    await pass(0);
    fake.standing = NEW;
    expect(await after(2_000, search)).toEqual(newMatch);
    expect(fake.times('gameye_solo_match')).toBe(1);
  });

  it('hears why a session alone is refused', async () => {
    fake.rpcs['gameye_solo_match'] = () => refusal(429, 'Too many sessions in a short time. Try again in a minute.');
    const outcome = await after(0, fake.gameye().solo());
    expect(outcome).toMatchObject({ kind: 'failed', reason: 'refused', message: expect.stringContaining('Too many') });
  });

  it('comes back to the session, to a start that is on its way, or to nothing', async () => {
    fake.standing = OLD;
    expect(await after(0, fake.gameye().comeBack())).toMatchObject({ match: { session_id: 'old' } });
    fake.standing = NONE;
    expect(await after(0, fake.gameye().comeBack())).toEqual({ kind: 'failed', reason: 'no_match' });
    fake.standing = STARTING;
    const search = fake.gameye().comeBack();
    expect(await after(3_000, search)).toBeUndefined();
    fake.standing = NEW;
    expect(await after(6_000, search)).toEqual(newMatch);
  });

  it('does one thing at a time, and may go on afterwards', async () => {
    const gameye = fake.gameye();
    const search = gameye.queue(duel);
    expect(() => gameye.comeBack()).toThrow('on its way');
    await Promise.all([search.cancel(), pass(0)]);
    expect(await after(0, gameye.comeBack())).toEqual({ kind: 'failed', reason: 'no_match' });
  });

  it('leaves the own handlers of the game in place', async () => {
    const heard: unknown[] = [];
    fake.socket.onnotification = ((one: unknown) => heard.push(one)) as never;
    fake.gameye();
    fake.notify(1, { text: 'hello' });
    expect(heard).toEqual([{ code: 1, content: { text: 'hello' } }]);
  });
});

it('the client helper is a file that a browser project can compile, without the types of Node', () => {
  const folder = path.join(projectRoot, 'kits/client');
  const { config } = ts.readConfigFile(path.join(folder, 'tsconfig.json'), ts.sys.readFile) as { config: unknown };
  const { fileNames, options } = ts.parseJsonConfigFileContent(config, ts.sys, folder);
  const complaints = ts.getPreEmitDiagnostics(ts.createProgram(fileNames, options));
  expect(complaints.map(({ messageText }) => messageText)).toEqual([]);
});
