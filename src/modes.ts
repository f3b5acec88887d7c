import type { Problem } from './environment';
import { MODE_FIELDS, readSettings, type Settings } from './settings';
import { isObject, parseJson } from './values';

/** What each mode says instead of the variables, by its name. */
export type Modes = { [name: string]: Settings };

const MOST_MODES = 200;

/** Reads GAMEYE_MODES: every mistake with its path, such as `duel.ttl`. `canReport`: game servers have a way to report. */
export function parseModes(text: string, canReport: boolean): { modes: Modes; problems: Problem[] } {
  const problems: Problem[] = [];
  const problem = (advice: string): number => problems.push({ variable: 'GAMEYE_MODES', advice });
  const modes: Modes = {};
  const given = parseJson(text);
  if (!isObject(given)) {
    problem('must be a JSON object of modes, such as {"duel": {"max_players": 2}}.');
    return { modes, problems };
  }
  if (Object.keys(given).length > MOST_MODES) problem(`has more than ${MOST_MODES} modes.`);
  for (const [name, value] of Object.entries(given)) {
    if (!isModeName(name)) {
      problem(`${JSON.stringify(name.slice(0, 70))} is no name: 1 to 64 letters, digits, ".", "_" and "-".`);
    } else if (!isObject(value)) {
      problem(`${name} must be a JSON object.`);
    } else {
      for (const field of Object.keys(value).filter((one) => !MODE_FIELDS.includes(one))) {
        problem(`${name}.${field.slice(0, 50)} is unknown. A mode can have: ${MODE_FIELDS.join(', ')}.`);
      }
      modes[name] = readSettings(value, MODE_FIELDS, canReport, (field, rule) => problem(`${name}.${field} ${rule}`));
    }
  }
  return { modes, problems };
}

/** True for what can be the name of a mode; a label's value and part of ids. */
export function isModeName(text: string): boolean {
  return /^[A-Za-z0-9_.-]{1,64}$/.test(text);
}
