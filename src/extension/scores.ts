import type { Config } from '../config';
import type { DueCallback } from '../database/results';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';
import { isObject } from '../values';

/*
 * Scores of a result on a leaderboard of Nakama, without a module of one's own: `scores` of the document that a game server sends,
 * by user id, on the leaderboard that its mode names.
 */

/** The leaderboards that are configured, each once. */
export function leaderboards({ leaderboard, modes }: Config): string[] {
  const all = [leaderboard, ...Object.values(modes).map((mode) => mode.leaderboard)];
  return [...new Set(all.filter((id) => id !== undefined))];
}

/** Makes those that are missing, where the highest score of a player counts. One that is there stays as a studio made it. */
export function createLeaderboards({ nk, logger, config }: Pick<Call, 'nk' | 'logger' | 'config'>): void {
  for (const id of leaderboards(config)) {
    try {
      nk.leaderboardCreate(id, true, 'desc', 'best');
    } catch (error) {
      withFields(logger, { leaderboard: id, error: errorText(error) }).error(
        'Gameye: a leaderboard could not be created. Scores are kept until it is there, for some minutes.',
      );
    }
  }
}

/**
 * Writes the scores of one result. Only of players who really were there: of others a game server says nothing that counts. Twice,
 * it changes nothing, as long as the leaderboard keeps the best score or the last. Throws what Nakama throws.
 */
export function writeScores({ nk, config }: Call, { document, user_ids, instance }: DueCallback): void {
  const { leaderboard } = modeConfig(config, instance.mode ?? '');
  const scores = document?.['scores'];
  if (leaderboard === undefined || !isObject(scores)) return;
  const there = user_ids.filter((id) => Object.prototype.hasOwnProperty.call(scores, id) && isScore(scores[id]));
  // Players without an account have no name, and no place there.
  for (const { userId, username } of there.length > 0 ? nk.usersGetId(there) : []) {
    nk.leaderboardRecordWrite(leaderboard, userId, username, scores[userId] as number);
  }
}

function isScore(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}
