/*
 * What a ticket may demand of its server, as string properties. The names begin like everything of ours, so that they are
 * nobody else's.
 */

/** The only version that this player's game can play with. */
export const VERSION_PROPERTY = 'gameye_version';
/** The only region in which this player wants to play, or several with commas. */
export const REGION_PROPERTY = 'gameye_region';

export interface Demands {
  version?: string;
  regions?: string[];
}

/** What a ticket's properties demand; empty texts demand nothing. */
export function demandsOf(properties: { [name: string]: unknown }): Demands {
  const text = (name: string): string => (typeof properties[name] === 'string' ? properties[name].trim() : '');
  const version = text(VERSION_PROPERTY);
  const regions = text(REGION_PROPERTY)
    .split(',')
    .map((region) => region.trim())
    .filter((region) => region !== '');
  return { ...(version === '' ? {} : { version }), ...(regions.length === 0 ? {} : { regions }) };
}

/**
 * What a group demands together: the one version that its tickets name, and those of the served regions that suit all of
 * them. Or why its tickets should not have been matched with each other.
 */
export function commonDemands(served: string[], demands: Demands[]): Demands | { conflict: string } {
  const versions = demands.flatMap(({ version }) => version ?? []);
  const other = versions.find((version) => version !== versions[0]);
  if (other !== undefined) {
    return {
      conflict: `Tickets with the versions ${versions[0]} and ${other} were matched. Add +properties.${VERSION_PROPERTY}:${versions[0]} to the query of such tickets.`,
    };
  }
  const wishes = demands.flatMap(({ regions }) => (regions ? [regions] : []));
  const regions = served.filter((region) => wishes.every((wish) => wish.includes(region)));
  if (regions.length === 0) {
    return {
      conflict: `Tickets were matched that no region suits together. Add +properties.${REGION_PROPERTY}:${wishes[0]?.[0]} to the query of such tickets.`,
    };
  }
  return {
    ...(versions[0] === undefined ? {} : { version: versions[0] }),
    ...(wishes.length === 0 ? {} : { regions }),
  };
}
