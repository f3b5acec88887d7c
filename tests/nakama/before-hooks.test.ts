import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Nakama } from '../../dev/stack/nakama.ts';
import { describeRuntime, findNakama, type NakamaRuntime } from '../../dev/stack/runtimes.ts';
import { until } from '../../dev/stack/until.ts';
import { startNode, usePostgres } from './support.ts';

/*
 * What a hook before a realtime message sees and may return, on the embedded runtime and on real servers alike. With bare
 * sockets, because the client library hides answers that it cannot assign.
 */

usePostgres();

const MODULE = `
function before(ctx, logger, nk, envelope) {
  logger.info('SEEN ' + JSON.stringify(envelope));
  var add = envelope.matchmakerAdd || envelope.partyMatchmakerAdd;
  switch (add.stringProperties && add.stringProperties.answer) {
    case 'refuse': throw { message: 'not 100% like this', code: 9 };
    case 'fail': throw new Error('an error');
    case 'nothing': return;
    case 'no message': return {};
    case 'no cid': return { matchmakerAdd: add };
    case 'no object': return 5;
    case 'no number': return { cid: envelope.cid, matchmakerAdd: { minCount: 'many' } };
    case 'unknown field': return { cid: envelope.cid, matchmakerAdd: { minCount: 2, maxCount: 2, colour: 'red' } };
  }
  return envelope;
}
function InitModule(ctx, logger, nk, initializer) {
  initializer.registerRtBefore('MatchmakerAdd', before);
  initializer.registerRtBefore('PartyMatchmakerAdd', before);
}`;

type Message = Record<string, unknown>;

/** A socket of a new user. */
class Raw {
  readonly got: Message[] = [];
  closed = false;

  private constructor(private readonly socket: WebSocket) {
    socket.on('message', (data: Buffer) => this.got.push(JSON.parse(data.toString('utf8')) as Message));
    socket.on('close', () => (this.closed = true));
  }

  static async open(node: Nakama): Promise<Raw> {
    const authorization = `Basic ${Buffer.from(`${node.serverKey}:`).toString('base64')}`;
    const url = `${node.url}/v2/account/authenticate/custom?create=true`;
    const body = JSON.stringify({ id: randomUUID() });
    const answer = await fetch(url, { method: 'POST', headers: { authorization }, body });
    const { token } = (await answer.json()) as { token: string };
    const socket = new WebSocket(`${node.url.replace('http', 'ws')}/ws?token=${token}`);
    const raw = new Raw(socket);
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    return raw;
  }

  send(message: Message): void {
    this.socket.send(JSON.stringify(message));
  }

  /** The first thing that comes back: a message, or that the connection is closed. */
  async ask(message: Message): Promise<Message | 'closed'> {
    const before = this.got.length;
    this.send(message);
    await until(() => this.closed || this.got.length > before, 5_000, `an answer to ${JSON.stringify(message)}`);
    return this.got[before] ?? 'closed';
  }

  close(): void {
    this.socket.terminate();
  }
}

const add = (answer: string): Message => ({
  cid: '7',
  matchmaker_add: { min_count: 2, max_count: 2, query: '+properties.nobody:else', string_properties: { answer } },
});
const ticket = { ticket: expect.any(String) as string };
const unreadable = { error: { code: 7, message: 'Could not complete runtime Before function.' } };

