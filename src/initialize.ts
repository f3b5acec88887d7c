import { describeProblems, getConfig, type Config } from './config';
import { compareSeatSecret } from './credentials/seat-secret';
import { migrate, oldRecords } from './database/schema';
import { noteExtension } from './extension/extension';
import { createLeaderboards } from './extension/scores';
import { errorText, withFields } from './nakama/log';
import { processId } from './nakama/process-id';
import type { Context, Logger, Nakama } from './nakama/runtime';
import { ensureSupervisor } from './supervision/heartbeat';

/**
 * What has to happen while InitModule runs, beside its registrations: the tables, and every configuration mistake at once in
 * the log. A misconfigured module does not keep Nakama from starting; it says so again in every RPC.
 */
export function initialize(ctx: Context, logger: Logger, nk: Nakama): void {
  const configured = getConfig(ctx, nk);
  noteExtension(nk);
  for (const { variable, advice } of configured.warnings) {
    withFields(logger, { variable, advice }).warn('Gameye: a setting should be looked at.');
  }
  if ('problems' in configured) {
    withFields(logger, { problems: describeProblems(configured.problems), count: configured.problems.length }).error(
      'Gameye: not configured, no game server will be started. Set the variables and restart Nakama.',
    );
    return;
  }
  const { config } = configured;
  withFields(logger, {
    api_url: config.apiUrl,
    image: config.image,
    version: config.version ?? '(highest priority)',
    regions: config.regions.join(','),
    fleet: config.fleet,
    server_reports: config.nakamaUrl !== undefined,
  }).info('Gameye: fleet manager ready.');
  if (config.nakamaUrl === undefined) {
    withFields(logger, { ttl: config.ttl }).info(
      'Gameye: game servers report nothing without GAMEYE_NAKAMA_URL: seats count as taken once players are told, and a session to which nobody comes runs until GAMEYE_API_TTL.',
    );
  }
  processId(nk);
  createLeaderboards({ nk, logger, config });
  if (migrate(nk, logger)) {
    sayWhatIsLeft(nk, logger);
    sayWhatChanged(nk, logger, config);
  }
  ensureSupervisor(nk);
}

function sayWhatChanged(nk: Nakama, logger: Logger, config: Config): void {
  try {
    compareSeatSecret(nk, logger, config);
  } catch (error) {
    withFields(logger, { error: errorText(error) }).debug(
      'Gameye: it is not known whether the seat secret has changed.',
    );
  }
}

/** The first edition kept its records in Nakama's storage engine. Its sessions end at their ttl. */
function sayWhatIsLeft(nk: Nakama, logger: Logger): void {
  try {
    const records = oldRecords(nk);
    if (records === 0) return;
    withFields(logger, { records }).info(
      'Gameye: the records of an older version in the storage engine are ignored; their sessions end at their ttl.',
    );
  } catch (error) {
    withFields(logger, { error: errorText(error) }).debug(
      'Gameye: it is not known whether an older version left records.',
    );
  }
}
