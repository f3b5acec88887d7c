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

/** Who of a group demands what. */
export type Tickets = { [userId: string]: Demands };

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
 * The version with which a group plays, undefined when it is left to the module, and who cannot play with it. A version
 * holds when at least half of the group demand it; of equal ones that in force. Otherwise the group plays with that in
 * force. `isServed` says which versions may be started at all.
 */
export function agreeOnVersion(
  tickets: Tickets,
  isServed: (version: string) => boolean,
  inForce: () => string | undefined,
): { version?: string; refused: string[] } {
  const all = versionsOf(tickets);
  if (all.length === 0) return { refused: [] };
  const served = all.filter(isServed);
  const possible = Object.values(tickets).filter(({ version }) => version === undefined || served.includes(version));
  const count = (version: string): number => possible.filter((one) => one.version === version).length;
  const most = Math.max(0, ...served.map(count));
  const first = served.filter((version) => count(version) === most);
  const best = first.length > 1 ? (first.find((version) => version === inForce()) ?? first[0]) : first[0];
  const version = holds(most, possible) ? best : served.find((one) => one === inForce());
  const refused = Object.keys(tickets).filter((userId) => (tickets[userId]?.version ?? version) !== version);
  return { ...(version === undefined ? {} : { version }), refused };
}

/** One ticket of many decides nothing for the others. */
function holds(count: number, players: unknown[]): boolean {
  return count > 0 && count * 2 >= players.length;
}

/** Sorted, so that the order of a group's tickets does not matter. */
function versionsOf(tickets: Tickets): string[] {
  return [...new Set(Object.values(tickets).flatMap(({ version }) => version ?? []))].sort();
}

/**
 * The regions in which a group plays, undefined when it is left to the module, and who cannot play there. A region holds
 * when at least half of the group demand it; of equal ones the first that is served. Then the group plays in those of the
 * served regions that suit all who demand it. When fewer demand any, they decide nothing for the others, and play only if
 * the group happens to come to one of their regions: `only_in`.
 */
export function agreeOnRegions(
  served: string[],
  tickets: Tickets,
): { regions?: string[]; refused: string[]; only_in?: { [userId: string]: string[] } } {
  const isServed = (region: string): boolean => served.includes(region);
  const users = Object.keys(tickets);
  const possible = users.filter((userId) => tickets[userId]?.regions?.some(isServed) ?? true);
  const wishes = possible.flatMap((userId) => {
    const regions = tickets[userId]?.regions;
    return regions ? [{ userId, regions }] : [];
  });
  const count = (region: string): number => wishes.filter(({ regions }) => regions.includes(region)).length;
  const most = Math.max(0, ...served.map(count));
  const hopeless = users.filter((userId) => !possible.includes(userId));
  if (holds(most, possible)) {
    const best = served.find((region) => count(region) === most) ?? '';
    const held = wishes.filter(({ regions }) => regions.includes(best));
    const regions = served.filter((region) => held.every((wish) => wish.regions.includes(region)));
    const others = wishes.filter((wish) => !held.includes(wish)).map(({ userId }) => userId);
    return { regions, refused: [...hopeless, ...others] };
  }
  if (wishes.length === 0) return { refused: hopeless };
  return { refused: hopeless, only_in: Object.fromEntries(wishes.map(({ userId, regions }) => [userId, regions])) };
}