const onRuntime = (runtime: NakamaRuntime): void => {
  let node: Nakama;
  beforeAll(async () => {
    node = await startNode({ runtime, source: MODULE });
  }, 60_000);
  const sockets: Raw[] = [];
  const open = async (): Promise<Raw> => {
    const raw = await Raw.open(node);
    sockets.push(raw);
    return raw;
  };
  afterAll(() => sockets.forEach((raw) => raw.close()));
  /** The last envelope that the hook saw. */
  const seen = async (): Promise<Message> => {
    const entry = await until(() => node.logs.filter(({ msg }) => msg.startsWith('SEEN ')).at(-1), 5_000, 'the hook');
    return JSON.parse(entry.msg.slice('SEEN '.length)) as Message;
  };

  it('tells the player what it throws as {message, code}, with its own code, and nothing of the stack', async () => {
    const player = await open();
    const refused = { cid: '7', error: { code: 7, message: 'not 100% like this' } };
    expect(await player.ask(add('refuse'))).toEqual(refused);
    // The connection goes on.
    expect(await player.ask(add(''))).toEqual({ cid: '7', matchmaker_ticket: ticket });
  });
  it('tells the player of an error with its place in the module', async () => {
    const answer = (await (await open()).ask(add('fail'))) as { error: { code: number; message: string } };
    expect(answer.error.code).toBe(7);
    expect(answer.error.message).toMatch(/^Error: an error at before \(index\.js:\d+:/);
  });
  it('disables the message by returning nothing', async () => {
    const answer = await (await open()).ask(add('nothing'));
    if (answer !== 'closed') expect(answer).toMatchObject({ error: { code: 1 } });
  });
  it('loses the cid that it does not return, and with it the client that waits', async () => {
    expect(await (await open()).ask(add('no cid'))).toEqual({ matchmaker_ticket: ticket });
  });
  it.each([
    ['no object', unreadable],
    ['no number', { cid: '7', ...unreadable }],
    ['unknown field', { cid: '7', ...unreadable }],
  ])('fails when it returns %s', async (answer, error) => {
    expect(await (await open()).ask(add(answer))).toEqual(error);
  });
  it('breaks the server’s side of the connection when it returns an envelope without a message', async () => {
    const player = await open();
    player.send(add('no message'));
    await node.waitForLog(({ msg }) => /panics here|panic serving/.test(msg), 5_000);
    expect(player.got).toEqual([]);
  });
  it('sees the message in camel case, the players’ own names as they are, and infinity as text', async () => {
    const properties = { 'ping_eu-1': 12.5, Whole: 3, far: 'Infinity' };
    const asked = { query: '+properties.Some_key:x', count_multiple: 2, string_properties: { Some_key: 'x' } };
    const message = { ...asked, min_count: 2, max_count: 4, numeric_properties: properties };
    expect(await (await open()).ask({ cid: '8', matchmaker_add: message })).toMatchObject({ cid: '8' });
    expect(await seen()).toEqual({
      cid: '8',
      matchmakerAdd: {
        query: '+properties.Some_key:x',
        minCount: 2,
        maxCount: 4,
        countMultiple: 2,
        stringProperties: { Some_key: 'x' },
        numericProperties: { 'ping_eu-1': 12.5, Whole: 3, far: 'Infinity' },
      },
    });
  });
  it('sees what was left out as empty in later versions, and not at all in 3.22', async () => {
    expect(await (await open()).ask({ cid: '9', matchmaker_add: { min_count: 2, max_count: 2 } })).toMatchObject({
      cid: '9',
    });
    const empty = { query: '', countMultiple: null, stringProperties: {}, numericProperties: {} };
    const more = node.version.startsWith('3.22.') ? {} : empty;
    expect(await seen()).toEqual({ cid: '9', matchmakerAdd: { minCount: 2, maxCount: 2, ...more } });
  });
  it('sees a party’s ticket under its own name', async () => {
    const leader = await open();
    const created = (await leader.ask({ cid: '1', party_create: { open: true, max_size: 2 } })) as {
      party: { party_id: string };
    };
    const { party_id } = created.party;
    const ask = { party_id, min_count: 2, max_count: 2, query: '*', string_properties: { answer: 'refuse' } };
    const refused = { cid: '2', error: { code: 7, message: 'not 100% like this' } };
    expect(await leader.ask({ cid: '2', party_matchmaker_add: ask })).toEqual(refused);
    expect(await seen()).toMatchObject({
      partyMatchmakerAdd: { partyId: party_id, stringProperties: { answer: 'refuse' } },
    });
  });
};

const embedded: NakamaRuntime[] = ['3.22.0', '3.40.0'].map((version) => ({ kind: 'embedded', version }));
const real: NakamaRuntime[] = findNakama().map(({ binary }) => ({ kind: 'real', binary }));
for (const runtime of [...embedded, ...real]) {
  describe(`on ${describeRuntime(runtime)}, a hook before a message`, () => onRuntime(runtime));
}
