import { groupForGauges, type GaugeGroup } from '../database/operators';
import type { Call } from '../nakama/caller';
import { gauge, textLabel } from '../nakama/metrics';

/*
 * How much runs, as gauges. Every node shows all of it, read from the database: were it one node only, what it showed last would
 * stay there when another one takes over.
 */

/** Versions come and go, and each group of labels is there as long as the process: further ones are shown as one. */
const MOST_GROUPS = 200;
const OTHER = { mode: 'other', region: 'other', version: 'other' };

/** The groups that this process has shown, as JSON; its VMs share them. */
const CACHE_KEY = 'gameye_gauges';

/** Sets the gauges of this node. A group that is gone is shown as zero. */
export function showGauges({ nk, config }: Call): void {
  const before = nk.localcacheGet(CACHE_KEY);
  const known = typeof before === 'string' ? (JSON.parse(before) as string[]) : [];
  const groups = new Map<string, GaugeGroup>();
  for (const key of known) groups.set(key, { ...labelsOf(key), sessions: 0, players: 0, open_seats: 0 });
  for (const group of groupForGauges(nk, config.fleet)) add(groups, group);
  const keys = [...groups.keys()];
  if (keys.length > known.length) nk.localcachePut(CACHE_KEY, JSON.stringify(keys));
  groups.forEach(({ mode, region, version, sessions, players, open_seats }) => {
    const labels = { mode, region, version };
    gauge(nk, 'gameye_running_sessions', labels, sessions);
    gauge(nk, 'gameye_running_players', labels, players);
    gauge(nk, 'gameye_open_seats', labels, open_seats);
  });
}

/** Two that look the same as labels are one. */
function add(
  groups: Map<string, GaugeGroup>,
  { mode, region, version, sessions, players, open_seats }: GaugeGroup,
): void {
  const own = JSON.stringify([mode, region, version].map(textLabel));
  const key = groups.has(own) || groups.size < MOST_GROUPS ? own : JSON.stringify(Object.values(OTHER));
  const shown = groups.get(key) ?? { ...labelsOf(key), sessions: 0, players: 0, open_seats: 0 };
  groups.set(key, {
    ...shown,
    sessions: shown.sessions + sessions,
    players: shown.players + players,
    open_seats: shown.open_seats + open_seats,
  });
}

function labelsOf(key: string): typeof OTHER {
  const [mode = '', region = '', version = ''] = JSON.parse(key) as string[];
  return { mode, region, version };
}
