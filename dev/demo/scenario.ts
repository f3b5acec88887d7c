import type { FaultRule, SimulatorOptions } from '../gameye/simulator.ts';

/** One match of the demo: who queues for it, how fast they reach each region, what goes wrong on its way. */
export interface MatchPlan {
  name: string;
  /** The mode that its tickets name; without one it is what the variables say. */
  mode?: string;
  players: string[];
  /** Milliseconds from every player to a region, as matchmaker properties. */
  pings: Record<string, number>;
  /** How many moves each player makes. */
  moves: number;
  /** Where the session has to run in the end. */
  region: string;
  /** What is in the way of its first POST /session: the region that it happens in, and how the simulator answers. */
  trouble?: { text: string; region: string; status: number | 'dropped' };
  /** Where the moves of its players count as scores. */
  leaderboard?: string;
  /** Those of the players who queue together, the leader first. */
  party?: string[];
  /** Somebody without a seat tries to get in. */
  guest?: string;
  /** Somebody who comes while this one runs and is seated in it: by asking for a game alone, or from a list of games. */
  latecomer?: { name: string; by: 'solo' | 'browser' };
}

/** A room: its host makes it, a friend enters it by its code, loses the connection, and comes back. */
export interface RoomPlan {
  name: string;
  mode: string;
  host: string;
  friend: string;
  moves: number;
}

export const SEAT_SECRET = 'demo-seat-secret-demo-seat-secret';

/** What the module is configured with beside the five variables. */
export const demoVariables: Record<string, string> = {
  GAMEYE_API_REGION: 'eu-central-1,eu-west-1,us-east-1',
  // Four seats a session: only the trio's has one left for a latecomer where it is fullest.
  GAMEYE_BACKFILL: 'on',
  GAMEYE_MAX_PLAYERS: '4',
  GAMEYE_SEAT_SECRET: SEAT_SECRET,
  GAMEYE_NAKAMA_URL: '{nakama}',
  GAMEYE_MODES: JSON.stringify({
    duel: { max_players: 2, backfill: false, leaderboard: 'duel' },
    arena: { max_players: 5, backfill: false, regions: ['eu-west-1', 'eu-central-1'] },
  }),
};

export const matchPlans: MatchPlan[] = [
  {
    name: 'duel',
    mode: 'duel',
    players: ['ana', 'ben'],
    pings: { 'us-east-1': 18, 'eu-west-1': 92, 'eu-central-1': 110 },
    moves: 30,
    region: 'eu-west-1',
    trouble: { text: 'its best region, us-east-1, is full', region: 'us-east-1', status: 420 },
    leaderboard: 'duel',
  },
  {
    name: 'trio',
    players: ['cleo', 'dan', 'eva'],
    pings: { 'eu-central-1': 12, 'eu-west-1': 31, 'us-east-1': 104 },
    moves: 40,
    region: 'eu-central-1',
    trouble: { text: 'the reply to its first POST /session gets lost', region: 'eu-central-1', status: 'dropped' },
    latecomer: { name: 'jo', by: 'solo' },
  },
  {
    name: 'squad',
    mode: 'arena',
    players: ['finn', 'gus', 'hana', 'ivo'],
    pings: { 'eu-west-1': 9, 'eu-central-1': 27, 'us-east-1': 88 },
    moves: 50,
    region: 'eu-west-1',
    party: ['finn', 'gus'],
    guest: 'mallory',
    latecomer: { name: 'kai', by: 'browser' },
  },
];

export const roomPlan: RoomPlan = { name: 'room', mode: 'arena', host: 'lou', friend: 'max', moves: 20 };

export const demoRegions: NonNullable<SimulatorOptions['regions']> = {
  'eu-central-1': {},
  'eu-west-1': {},
  'us-east-1': { capacity: 0 },
};

/** The session has started when the connection breaks: whoever asks again must not get a second one. */
export const lostReply: FaultRule = {
  operation: 'session-run',
  region: 'eu-central-1',
  on: { ordinals: [1] },
  action: { kind: 'drop', when: 'after' },
};
