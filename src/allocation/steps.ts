import { SECOND } from '../config';
import type { Outcome } from '../gameye/failure';
import { adviceFor } from '../gameye/failure';
import { describeSession, joinSession, runSession, stopSession } from '../gameye/session-api';
import { choosePort, type Started } from '../gameye/wire';
import { callBack, notifiesPlayers } from '../extension/callbacks';
import { extrasFor } from '../extension/extras';
import type { Instance } from '../instances/instance';
import { withPlayersTold } from '../instances/pool';
import { readInstance, removeInstance, updateInstance } from '../instances/store';
import type { Call } from '../nakama/caller';
import { withFields } from '../nakama/log';
import { count, regionLabel } from '../nakama/metrics';
import { assign, stillWaiting } from '../players/assignment';
import { notifyFailed, notifyMatch } from '../told/notify';
import { nextStep, timeFor, type Allocation, type Step } from './allocation';
import {
  afterAnnouncement,
  afterGiveUpId,
  afterLookUp,
  afterNobodyTold,
  afterPortMissing,
  afterRun,
  afterStart,
  afterStop,
  fail,
  timeOut,
} from './transitions';
import { storeAttempt } from './attempt';
import { beforeCallback, lease, reread, RUN_TIMEOUT_MS, save, type Hold } from './ownership';
import { coolDown, inTryOrder, regionsAfter } from './failover';
import { finding, instanceOf, regionOf, sessionRun } from './launch';
import { join } from '../backfill/seek';
import { register, vacate, welcome } from '../backfill/seated';
import { countEnd, countRetry } from './measure';
import { decided } from '../backfill/pool';
import { whyNotStop } from './named';
import { deleteAllocation, saveRecorded } from './store';
import { leaveSuperseded } from './superseded';

const CALL_TIMEOUT_MS = 10 * SECOND;
/** How often a worker looks whether its game server is ready. */
const READY_POLL_MS = 250;

/**
 * Does what an allocation needs now, step by step, until it has to wait; undefined when it is finished or somebody else's.
 * Blocks on the network: only allocator matches call it. `moved` hears of every step, so that nothing is forgotten when a
 * later one throws because the database fails; the caller then tries again with what it heard last.
 */
export function work(call: Call, hold: Hold, moved: (hold: Hold) => void): Hold | undefined {
  let current: Hold | undefined = hold;
  while (current) {
    const step = nextStep(current.allocation, Date.now());
    if (step.do === 'wait') return current;
    current = perform(call, current, step);
    if (current) moved(current);
  }
  return undefined;
}

function perform(call: Call, hold: Hold, step: Exclude<Step, { do: 'wait' }>): Hold | undefined {
  switch (step.do) {
    case 'join':
      return join(call, hold);
    case 'register':
      return register(call, hold);
    case 'welcome':
      return beforeCallback(call, hold, welcome);
    case 'vacate':
      return vacate(call, hold);
    case 'run':
      return run(call, inTryOrder(call.nk, hold));
    case 'look-up':
      return lookUp(call, hold);
    case 'give-up-id':
      return giveUpId(call, hold);
    case 'time-out':
      return save(call, hold, (a) => timeOut(a, Date.now()));
    case 'await-server':
      return awaitServer(call, hold);
    case 'announce':
      return beforeCallback(call, hold, announce);
    case 'record':
      return record(call, hold);
    case 'tell-failure':
      return beforeCallback(call, hold, tellFailure);
    case 'stop':
      return stopAbandoned(call, hold, step.sessionId);
    case 'finish':
      return finish(call, hold);
  }
}

/** Stores the attempt, then sends it: nothing is sent before it is stored, nor after somebody cancelled. */
function run(call: Call, hold: Hold): Hold | undefined {
  const { nk, config } = call;
  const { in_doubt, attempts } = hold.allocation;
  const before = attempts === 0 ? decided(nk, config, hold.allocation) : hold.allocation;
  const now = Date.now();
  const answer_by_ms = now + timeFor(hold.allocation, RUN_TIMEOUT_MS, now);
  const attempt: Allocation = { ...before, state: 'starting', attempts: attempts + 1, answer_by_ms };
  // In doubt from here for whoever finds the record after a crash; for us only if the answer does not tell.
  const stored = storeAttempt(call, hold, { ...attempt, in_doubt: true });
  if (stored === 'full') return refuse(call, hold);
  if (!stored) return reread(call, hold);
  const a: Allocation = { ...stored.allocation, in_doubt };
  countRetry(call, a);
  const sentAt = Date.now();
  // A slow database takes from the time for the answer: it ends before the lease does.
  const timeoutMs = Math.max(SECOND, answer_by_ms - sentAt);
  const outcome = runSession(nk, config, sessionRun(nk, config, a, sentAt), timeoutMs);
  if (outcome.kind === 'done') return started(call, stored, outcome.value);
  logFailure(call, a, outcome);
  const regions = regionsAfter(call, a, outcome.failure, sentAt);
  const answeredAt = Date.now();
  return save(call, stored, (fresh) => afterRun({ ...fresh, in_doubt, regions }, outcome, answeredAt, chance(call)));
}

