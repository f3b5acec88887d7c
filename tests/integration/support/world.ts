import { expect } from 'vitest';
import type { LedgerEntry, Operation, RequestLogEntry } from '../../../dev/gameye/simulator.ts';
import { query } from '../../../dev/stack/database.ts';
import { API_TOKEN, type Stack } from '../../../dev/stack/stack.ts';
import { until } from '../../../dev/stack/until.ts';
import type { Player } from '../../helpers/players.ts';
import type { TestStackOptions } from '../../helpers/stack.ts';

/*
 * The state of the world as others than the module see it: rows in Postgres, the simulator's books. Everything is asked
 * for by player or region, because the tests of a file run at the same time.
 */

/** An image without a process: a session of it costs nothing, and nothing but a DELETE ends it. */
export const QUIET_IMAGE = 'quiet';

/**
 * A stack whose game servers are no processes, with these regions in this order. What goes wrong in one region hits
 * nobody else: each test that runs beside others has one of its own.
 */
export function quietStack(regions: string[], env: Record<string, string> = {}): TestStackOptions {
  return {
    env: { GAMEYE_API_IMAGE: QUIET_IMAGE, GAMEYE_API_REGION: regions.join(','), ...env },
    simulator: {
      images: { [QUIET_IMAGE]: { command: [], ports: ['7777/udp'] } },
      regions: Object.fromEntries(regions.map((region) => [region, {}])),
    },
  };
}

/** A stored row, as the database has it. */
export interface StoredRow<Value = Record<string, unknown>> {
  key: string;
  value: Value;
}

export interface AllocationValue {
  state: string;
  session_id: string;
  attempts: number;
  cancelled: boolean;
  guests: { id: string; user_ids: string[] }[];
  abandoned: { session_id: string }[];
  request: { user_ids: string[] };
  last_failure?: { kind: string; message: string };
}

/** The open allocations in the database for any of these players; all of them, when no players are given. */
export async function allocationRows(stack: Stack, players?: Player[]): Promise<StoredRow<AllocationValue>[]> {
  const rows = await query<StoredRow<AllocationValue>>(
    stack.database,
    `SELECT id AS key, doc || jsonb_build_object('state', state, 'session_id', session_id, 'attempts', attempts,
       'cancelled', cancelled, 'guests', guests) AS value
     FROM ${tableOf(stack, 'gameye_allocation')} WHERE state <> 'over' ORDER BY id`,
  );
  if (!players) return rows;
  const ids = players.map((player) => player.userId);
  return rows.filter(({ value }) =>
    [value.request, ...value.guests].some(({ user_ids }) => user_ids.some((id) => ids.includes(id))),
  );
}

/** The instances in the database with their live seats by player: those of these sessions, or all. */
export async function instanceRows(stack: Stack, sessionIds?: string[]): Promise<StoredRow[]> {
  const rows = await query<StoredRow>(
    stack.database,
    `SELECT i.id AS key, to_jsonb(i) || jsonb_build_object('seats', (
       SELECT coalesce(jsonb_object_agg(s.user_id, jsonb_build_object('state', s.state)), '{}')
       FROM ${tableOf(stack, 'gameye_seat')} s WHERE s.session_id = i.id AND s.state IN ('reserved', 'joined'))) AS value
     FROM ${tableOf(stack, 'gameye_instance')} i ORDER BY i.id`,
  );
  return sessionIds ? rows.filter(({ key }) => sessionIds.includes(key)) : rows;
}

/** Waits until nothing will be done any more for these players (or for anybody). */
export async function allocationsSettled(stack: Stack, players?: Player[], deadlineMs = 10_000): Promise<void> {
  let rows: StoredRow<AllocationValue>[] = [];
  const settled = async (): Promise<boolean> => (rows = await allocationRows(stack, players)).length === 0;
  await until(settled, deadlineMs, () => `the end of every allocation; there are ${JSON.stringify(rows)}`, 50);
}

