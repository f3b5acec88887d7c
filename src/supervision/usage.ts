import { readControl, writeControl } from '../database/control';
import { minutesOfToday, tellUsage } from '../database/usage';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count, textLabel } from '../nakama/metrics';

/** From this part of GAMEYE_MAX_MINUTES_PER_DAY on it is warned of. */
const WARN_FROM = 0.8;

/** With each comparison, on one node: what ended sessions cost goes into the metrics, and a day that is nearly spent into the log. */
export function noteUsage(call: Call): void {
  const { nk, config } = call;
  for (const { mode, used, empty, no_show } of tellUsage(nk, config.fleet)) {
    const label = textLabel(mode);
    count(nk, 'gameye_session_seconds', { mode: label, use: 'all' }, used);
    count(nk, 'gameye_session_seconds', { mode: label, use: 'empty' }, empty);
    count(nk, 'gameye_session_seconds', { mode: label, use: 'no_show' }, no_show);
  }
  if (config.maxMinutesPerDay !== undefined) warnOfMinutes(call, config.maxMinutesPerDay);
}

/** Once a day. */
function warnOfMinutes({ nk, config, logger }: Call, most: number): void {
  const { day, minutes } = minutesOfToday(nk, config.fleet);
  const key = `minutes_warned:${config.fleet}`;
  if (minutes < WARN_FROM * most || readControl<string>(nk, key) === day) return;
  writeControl(nk, key, day);
  withFields(logger, { minutes: Math.round(minutes), most }).warn(
    'Gameye: most of GAMEYE_MAX_MINUTES_PER_DAY is used; when all of it is, no session is started until midnight UTC.',
  );
}
