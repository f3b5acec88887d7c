import type { Player } from '../demo/player.ts';
import type { Nakama } from '../stack/nakama.ts';
import { until } from '../stack/until.ts';
import type { Books } from './books.ts';
import type { SeatRow } from './database.ts';
import type { Asked, Evidence } from './evidence.ts';
import type { Lane } from './lane.ts';
import type { PlannedAllocation } from './plan.ts';
import type { World } from './world.ts';

/** After this a request that nobody knows of was not stored: the node that had it is dead, or has refused it. */
const NOT_STORED_MS = 4000;
/** The matchmaker looks every second. */
const MATCHED_MS = 30_000;
const MOST_ATTEMPTS = 20;

export interface Run {
  world: World;
  books: Books;
  seed: number;
  limits: Evidence['limits'];
}

/** Asks until a request is stored, as a game's clients and servers do, and answers that attempt. */
export async function ask(run: Run, lane: Lane, planned: PlannedAllocation): Promise<Asked> {
  for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
    const home = await lane.connect();
    const players = lane.players.slice(0, planned.players);
    const before = await rowsOf(run, players);
    const asked = run.books.begin(planned, attempt, home.name, players, before);
    const accepted =
      planned.way === 'matchmaker' ? await queue(run, lane, asked, players) : await create(run, asked, players, home);
    asked.outcome = accepted ? 'accepted' : 'not-stored';
    if (accepted) return asked;
    run.books.close(asked);
  }
  throw new Error(`allocation ${planned.ordinal} was asked for ${MOST_ATTEMPTS} times, and never stored`);
}

function rowsOf(run: Run, players: Player[]): Promise<SeatRow[]> {
  const userIds = players.map(({ userId }) => userId);
  return until(() => run.world.records.seats(userIds), 60_000, 'the rows of players before a request', 200);
}

/** The players queue for exactly each other. False: their node died, or lost them, before a match was stored. */
async function queue(run: Run, lane: Lane, asked: Asked, players: Player[]): Promise<boolean> {
  const group = `s${run.seed}a${asked.label.replace('.', 't')}`;
  const ticket = {
    query: `+properties.group:${group}`,
    minCount: players.length,
    maxCount: players.length,
    strings: { group },
  };
  try {
    await Promise.all(players.map((player) => player.matchmake(ticket)));
    const known = () => isKnown(run, asked, players) || (lane.isTogether() ? undefined : 'apart');
    if ((await until(known, MATCHED_MS, 'a match', 50)) === true) {
      const matchedAtMs = players.map((player) => player.matchedAtMs.at(-1) ?? 0);
      asked.askedAtMs = Math.max(asked.askedAtMs, ...matchedAtMs);
      return true;
    }
  } catch {
    // The node is gone or does not answer; what it had stored before, shows below.
  }
  lane.leave(); // Else those who are still there would be matched with nobody.
  return waitUntilKnown(run, asked, players);
}

/** Another server asks for these players. False: nothing was stored. */
async function create(run: Run, asked: Asked, players: Player[], home: Nakama): Promise<boolean> {
  const { world } = run;
  const { planned, userIds } = asked;
  const other = world.up.find((nakama) => nakama !== home);
  const node = planned.elsewhere && other ? other : home;
  asked.node = node.name;
  try {
    const answer = await node.rpc('fleet_create', {
      max_players: planned.maxPlayers,
      metadata: { chaos: asked.label },
      ...(userIds.length > 0 ? { user_ids: userIds } : {}),
      ...(planned.realServer ? { image: 'demo-game' } : {}),
    });
    if (answer.status === 200) {
      asked.allocationId = (answer.payload as { session_id: string }).session_id;
      return true;
    }
  } catch {
    // The answer is lost with its node; what was stored before, shows below.
  }
  return waitUntilKnown(run, asked, players);
}

function isKnown(run: Run, asked: Asked, players: Player[]): boolean {
  const { books, world } = run;
  if (books.isStored(asked) || players.some((player) => books.told(asked, player))) return true;
  return world.stack.simulator.ledger.entries.slice(-200).some((entry) => entry.labels['chaos'] === asked.label);
}

/** Whoever got no answer looks whether the request is known, for a while. */
async function waitUntilKnown(run: Run, asked: Asked, players: Player[]): Promise<boolean> {
  const known = async () =>
    isKnown(run, asked, players) || (await run.world.records.hasAllocation(asked.label).catch(() => false));
  return until(known, NOT_STORED_MS, 'the request in the records', 200).then(
    () => true,
    () => false,
  );
}
