const LIMIT_BYTES = 256 * 1024;

/** What a game server wrote, stdout and stderr together; of a long output only the last 256 KB are kept. */
export class Output {
  private chunks: Buffer[] = [];
  private size = 0;
  private closed = false;
  private readonly followers = new Set<{ data: (chunk: Buffer) => void; end: () => void }>();

  write(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.size += chunk.length;
    while (this.size > LIMIT_BYTES && this.chunks.length > 1) this.size -= this.chunks.shift()!.length;
    for (const follower of this.followers) follower.data(chunk);
  }

  /** Nothing follows: the session has ended. */
  close(): void {
    this.closed = true;
    for (const follower of this.followers) follower.end();
    this.followers.clear();
  }

  text(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** Everything kept so far at once, then each chunk until the end. Returns a function that stops it. */
  follow(data: (chunk: Buffer) => void, end: () => void): () => void {
    data(this.text());
    if (this.closed) {
      end();
      return () => undefined;
    }
    const follower = { data, end };
    this.followers.add(follower);
    return () => this.followers.delete(follower);
  }
}
