/** One message of Postgres's protocol: its type, and what comes after the length. */
export interface Message {
  type: string;
  body: Buffer;
}

/** Takes the messages out of a stream of bytes. What is half there waits for the rest. */
export class Messages {
  private rest: Buffer = Buffer.alloc(0);

  /** `untyped`: the first message of a client has no type. */
  constructor(private untyped = false) {}

  push(bytes: Buffer): Message[] {
    this.rest = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    const messages: Message[] = [];
    for (;;) {
      const typed = this.untyped ? 0 : 1;
      if (this.rest.length < typed + 4) return messages;
      const end = typed + this.rest.readInt32BE(typed);
      if (this.rest.length < end) return messages;
      const type = this.untyped ? '' : String.fromCharCode(this.rest[0]!);
      const body = this.rest.subarray(typed + 4, end);
      messages.push({ type, body });
      this.rest = this.rest.subarray(end);
      // A question for encryption is answered by one byte, and the real first message comes after it.
      if (this.untyped && !isQuestion(body)) this.untyped = false;
    }
  }
}

/** SSLRequest and GSSENCRequest: a client asks whether the connection may be encrypted. */
export function isQuestion(body: Buffer): boolean {
  return body.length === 4 && [80877103, 80877104].includes(body.readInt32BE(0));
}

/** Two texts, each ended by a zero: names and the text of a statement. */
export function texts(body: Buffer): [string, string] {
  const first = body.indexOf(0);
  const second = body.indexOf(0, first + 1);
  return [body.toString('utf8', 0, first), body.toString('utf8', first + 1, second)];
}
