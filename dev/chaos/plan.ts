import type { FaultRule } from '../gameye/simulator.ts';
import { faultRules } from './faults.ts';
import { chanceFrom, type Chance } from './random.ts';

export interface PlanOptions {
  allocations: number;
  seed: number;
  /** How many times something is killed. */
  kills: number;
  nodes: number;
  regions: readonly string[];
}

/**
 * What becomes of a session: somebody deletes it after the game, or while it starts; its players cancel, or leave, or never
 * come, or are simply matched again; its game server is killed; or it stays until all is over.
 */
export type Ending = 'delete' | 'delete-starting' | 'cancel' | 'leave' | 'no-show' | 'forget' | 'crash' | 'stay';

/** One request for a game server. */
export interface PlannedAllocation {
  /** From 1, in the order in which they begin. */
  ordinal: number;
  /** How it is asked for: players queue in the real matchmaker, or another server calls fleet_create for them. */
  way: 'matchmaker' | 'fleet_create';
  /** 0: a session that nobody is expected in yet. */
  players: number;
  maxPlayers: number;
  /** Asked for on another node than the one that the players are connected to. */
  elsewhere: boolean;
  /** A game server that is a process, not only an entry in the simulator's books. */
  realServer: boolean;
  ending: Ending;
  /** Between the answer (`cancel` and `delete-starting`: the request) and the ending. */
  afterMs: number;
  /** So many strangers try to join at once, on all nodes, as soon as it runs. */
  joins: number;
}

/** What is killed when the allocation `at` begins. */
export type PlannedKill = { at: number } & (
  | { kind: 'node'; node: number; restartAt: number }
  | { kind: 'all-nodes' }
  | { kind: 'game-servers'; share: number }
  | { kind: 'connections'; share: number }
  /** Connections in the middle of statements. */
  | { kind: 'statements' }
  /** Connections between the end of a change and its answer: so many. */
  | { kind: 'answers'; most: number }
);

/** A region that is out of service while the allocations `from` to `to` begin. */
export interface PlannedOutage {
  region: string;
  from: number;
  to: number;
}

export interface Plan extends PlanOptions {
  all: PlannedAllocation[];
  killed: PlannedKill[];
  outages: PlannedOutage[];
  faults: FaultRule[];
}

/** Their players are in no other allocation, so there must be players for all of them. */
export const MOST_STAY = 10;

const ENDINGS: [Ending, number][] = [
  ['delete', 50],
  ['leave', 12],
  ['crash', 10],
  ['cancel', 9],
  ['delete-starting', 9],
  ['no-show', 3],
  ['forget', 7],
];

/** Everything that is asked and everything that goes wrong, from the seed alone: the same options give the same plan. */
export function planOf(options: PlanOptions): Plan {
  // A generator for each part, so that one more kill does not change what is asked for.
  const [requests, kills, outages] = [1, 2, 3].map((part) => chanceFrom(options.seed * 7919 + part)) as [
    Chance,
    Chance,
    Chance,
  ];
  return {
    ...options,
    all: Array.from({ length: options.allocations }, (_, i) => allocation(requests, i + 1, options.allocations)),
    killed: killsOf(kills, options),
    outages: outagesOf(outages, options),
    faults: faultRules(options.seed, options.allocations, options.regions),
  };
}

function allocation(chance: Chance, ordinal: number, of: number): PlannedAllocation {
  const stays = ordinal > of - Math.min(MOST_STAY, Math.ceil(of / 10));
  const way = chance.oneOf<PlannedAllocation['way']>([
    ['fleet_create', 3],
    ['matchmaker', 1],
  ]);
  const players = way === 'matchmaker' ? chance.between(2, 3) : chance.happens(0.08) ? 0 : chance.between(1, 3);
  const drawn = chance.oneOf(ENDINGS);
  const nobody = players === 0 && !['delete', 'delete-starting', 'crash'].includes(drawn);
  // Only players can cancel, and the id of a match is nobody's to delete before there is an answer.
  const ending = stays && players > 0 ? 'stay' : nobody ? 'delete' : drawn;
  const usual = way === 'matchmaker' && ending === 'delete-starting' ? 'cancel' : ending;
  const spare = way === 'fleet_create' ? chance.between(0, 3) : 0;
  const early = usual === 'cancel' || usual === 'delete-starting';
  const maxPlayers = Math.max(1, players + spare);
  const crowd = usual === 'delete' && way === 'fleet_create' && chance.happens(0.15);
  return {
    ordinal,
    way,
    players,
    maxPlayers,
    elsewhere: chance.happens(0.2),
    realServer: way === 'fleet_create' && usual !== 'no-show' && chance.happens(0.02),
    ending: usual,
    afterMs: chance.between(0, early ? 700 : 1500),
    joins: crowd ? maxPlayers - players + chance.between(1, 3) : 0,
  };
}

/** Spread over the run, but not at its very end: what they do has to show. */
function killsOf(chance: Chance, { allocations, kills, nodes }: PlanOptions): PlannedKill[] {
  const kinds = spreadKinds(chance, kills, nodes);
  return kinds.map((kind, i): PlannedKill => {
    const width = (allocations * 0.8) / kinds.length;
    const at = 1 + Math.floor(allocations * 0.05 + width * (i + chance.next()));
    switch (kind) {
      case 'node': {
        const restartAt = at + chance.between(1, Math.max(2, Math.min(60, Math.floor(allocations / 10))));
        return { at, kind, node: chance.between(0, nodes - 1), restartAt };
      }
      case 'all-nodes':
        return { at, kind };
      case 'game-servers':
      case 'connections':
        return { at, kind, share: chance.oneOf([0.3, 0.6, 1].map((share) => [share, 1] as const)) };
      case 'statements':
        return { at, kind };
      case 'answers':
        return { at, kind, most: chance.between(1, 8) };
    }
  });
}

/** One of each important kind first, so that few kills are not all alike; then in a random order. */
function spreadKinds(chance: Chance, kills: number, nodes: number): PlannedKill['kind'][] {
  const weights: [PlannedKill['kind'], number][] = [
    ['node', 45],
    ['connections', 15],
    ['statements', 15],
    ['answers', 15],
    ['game-servers', 20],
    ['all-nodes', nodes > 1 ? 10 : 0],
  ];
  const first: PlannedKill['kind'][] = ['node', 'answers', 'statements', 'game-servers', 'connections'];
  const kinds = Array.from({ length: kills }, (_, i) => first[i] ?? chance.oneOf(weights));
  for (let i = kinds.length - 1; i > 0; i--) {
    const j = chance.between(0, i);
    [kinds[i], kinds[j]] = [kinds[j]!, kinds[i]!];
  }
  return kinds;
}

function outagesOf(chance: Chance, { allocations, regions }: PlanOptions): PlannedOutage[] {
  const amount = Math.max(1, Math.round(allocations / 1000));
  return Array.from({ length: amount }, (_, i) => {
    const from = 1 + Math.floor((allocations / amount) * (i + chance.next() * 0.6));
    const to = from + Math.min(100, Math.ceil(allocations / 8));
    return { region: regions[chance.between(0, regions.length - 1)]!, from, to };
  });
}
