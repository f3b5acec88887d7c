// A text that Go handed to Goja keeps its bytes, also those that are no UTF-8: `nk.base64Encode` has them, as long as the
// module passes the text on as it is. V8's texts have no such bytes, so the latest of them are remembered here.

const MOST = 4;

const latest: { text: string; bytes: Uint8Array }[] = [];

/** Remembers the bytes of a text that came from outside. */
export function rememberBytes(text: string, bytes: Uint8Array): void {
  latest.unshift({ text, bytes });
  latest.length = Math.min(latest.length, MOST);
}

/** The bytes of a text that came from outside; undefined: its own in UTF-8. */
export function bytesOf(text: string): Uint8Array | undefined {
  for (const one of latest) if (one.text === text) return one.bytes;
  return undefined;
}
