/** The first line of every server's log. What it does not do stands in the README. */
export const BANNER =
  "embedded runtime: a development stand-in for Nakama's TypeScript runtime, not a server for production. " +
  'It serves the client API, sockets, matchmaker, matches, SQL and RPCs as far as this project uses them.';
