import { expect, it } from 'vitest';
import { isQuestion, Messages, texts, type Message } from '../../dev/chaos/wire.ts';

/** A message of Postgres's protocol; without a type as a client's first one is. */
function message(type: string, body: string | Buffer): Buffer {
  const content = Buffer.from(body);
  const length = Buffer.alloc(4);
  length.writeInt32BE(content.length + 4);
  return Buffer.concat([Buffer.from(type, 'latin1'), length, content]);
}

const shown = ({ type, body }: Message): [string, string] => [type, body.toString()];

it('the reader of Postgres’s protocol finds messages in bytes, however they are cut into pieces', () => {
  const bytes = Buffer.concat([message('', 'startup'), message('P', 'name\0SELECT 1\0\0\0'), message('S', '')]);
  const expected = [
    ['', 'startup'],
    ['P', 'name\0SELECT 1\0\0\0'],
    ['S', ''],
  ];
  for (const size of [1, 3, 7, bytes.length]) {
    const messages = new Messages(true);
    const found: Message[] = [];
    for (let at = 0; at < bytes.length; at += size) found.push(...messages.push(bytes.subarray(at, at + size)));
    expect(found.map(shown), `pieces of ${size}`).toEqual(expected);
  }
});

it('the reader of Postgres’s protocol knows that the first message follows the question for encryption', () => {
  const question = Buffer.alloc(4);
  question.writeInt32BE(80877103);
  const found = new Messages(true).push(
    Buffer.concat([message('', question), message('', 'startup'), message('S', '')]),
  );
  expect(found.map(({ type }) => type)).toEqual(['', '', 'S']);
  expect(found.map(({ body }) => isQuestion(body))).toEqual([true, false, false]);
});

it('the reader of Postgres’s protocol reads the names in messages', () => {
  expect(texts(Buffer.from('s1\0UPDATE gameye_seat\0\0\0'))).toEqual(['s1', 'UPDATE gameye_seat']);
  expect(texts(Buffer.from('\0s1\0\0\0'))).toEqual(['', 's1']);
});
