import type { Config } from '../config';

/** The mode that a ticket's properties name; empty: none, also where the fleet has no modes. */
export function modeOf(config: Config, properties: { [name: string]: unknown }): string {
  const named = properties[config.modeProperty];
  return Object.keys(config.modes).length > 0 && typeof named === 'string' ? named.trim() : '';
}

/**
 * What is wrong with the modes that the tickets of a group name, as a sentence; undefined: all name the same one, which there
 * is, or none. Nobody can tell which of two modes a group should play.
 */
export function modesProblem(config: Config, named: string[]): string | undefined {
  const different = [...new Set(named)];
  if (different.length > 1) {
    return `Its tickets name different modes. Add +properties.${config.modeProperty}:… to their query.`;
  }
  const unknown = different.find((mode) => mode !== '' && !config.modes[mode]);
  return unknown === undefined ? undefined : 'Its tickets name a mode that GAMEYE_MODES does not have.';
}
