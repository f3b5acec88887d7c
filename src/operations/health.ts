import { readOrders, type Orders } from '../allocation/orders';
import { versionsInForce } from '../allocation/version';
import { SECOND, type Config } from '../config';
import { hasReports } from '../database/control';
import { secureTwin } from '../gameye/connection';
import { adviceFor, type Failure, type Outcome } from '../gameye/failure';
import { availableLocations, listNothing, runNothing, stopSession, tagExists } from '../gameye/session-api';
import { modeConfig } from '../mode-config';
import type { Call } from '../nakama/caller';
import { errorText, withFields } from '../nakama/log';

/** One thing that has to be right. `unknown`: it could not be found out, which is not held against it. `storage`: the database. */
export interface Check {
  check: 'storage' | 'api' | 'token' | Scope | 'image' | 'region' | 'version' | 'reports';
  region?: string;
  /** Missing: what the variables say. */
  mode?: string;
  ok: boolean | 'unknown';
  /** What to do; missing when all is well. */
  advice?: string;
}

export interface Health {
  /** Nothing is known to be wrong. */
  healthy: boolean;
  checks: Check[];
}

type Scope = 'session:read' | 'session:start' | 'session:stop';

/** Undefined: there was no time left to ask. */
type Asked<T> = Outcome<T> | undefined;

type Ask = <T>(probe: (timeoutMs: number) => Outcome<T>, quietly?: 'quietly') => Asked<T>;

/** All probes together, so that the answer is there before Nakama cuts it off after 10 s. */
const TOTAL_MS = 8 * SECOND;
const PROBE_MS = 2 * SECOND;

/** Only whether the region is known is asked then, not whether it has the tag. */
const ANY_TAG = 'latest';

const UNCLEAR = 'This could not be found out now: try again.';
const NOT_THE_API = 'GAMEYE_API_URL answers, but not as the Session API does: check it.';

/**
 * Asks the database and the Session API what every allocation will need, with requests that start and change nothing: a
 * list that shows nothing, a start without a body, a stop of an id that nobody has, then image, regions and version. When
 * the API or the token is not usable, the checks that need it are left out.
 */
export function checkHealth(call: Call): Health {
  const { nk, config } = call;
  const deadline = Date.now() + TOTAL_MS;
  const ask: Ask = (probe, quietly) => {
    const timeoutMs = Math.min(PROBE_MS, deadline - Date.now());
    if (timeoutMs < 100) return undefined;
    const outcome = probe(timeoutMs);
    if (outcome.kind !== 'done' && !quietly) logFailure(call, outcome.failure);
    return outcome;
  };
  const database = readDatabase(call);
  const checks = [database.check, ...judgeReports(call), ...judgeApi(ask((ms) => listNothing(nk, config, ms)))];
  if (checks.some(({ check, ok }) => check === 'token' && ok === true)) {
    const start = ask((ms) => runNothing(nk, config, ms));
    const failure = failureOf(start);
    // What comes through a redirect says nothing about what a start or a stop would meet.
    if (failure?.kind === 'redirected') {
      return { healthy: false, checks: [database.check, wrong('api', adviceFor(failure))] };
    }
    checks.push(judgeStart(start));
    checks.push(judgeStop(ask((ms) => stopSession(nk, config, nk.uuidv4(), ms))));
    for (const mode of ['', ...Object.keys(config.modes)]) {
      checks.push(...checkImage(nk, modeConfig(config, mode), database.orders, ask));
    }
    const secure = secureUrl(call, ask);
    if (secure !== undefined)
      checks.splice(
        checks.findIndex(({ check }) => check === 'api'),
        1,
        wrong('api', secure),
      );
  }
  return { healthy: checks.every((check) => check.ok !== false), checks };
}

/** What the sessions of one mode need: its image, its regions, and the versions in force there. */
function checkImage(nk: Call['nk'], config: Config, orders: Orders, ask: Ask): Check[] {
  const { image, mode } = config;
  const locations = ask((ms) => availableLocations(nk, config, image, ms));
  const checks = [judgeImage(image, locations)];
  const versions = versionsInForce(orders, config);
  for (const region of locations?.kind === 'done' ? config.regions : []) {
    const offered = locations?.kind === 'done' && locations.value.some(({ id }) => id === region);
    const tag = (version: string): Asked<boolean> => ask((ms) => tagExists(nk, config, region, image, version, ms));
    const tags = versions.map((version) => ({ version, tag: tag(version) }));
    checks.push(judgeRegion(region, offered, offered ? undefined : (tags[0]?.tag ?? tag(ANY_TAG))));
    checks.push(...tags.map((one) => judgeVersion(region, image, one.version, one.tag)));
  }
  return mode === '' ? checks : checks.map((check) => ({ ...check, mode }));
}

/** What operators ordered comes from the database; without it the configured versions are checked. */
function readDatabase({ nk, config, logger }: Call): { check: Check; orders: Orders } {
  try {
    return { check: right('storage'), orders: readOrders(nk, config) };
  } catch (error) {
    withFields(logger, { error: errorText(error) }).error('Gameye: the health check could not read the database.');
    const check = wrong('storage', 'The database does not answer: see the log of Nakama.');
    return { check, orders: { count: 0, versions: {}, regions: {} } };
  }
}

