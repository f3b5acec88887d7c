import { describeProblems, getConfig } from './config';
import { noteExtension } from './extension/extension';
import { registerInstanceIndex } from './instances/queries';
import { withFields } from './nakama/log';
import { ensureSupervisor } from './worker/supervisor';
import type { Context, Initializer, Logger, Nakama } from './nakama/runtime';

/**
 * What has to happen while InitModule runs, beside its registrations: the storage index, and every configuration mistake
 * at once in the log. A misconfigured module does not keep Nakama from starting; it says so again in every RPC.
 */
export function initialize(ctx: Context, logger: Logger, nk: Nakama, initializer: Initializer): void {
  const configured = getConfig(ctx, nk);
  registerInstanceIndex(ctx, initializer, 'config' in configured && configured.config.backfill);
  noteExtension(nk);
  if ('problems' in configured) {
    withFields(logger, { problems: describeProblems(configured.problems), count: configured.problems.length }).error(
      'Gameye: not configured, no game server will be started. Set the variables and restart Nakama.',
    );
    return;
  }
  for (const warning of configured.warnings) {
    withFields(logger, { variable: warning.variable, advice: warning.advice }).warn('Gameye: a variable is not used.');
  }
  const { config } = configured;
  withFields(logger, {
    api_url: config.apiUrl,
    image: config.image,
    version: config.version ?? '(highest priority)',
    regions: config.regions.join(','),
    fleet: config.fleet,
    seat_tokens: config.seatSecret !== undefined,
    server_reports: config.nakamaUrl !== undefined,
  }).info('Gameye: fleet manager ready.');
  ensureSupervisor(nk);
}