/** The sessions that the simulator ever started for any of these players, in the order they were asked for. */
export async function sessionsFor(stack: Stack, players: Player[]): Promise<LedgerEntry[]> {
  const ids = players.map((player) => player.userId);
  const environments = await containerEnvironments(stack);
  return stack.simulator.ledger.entries.filter(({ id }) => {
    const expected = environments.get(id)?.['NAKAMA_MATCH_USER_IDS'] ?? '';
    return expected.split(',').some((userId) => ids.includes(userId));
  });
}

/** What the container of a session got as environment, secrets included, as the owner of the API token sees it. */
export async function containerEnv(stack: Stack, sessionId: string): Promise<Record<string, string>> {
  const env = (await containerEnvironments(stack)).get(sessionId);
  if (!env) throw new Error(`the simulator never started a session ${sessionId}`);
  return env;
}

/** The module's requests to the Session API, oldest first: those of one operation, in one region. */
export function requestsOf(stack: Stack, operation: Operation, region?: string): RequestLogEntry[] {
  const all = stack.simulator.requests().filter((request) => request.operation === operation);
  return region === undefined ? all : all.filter((request) => request.region === region);
}

/** Ends sessions as another server would, and waits until the simulator agrees. */
export async function endSessions(stack: Stack, sessionIds: string[]): Promise<void> {
  for (let done = 0; done < sessionIds.length; done += 10) {
    const some = sessionIds.slice(done, done + 10);
    // On a busy machine the API's answer comes too late now and then: code 14 asks to try again.
    const deleted = async (id: string) => (await stack.nakama.rpc('fleet_delete', { id })).status === 200;
    await Promise.all(some.map((id) => until(() => deleted(id), 20_000, `fleet_delete of ${id}`)));
  }
  const ended = () => sessionIds.every((id) => stack.simulator.ledger.get(id)?.endedAtMs !== undefined);
  await until(ended, 5_000, () => `the end of ${sessionIds.join(', ')}`);
}

/** Starts a session past the module, as somebody else with the same API token would. */
export async function startBehindItsBack(
  stack: Stack,
  id: string,
  region: string,
  fleet: string,
  more: Record<string, string> = {},
): Promise<void> {
  const body = { id, location: region, image: QUIET_IMAGE, labels: { nakama_fleet: fleet, ...more } };
  const response = await callSimulator(stack, 'POST', '/session', body);
  expect(response.status).toBe(201);
}

/** Stops such a session again. */
export async function stopBehindItsBack(stack: Stack, id: string): Promise<void> {
  expect((await callSimulator(stack, 'DELETE', `/session/${id}`)).status).toBe(204);
}

function callSimulator({ simulator }: Stack, method: string, path: string, body?: object): Promise<Response> {
  const headers = { authorization: `Bearer ${API_TOKEN}`, ...(body ? { 'content-type': 'application/json' } : {}) };
  return fetch(simulator.url + path, { method, headers, ...(body ? { body: JSON.stringify(body) } : {}) });
}

// By the listing, which the module does not use: its requests stay alone in the log, and no fault counts ours.
async function containerEnvironments(stack: Stack): Promise<Map<string, Record<string, string>>> {
  const response = await callSimulator(stack, 'GET', '/session?all=true');
  const { sessions } = (await response.json()) as { sessions: { id: string; labels: { env: string } }[] };
  return new Map(sessions.map(({ id, labels }) => [id, JSON.parse(labels.env) as Record<string, string>]));
}

/** A table of the module; the embedded runtime keeps its own apart from those of a real Nakama in the same database. */
export function tableOf({ runtime }: Stack, table: string): string {
  return `${runtime.kind === 'embedded' ? 'embedded_nakama' : 'public'}.${table}`;
}

/** The id by which this deployment knows its sessions. */
export async function ownerOf(stack: Stack): Promise<string> {
  const sql = `SELECT value FROM ${tableOf(stack, 'gameye_control')} WHERE key = 'owner'`;
  const [row] = await query<{ value: string }>(stack.database, sql);
  if (!row) throw new Error('this deployment has started no session yet');
  return row.value;
}