/** Where game servers can report: whether one ever did. Until then nobody knows whether they reach this server. */
function judgeReports({ nk, config }: Call): Check[] {
  if (config.nakamaUrl === undefined) return [];
  try {
    if (hasReports(nk, config.fleet)) return [right('reports')];
  } catch {
    return [unclear('reports')];
  }
  const advice = `No game server of this fleet has reported yet. When some run, check that they reach ${config.nakamaUrl} (GAMEYE_NAKAMA_URL) and report. No session is stopped for lack of reports meanwhile.`;
  return [unclear('reports', advice)];
}

/** Whether it is the Session API, knows the token, and lets it read. */
function judgeApi(list: Asked<number>): Check[] {
  const failure = failureOf(list);
  switch (failure?.kind) {
    case undefined:
      return list ? [right('api'), right('token'), right('session:read')] : [unclear('api')];
    case 'forbidden':
      return [right('api'), right('token'), wrong('session:read', scopeAdvice('session:read'))];
    case 'unauthorized':
      return [right('api'), wrong('token', adviceOf(failure))];
    case 'no-capacity':
      return [right('api'), unclear('token')];
    case 'unavailable':
    case 'redirected':
    case 'untrusted':
      return [wrong('api', adviceOf(failure))];
    case 'unknown':
      // With a status it was readable, but no list: a login page, another service.
      return [wrong('api', failure?.status === undefined ? adviceOf(failure) : NOT_THE_API)];
    case 'not-found':
    case 'invalid':
    case 'conflict':
    case 'not-idempotent':
    case 'quota-exceeded':
      return [wrong('api', NOT_THE_API)];
  }
}

/**
 * What to do when the API answers at https:// as well. A redirect that keeps the method shows in no answer, and nobody wants to
 * send the token readably.
 */
function secureUrl({ nk, config }: Call, ask: Ask): string | undefined {
  const apiUrl = secureTwin(config.apiUrl);
  if (apiUrl === undefined) return undefined;
  const answered = ask((ms) => listNothing(nk, { ...config, apiUrl }, ms), 'quietly')?.kind === 'done';
  return answered
    ? `The API answers at ${apiUrl} too, and over http:// anybody on the way reads the token: set GAMEYE_API_URL to that.`
    : undefined;
}

/** The API refuses the empty start as invalid, or says first that this token may start nothing. */
function judgeStart(start: Asked<unknown>): Check {
  const failure = failureOf(start);
  if (failure?.kind === 'invalid') return right('session:start');
  if (failure?.kind === 'forbidden') return wrong('session:start', scopeAdvice('session:start'));
  return failure?.kind === 'quota-exceeded' ? wrong('session:start', adviceOf(failure)) : unclear('session:start');
}

function judgeStop(stop: Asked<unknown>): Check {
  if (stop?.kind === 'done') return right('session:stop');
  const forbidden = failureOf(stop)?.kind === 'forbidden';
  return forbidden ? wrong('session:stop', scopeAdvice('session:stop')) : unclear('session:stop');
}

function judgeImage(image: string, locations: Asked<unknown>): Check {
  if (locations?.kind === 'done') return right('image');
  switch (failureOf(locations)?.kind) {
    case 'not-found':
      return wrong('image', `Gameye has no image ${image}, or the token may not use it: check GAMEYE_API_IMAGE.`);
    case 'forbidden':
      return unclear('image', 'Give the API token the scope regions:read to have image, regions and version checked.');
    default:
      return unclear('image');
  }
}

/** The list of locations has those that can run the image now; the tag's 404 tells a region that does not exist. */
function judgeRegion(region: string, offered: boolean, tag: Asked<boolean>): Check {
  if (offered) return right('region', region);
  return failureOf(tag)?.kind === 'not-found'
    ? wrong('region', `Gameye knows no region ${region}: check GAMEYE_API_REGION.`, region)
    : wrong('region', `${region} cannot run the image now: an outage, or the image is not there.`, region);
}

function judgeVersion(region: string, image: string, version: string, tag: Asked<boolean>): Check {
  if (tag?.kind !== 'done') return unclear('version', UNCLEAR, region);
  if (tag.value) return right('version', region);
  const advice = `${image} has no version ${version} in ${region}: push it, or set another with gameye_set_version.`;
  return wrong('version', advice, region);
}

function right(check: Check['check'], region?: string): Check {
  return { check, ...(region === undefined ? {} : { region }), ok: true };
}

function wrong(check: Check['check'], advice: string, region?: string): Check {
  return { check, ...(region === undefined ? {} : { region }), ok: false, advice };
}

function unclear(check: Check['check'], advice = UNCLEAR, region?: string): Check {
  return { check, ...(region === undefined ? {} : { region }), ok: 'unknown', advice };
}

function scopeAdvice(scope: Scope): string {
  return `Give the API token the scope ${scope}.`;
}

function adviceOf(failure: Failure | undefined): string {
  return failure ? adviceFor(failure) : UNCLEAR;
}

function failureOf(asked: Asked<unknown>): Failure | undefined {
  return !asked || asked.kind === 'done' ? undefined : asked.failure;
}

/** The API's own words, for which the answer has no place. An empty start is refused when all is well. */
function logFailure(call: Call, failure: Failure): void {
  if (failure.operation === 'session-run' && failure.kind === 'invalid') return;
  withFields(call.logger, {
    operation: failure.operation,
    failure: failure.kind,
    status: failure.status,
    detail: failure.message,
    identifier: failure.identifier,
  }).warn('Gameye: a request of the health check failed.');
}
