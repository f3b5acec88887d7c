import { ApiError } from './errors.ts';
import type { Fleet } from './fleet.ts';
import type { Session } from './session.ts';

/** What join and leave answer: how many are in the session now, and the players of the request. */
export interface PlayersAnswer {
  count: number;
  players: string[];
}

/** Registers players as being in a session; those who are in it already stay. Throws ApiError 404. */
export function join(fleet: Fleet, id: string, players: readonly string[]): PlayersAnswer {
  const { entry } = open(fleet, id);
  const joining = [...new Set(players)];
  entry.players = [...new Set([...entry.players, ...joining])];
  entry.peakPlayers = Math.max(entry.peakPlayers, entry.players.length);
  return { count: entry.players.length, players: joining };
}

/**
 * Takes players out of a session; without an id, out of every session they are in (the official document's body has no
 * session, Gameye's documentation pages have one). `count` is then the sum over those sessions. Throws ApiError 404.
 */
export function leave(fleet: Fleet, id: string | undefined, players: readonly string[]): PlayersAnswer {
  const leaving = [...new Set(players)];
  const isIn = (session: Session): boolean => leaving.some((player) => session.entry.players.includes(player));
  const sessions = id === undefined ? [...fleet.live].filter(isIn) : [open(fleet, id)];
  if (sessions.length === 0) throw new ApiError(404, 'None of these players is in a session.');
  let count = 0;
  for (const { entry } of sessions) {
    entry.players = entry.players.filter((player) => !leaving.includes(player));
    count += entry.players.length;
  }
  return { count, players: leaving };
}

function open(fleet: Fleet, id: string): Session {
  const session = fleet.find(id);
  if (session.isOver || session.status === 'created') throw new ApiError(404, `Session "${id}" is not running.`);
  return session;
}