/** Nothing was sent: as many sessions run as may. */
function refuse(call: Call, hold: Hold): Hold | undefined {
  logger(call, hold.allocation).warn(
    'Gameye: no session is started, because GAMEYE_MAX_SESSIONS run or start already.',
  );
  return save(call, hold, (a) => fail(a, 'quota_exceeded', Date.now()));
}

function lookUp(call: Call, hold: Hold): Hold | undefined {
  const { allocation: a } = hold;
  const outcome = describeSession(call.nk, call.config, a.session_id, timeFor(a, CALL_TIMEOUT_MS, Date.now()));
  const found = outcome.kind === 'done' ? finding(call.config, a, outcome.value) : undefined;
  if (outcome.kind === 'done' && found === 'adoptable') {
    count(call.nk, 'gameye_adoptions', { region: regionLabel(call.config, regionOf(a)) });
    logger(call, a).info('Gameye: adopted a session that an earlier request had started.');
    return started(call, hold, { host: outcome.value.host, ports: outcome.value.ports });
  }
  if (outcome.kind !== 'done') logFailure(call, a, outcome);
  return save(call, hold, (fresh) => afterLookUp(fresh, outcome, found, Date.now(), chance(call)));
}

/** The session runs. Without the port that players need it is of no use, unless a second look finds one. */
function started(call: Call, hold: Hold, where: Started): Hold | undefined {
  const { port, ready } = call.config;
  const now = Date.now();
  if (choosePort(where.ports, port) !== undefined) {
    // Stored before the players are told: who cancelled meanwhile must not be told an address as well.
    return save(call, hold, (a) => afterStart(a, where, ready === 'server', now));
  }
  const exposed = Object.keys(where.ports).join(', ') || 'none';
  const message = `The session exposes these ports: ${exposed}; wanted: ${port ?? 'any'}.`;
  return save(call, hold, (a) => afterPortMissing(a, message, now));
}

/** The game server says by RPC that it is ready, which changes the record; nothing else tells its worker. */
function awaitServer(call: Call, hold: Hold): Hold | undefined {
  const fresh = reread(call, hold);
  return fresh && { ...fresh, allocation: { ...fresh.allocation, next_at_ms: Date.now() + READY_POLL_MS } };
}

function announce(call: Call, hold: Hold): Hold | undefined {
  const { allocation: a } = hold;
  const userIds = a.request.user_ids;
  const instance = instanceOf(call.config, a, Date.now());
  // It was stored with its port; only another GAMEYE_API_PORT after a restart leads here.
  if (!instance) return save(call, hold, (fresh) => fail({ ...fresh, in_doubt: true }, 'misconfigured', Date.now()));
  const extras = extrasFor(call, instance);
  const missed = notifiesPlayers(a)
    ? notifyMatch(call.nk, call.logger, call.config, instance, userIds, Date.now(), extras)
    : [];
  if (userIds.length > 0 && missed.length === userIds.length) {
    return save(call, hold, (fresh) => afterNobodyTold(fresh, Date.now(), chance(call)));
  }
  logStarted(call, a, instance);
  countEnd(call, a, 'started');
  callBack(call, a, instance);
  const saved = save(call, hold, (fresh) => afterAnnouncement(fresh, Date.now(), chance(call)));
  if (saved) assign(call.nk, call.logger, saved.allocation, instance.connection_info.port);
  return saved;
}

/** Stores the instance and ends the allocation in one transaction, then tells Gameye who plays. */
function record(call: Call, hold: Hold): Hold | undefined {
  const { nk, config } = call;
  const { allocation: a } = hold;
  const next: Allocation = { ...a, state: 'announced', lease: lease(call) };
  const stays = a.abandoned.length > 0 || a.session_id !== a.id;
  const instance = instanceOf(config, a, Date.now());
  // Game servers that report are often faster. Nakama logs an error for every transaction that is refused, so we look first.
  const isStored = instance !== undefined && config.nakamaUrl !== undefined && readInstance(nk, a.session_id);
  const version = instance && !isStored ? saveRecorded(nk, next, hold.version, instance, stays) : 'conflict';
  if (version === 'conflict') {
    // Somebody cancelled, took over, or stored the instance already because it was asked for.
    const current = reread(call, hold);
    if (current?.allocation.state !== 'started' || (instance && !readInstance(nk, a.session_id))) return current;
    if (a.backfill) updateInstance(nk, a.session_id, withPlayersTold);
    const saved = save(call, current, (fresh) => ({ ...fresh, state: 'announced' }));
    registerPlayers(call, a);
    return saved;
  }
  registerPlayers(call, a);
  return stays ? { allocation: next, version } : undefined;
}

