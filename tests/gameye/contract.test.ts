import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { OPERATIONS, type Operation } from '../../dev/gameye/faults.ts';
import { FACTS, factsObjection, REFUSAL } from './facts.ts';
import { call, EU, simulate, until, type Reply } from './helpers.ts';
import { ApiDocument, hasDocument } from './openapi.ts';

const NOBODY = { authorization: 'Bearer unknown' };
// A path of three segments leaves nothing that could be bad about it, and joining and leaving need no scope to lack.
const UNREACHABLE = ['tag-exists 400', 'join-session 403', 'leave-session 403'];
/** How the operations with a body are asked, and a right value for each of its fields. */
const REQUESTS: { [operation in Operation]?: [string, string] } = {
  'session-run': ['POST', '/session'],
  'join-session': ['PUT', '/session/player/join'],
  'leave-session': ['DELETE', '/session/player/leave'],
};
const EXAMPLE: Record<string, unknown> = {
  ...{ location: EU, image: 'empty', id: 'one', env: { A: '1' }, args: ['1'], restart: false, labels: { map: 'dust' } },
  ...{ version: '1.0.0', ttl: '1h', external_id: 'e', session: 'one', players: ['p'] },
};
const POWERLESS = { authorization: 'Bearer powerless' };

const bodyOf = ({ type, text, json }: Seen): unknown =>
  type.startsWith('application/json') ? json : text === '' ? undefined : text;

/** The statuses of an operation that were not seen, but for those that nothing can lead to. */
function missing(seen: Seen[], operation: Operation, statuses: number[]): number[] {
  const had = new Set(seen.filter((response) => response.operation === operation).map(({ status }) => status));
  return statuses.filter((status) => !had.has(status) && !UNREACHABLE.includes(`${operation} ${status}`));
}

describe('the simulator', () => {
  it('answers as the Session API does: every operation with every status, and the fields of each', async () => {
    const seen = await everyResponse();
    for (const one of seen) expect(factsObjection(one.operation, one.status, one.type, bodyOf(one))).toBeUndefined();
    for (const operation of OPERATIONS) {
      const { success, refusals } = FACTS[operation];
      expect({ operation, missing: missing(seen, operation, [success.status, ...refusals]) }).toEqual({
        operation,
        missing: [],
      });
    }
  });

  it('is found out when a response is not like one of the Session API', () => {
    expect(factsObjection('session-run', 201, 'application/json', { host: '::1' })).toContain('wrong body: ports');
    expect(factsObjection('session-run', 418, 'application/json', {})).toContain('may not answer');
    expect(factsObjection('session-run', 404, 'text/html', {})).toContain('may not be');
    expect(factsObjection('session-stop', 204, 'application/json', {})).toContain('must have no body');
  });

  it.each(OPERATIONS.filter((operation) => FACTS[operation].body))(
    'takes the fields of %s and no others',
    async (id) => {
      const simulator = await simulate({ quota: 0 }); // whatever passes the validation gets 402 or 404
      const [method, path] = REQUESTS[id]!;
      const { required, optional } = FACTS[id].body!;
      const full = Object.fromEntries([...required, ...optional].map((field) => [field, EXAMPLE[field]]));
      const refused = async (body: object): Promise<boolean> =>
        (await call(simulator, method, path, body)).status === 422;
      expect(await refused(full)).toBe(false);
      for (const field of required) expect(await refused({ ...full, [field]: undefined }), field).toBe(true);
      for (const field of optional) expect(await refused({ ...full, [field]: undefined }), field).toBe(false);
      expect(await refused({ ...full, surplus: 1 })).toBe(true);
    },
  );
});

// The official document is not ours to publish: where it is not beside the project, these tests say that they did not run.
describe.skipIf(!hasDocument)('the official document (skipped: it is not beside the project)', () => {
  let document: ApiDocument;
  beforeAll(async () => {
    document = await ApiDocument.load();
  });

  it('describes ten operations, and the simulator has all of them', () => {
    expect(document.operationIds.sort()).toEqual([...OPERATIONS].sort());
  });

  it.each(OPERATIONS)('says of %s what these tests take for true', (operation) => {
    const { success, refusals, body } = FACTS[operation];
    expect(document.statuses(operation)).toEqual([success.status, ...refusals].sort((a, b) => a - b));
    expect(document.requiredIn(operation, success.status)).toEqual(
      typeof success.body === 'object' && success.body !== null ? Object.keys(success.body).sort() : undefined,
    );
    for (const status of refusals) expect(document.requiredIn(operation, status)).toEqual(Object.keys(REFUSAL).sort());
    expect(document.bodyOf(operation)).toEqual(
      body && { required: [...body.required].sort(), optional: [...body.optional].sort() },
    );
  });

  it('finds fault with a response that is not as described', () => {
    expect(document.objection('session-run', 201, 'application/json', { host: '::1' })).toContain('wrong body');
    expect(document.objection('session-run', 418, 'application/json', {})).toContain('may not answer');
    expect(document.objection('session-run', 404, 'text/html', {})).toContain('may not be');
  });

  it('agrees with every response of every operation', async () => {
    for (const one of await everyResponse()) {
      expect(document.objection(one.operation, one.status, one.type, bodyOf(one))).toBeUndefined();
    }
  });

  it('and the simulator refuse the same bodies of POST /session', async () => {
    const simulator = await simulate({ quota: 0 }); // whatever passes the validation gets 402 or 404
    const wrong = fc.oneof(fc.integer(), fc.boolean(), fc.constant(null), fc.constant([]), fc.constant({}));
    const mostly = (right: fc.Arbitrary<unknown>) => fc.oneof({ weight: 16, arbitrary: right }, wrong);
    const text = fc.string({ maxLength: 3 }); // the empty one included
    const texts = fc.dictionary(fc.string({ maxLength: 3 }), mostly(text), { maxKeys: 2, noNullPrototype: true });
    // Without ttl: the document takes any string there and describes its form in words.
    const body = fc.record(
      {
        location: mostly(fc.constant(EU)),
        image: mostly(fc.constant('empty')),
        id: mostly(text),
        env: mostly(texts),
        args: mostly(fc.array(mostly(text), { maxLength: 2 })),
        restart: mostly(fc.boolean()),
        labels: mostly(texts),
        version: mostly(text),
        external_id: mostly(text),
      },
      { requiredKeys: ['location', 'image'] },
    );
    const verdicts = { accepted: 0, refused: 0 };
    await fc.assert(
      fc.asyncProperty(body as fc.Arbitrary<object>, async (fields) => {
        const accepted = document.acceptsBody('session-run', fields);
        verdicts[accepted ? 'accepted' : 'refused']++;
        const { status } = await call(simulator, 'POST', '/session', fields);
        expect(status !== 422).toBe(accepted);
      }),
      {
        numRuns: 200,
        examples: [[{ location: EU }], [{ image: 'empty' }], [{ location: EU, image: 'empty', more: 1 }], [{}]],
      },
    );
    expect(verdicts.accepted).toBeGreaterThan(20);
    expect(verdicts.refused).toBeGreaterThan(20);
  });
});

