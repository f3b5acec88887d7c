// Session tokens and game-server credentials are JWTs with Nakama's header; nothing of ours may store or log one.
const JWT = /eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}/;

/** The lines of a text that contain a secret or a credential, shortened. */
export function linesWithSecret(text: string, secrets: string[]): string[] {
  const lines = text.split('\n').filter((line) => JWT.test(line) || secrets.some((secret) => line.includes(secret)));
  return lines.map((line) => (line.length > 300 ? `${line.slice(0, 300)}…` : line));
}