function tellFailure(call: Call, hold: Hold): Hold | undefined {
  const { allocation: a } = hold;
  if (notifiesPlayers(a)) {
    const userIds = stillWaiting(call.nk, a);
    notifyFailed(call.nk, call.logger, a.reason ?? 'error', userIds, call.config.notify);
  }
  logger(call, a).warn('Gameye: an allocation ended without a game server.');
  countEnd(call, a, a.state === 'cancelled' ? 'cancelled' : 'failed');
  // Never stored: nothing was sent either.
  if (hold.version !== '*') assign(call.nk, call.logger, a);
  callBack(call, a);
  if (hold.version === '*') return undefined;
  return save(call, hold, (fresh) => ({ ...fresh, told: true }));
}

/**
 * Nothing is left to do. The row of a session that got another id stays as long as its instance does: it is how the id
 * that `fleet_create` answered is found.
 */
function finish(call: Call, hold: Hold): undefined {
  const { allocation: a } = hold;
  if (a.state === 'announced' && a.session_id !== a.id) return undefined;
  deleteAllocation(call.nk, a.id, hold.version);
  return undefined;
}

/**
 * Gameye counts players too, and seats that they had elsewhere are free now. It is not what they wait for, so a failure is
 * only logged; a repetition changes nothing.
 */
function registerPlayers(call: Call, a: Allocation): void {
  leaveSuperseded(call, a, a.session_id, CALL_TIMEOUT_MS);
  if (a.request.user_ids.length === 0) return;
  const outcome = joinSession(call.nk, call.config, a.session_id, a.request.user_ids, CALL_TIMEOUT_MS);
  if (outcome.kind !== 'done') logFailure(call, a, outcome);
}

function giveUpId(call: Call, hold: Hold): Hold | undefined {
  coolDown(call.nk, regionOf(hold.allocation), hold.allocation.last_failure);
  const { allocation: a } = hold;
  const outcome = stop(call, a.session_id, timeFor(a, CALL_TIMEOUT_MS, Date.now()));
  return save(call, hold, (fresh) => afterGiveUpId(fresh, outcome, Date.now(), chance(call)));
}

function stopAbandoned(call: Call, hold: Hold, sessionId: string): Hold | undefined {
  const isNamed = hold.allocation.abandoned.some((one) => one.session_id === sessionId && one.named_by_api);
  const refusal = isNamed ? whyNotStop(call, hold.allocation, sessionId, CALL_TIMEOUT_MS) : undefined;
  const outcome = refusal ?? stop(call, sessionId, CALL_TIMEOUT_MS);
  return save(call, hold, (a) => afterStop(a, sessionId, outcome, call.config.ttlMs, Date.now(), chance(call)));
}

/** Stops a session and, once that is answered, forgets its instance. */
function stop(call: Call, sessionId: string, timeoutMs: number): Outcome<'stopped' | 'absent'> {
  const outcome = stopSession(call.nk, call.config, sessionId, timeoutMs);
  if (outcome.kind === 'done') removeInstance(call.nk, sessionId);
  return outcome;
}

function chance(call: Call): { newId: () => string; random: () => number } {
  return { newId: () => call.nk.uuidv4(), random: Math.random };
}

function logger(call: Call, a: Allocation): Call['logger'] {
  return withFields(call.logger, {
    allocation: a.id,
    session: a.session_id,
    region: regionOf(a),
    attempts: a.attempts,
    took_ms: Date.now() - a.created_at_ms,
    reason: a.reason,
    failure: a.last_failure?.kind,
  });
}

function logStarted(call: Call, a: Allocation, instance: Instance): void {
  withFields(logger(call, a), {
    host: instance.connection_info.ip_address,
    port: instance.connection_info.port,
    players: a.request.user_ids.length,
  }).info('Gameye: session started, players notified.');
}

function logFailure(call: Call, a: Allocation, outcome: Exclude<Outcome<unknown>, { kind: 'done' }>): void {
  const { failure } = outcome;
  withFields(logger(call, a), {
    failure: failure.kind,
    operation: failure.operation,
    status: failure.status,
    message: failure.message,
    identifier: failure.identifier,
    certainty: outcome.kind,
    advice: adviceFor(failure),
  }).warn('Gameye: a request failed.');
}