type Seen = Reply & { operation: Operation };

/** Drives a simulator through every response that the document describes. */
async function everyResponse(): Promise<Seen[]> {
  const simulator = await simulate({
    regions: { [EU]: {}, full: { capacity: 0 } },
    tokens: {
      'sim-token': ['session:start', 'session:read', 'session:stop', 'artifact:read', 'regions:read', 'logs:read'],
      powerless: [],
    },
  });
  const seen: Seen[] = [];
  const record = async (
    operation: Operation,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ) => {
    const reply = await call(simulator, method, path, body, headers);
    seen.push({ ...reply, operation });
    return reply;
  };
  const start = (fields: object, headers?: Record<string, string>) =>
    record('session-run', 'POST', '/session', { location: EU, image: 'sleeper', ...fields }, headers);

  await start({ id: 'one', labels: { map: 'dust' }, env: { A: '1' }, args: ['1'], ttl: '1h', external_id: 'e' });
  await start({ id: 'one' });
  await start({ image: 'unknown' });
  await start({ location: 'full' });
  await start({ surplus: 1 });
  await start({ ttl: '5 minutes' });
  simulator.configure({ quota: 1 });
  await start({});
  await record('join-session', 'PUT', '/session/player/join', { session: 'one', players: ['p'] });
  for (const path of ['/session', '/session?all=true', '/session?filter[map]=dust&playerCount[gt]=0']) {
    await record('session-list', 'GET', path);
  }
  await record('describe-session', 'GET', '/session/one');
  await record('describe-session', 'GET', '/session/unknown');
  await record('leave-session', 'DELETE', '/session/player/leave', { players: ['p'] });
  for (const [operation, method, path] of [
    ['join-session', 'PUT', '/session/player/join'],
    ['leave-session', 'DELETE', '/session/player/leave'],
  ] as const) {
    await record(operation, method, path, { session: 'unknown', players: [] });
    await record(operation, method, path, { players: 'p' });
  }
  await record('get-available-locations', 'GET', '/available-location/sleeper');
  await record('get-available-locations', 'GET', '/available-location/unknown');
  await record('tag-exists', 'GET', `/tag/${EU}/sleeper/1.0.0`);
  await record('tag-exists', 'GET', `/tag/${EU}/unknown/1.0.0`);
  await record('stream-logs', 'GET', '/logs?id=one');
  await record('stream-logs', 'GET', '/logs?id=unknown');
  await record('artifacts', 'GET', '/artifacts?session=one&path=/'); // still running: 404
  await record('session-stop', 'DELETE', '/session/one');
  await record('session-stop', 'DELETE', '/session/one');
  await record('session-stop', 'DELETE', '/session/unknown');
  await until('it has ended', () => simulator.ledger.get('one')!.endedAtMs);
  await record('artifacts', 'GET', '/artifacts?session=one&path=/');
  await record('session-list', 'GET', '/session?all=true');
  await record('describe-session', 'GET', '/session/one');
  await refusals(record);
  await simulator.stop();
  return seen;
}

/** 401 and 403 of every operation. */
async function refusals(
  record: (
    operation: Operation,
    method: string,
    path: string,
    body: unknown,
    headers: Record<string, string>,
  ) => Promise<Reply>,
): Promise<void> {
  const requests: [Operation, string, string, unknown?][] = [
    ['session-run', 'POST', '/session', { location: EU, image: 'sleeper' }],
    ['session-list', 'GET', '/session'],
    ['describe-session', 'GET', '/session/one'],
    ['session-stop', 'DELETE', '/session/one'],
    ['join-session', 'PUT', '/session/player/join', { session: 'one', players: [] }],
    ['leave-session', 'DELETE', '/session/player/leave', { players: [] }],
    ['artifacts', 'GET', '/artifacts?session=one&path=/'],
    ['get-available-locations', 'GET', '/available-location/sleeper'],
    ['tag-exists', 'GET', `/tag/${EU}/sleeper/1.0.0`],
    ['stream-logs', 'GET', '/logs?id=one'],
  ];
  for (const [operation, method, path, body] of requests) {
    await record(operation, method, path, body, NOBODY);
    await record(operation, method, path, body, POWERLESS);
  }
}
