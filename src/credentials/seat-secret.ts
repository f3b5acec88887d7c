import { writeControl } from '../database/control';
import type { Config } from '../config';
import { withFields } from '../nakama/log';
import type { Logger, Nakama } from '../nakama/runtime';

/** Tells whether two seat secrets are the same one, and far too short to tell anything else about them. */
function markOf(nk: Nakama, seatSecret: string): string {
  return nk.base16Encode(nk.hmacSha256Hash('gameye-seat-mark', seatSecret)).toLowerCase().slice(0, 8);
}

/**
 * Warns at start when this fleet had another seat secret before, and that one is not given as the previous one: game servers
 * that were started with it are refused. Without a secret of its own a new API token does the same.
 */
export function compareSeatSecret(nk: Nakama, logger: Logger, config: Config): void {
  const { seatSecret, previousSeatSecret, fleet } = config;
  const now = markOf(nk, seatSecret);
  const accepted = [now, ...(previousSeatSecret === undefined ? [] : [markOf(nk, previousSeatSecret)])];
  const before = writeControl(nk, `seat_secret:${fleet}`, now);
  if (before === undefined || accepted.includes(before)) return;
  withFields(logger, { fleet, advice: 'Set GAMEYE_SEAT_SECRET_PREVIOUS to the one before.' }).warn(
    'Gameye: the seat secret has changed, and reports of game servers that run with the one before are refused.',
  );
}
