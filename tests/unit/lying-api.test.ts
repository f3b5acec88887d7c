import { describe, expect, it, vi } from 'vitest';
import { remove } from '../../src/fleet/remove';
import type { HttpResponse } from '../../src/nakama/runtime';
import { configWith } from './support/config';
import { answer, CALM, IGNORES_IDS, type Fault, type Turn } from './support/gameye';
import { live, rowsOf, thePost, type Life, type Plan } from './support/life';
import { putInstance } from './support/records';
import type { HttpRequest } from './support/nakama';

/*
 * A Session API that contradicts itself, or us: whatever it says, players get one answer, no second session is started, and
 * what may run for nobody is stopped.
 */
const config = configWith();
const turns = (...faults: Fault[]): Turn[] => faults.map((fault) => ({ ...CALM, fault }));

/** What the API answers instead; undefined: what it should. */
type Lie = (request: HttpRequest, life: Life) => HttpResponse | undefined;

/** Lives through an allocation whose API lies from the first request on. */
function deceived(lie: Lie, plan: Partial<Plan> = {}): Life {
  return live({
    config,
    ...plan,
    meanwhile: {
      before: () => true,
      act: (life) => {
        // Only an API that looks at the id first says that it is taken.
        life.api.capacityBeforeId = false;
        const honest = life.fake.http;
        life.fake.http = (request) => lie(request, life) ?? honest(request);
      },
    },
  });
}

const idOf = ({ url }: HttpRequest): string => url.split('/session/')[1] ?? '';
const sent = (life: Life, method: string): string[] =>
  life.fake.requests
    .filter((one) => one.method === method && !one.url.includes('player'))
    .map((one) => (method === 'post' ? (one.body as { id: string }).id : idOf(one)));
const reasons = (life: Life): unknown[] => life.fake.sent().map((one) => one.content['reason']);
const warned = (life: Life, text: RegExp): unknown => life.fake.log.find(({ message }) => text.test(message))?.fields;

describe('an API that starts another session than the one asked for', () => {
  it('is asked once; the players are told, and both sessions are stopped', () => {
    const life = live({ config, turns: turns(IGNORES_IDS) });
    expect(reasons(life)).toEqual(['error', 'error']);
    expect(sent(life, 'post')).toEqual(['id-0']);
    expect(new Set(sent(life, 'delete'))).toEqual(new Set(['other-0', 'id-0']));
    expect(life.running).toEqual([]);
    expect(rowsOf(life.fake)).toEqual([]);
    expect(warned(life, /a request failed/)).toMatchObject({
      failure: 'not-idempotent',
      advice: expect.stringContaining('GAMEYE_API_URL'),
    });
  });

  it('is asked once also when its answers have no address, or an id that cannot be one', () => {
    for (const body of [{ id: 'other-0' }, { id: '../health', host: 'h', ports: [] }]) {
      const life = deceived(({ method }) => (method === 'post' ? answer(201, body) : undefined));
      expect(reasons(life)).toEqual(['error', 'error']);
      expect(sent(life, 'post')).toEqual(['id-0']);
      expect(sent(life, 'delete').filter((id) => !/^[\w-]+$/.test(id))).toEqual([]);
      expect(life.ended).toBe(true);
    }
  });

  it('does not get the session of another match stopped', () => {
    const life = deceived(({ method }, { fake }) => {
      if (method !== 'post') return undefined;
      putInstance(fake, { id: 'theirs' });
      return answer(201, { id: 'theirs', host: 'h', ports: [{ type: 'udp', container: 7777, host: 1 }] });
    });
    expect(reasons(life)).toEqual(['error', 'error']);
    expect(sent(life, 'delete')).not.toContain('theirs');
    expect(rowsOf(life.fake)).toEqual(['instance theirs']);
    expect(warned(life, /belongs to somebody else/)).toMatchObject({ session: 'theirs' });
  });

  it('does not get a session of another fleet stopped', () => {
    const life = deceived((request) => {
      if (request.method === 'post') return answer(201, { id: 'theirs' });
      if (idOf(request) !== 'theirs') return undefined;
      return answer(200, { id: 'theirs', status: 'running', labels: { tags: '{"nakama_fleet":"another"}' } });
    });
    expect(sent(life, 'get')).toEqual(['theirs']);
    expect(sent(life, 'delete')).not.toContain('theirs');
    expect(life.ended).toBe(true);
  });

  it('is asked whose that session is until it answers, and the session is stopped then', () => {
    let asked = 0;
    const life = deceived((request) => (request.method === 'get' && ++asked <= 3 ? answer(500, {}) : undefined), {
      turns: turns(IGNORES_IDS),
    });
    expect(sent(life, 'get')).toEqual(['other-0', 'other-0', 'other-0', 'other-0']);
    expect(life.running).toEqual([]);
    expect(life.ended).toBe(true);
  });

  it('leads to the same when the server crashes before that is stored; the reconciler stops the other session', () => {
    const life = deceived((_request, { api }) => void (api.capacity = 9), {
      turns: turns(IGNORES_IDS),
      blows: ['none', 'crash-after'],
    });
    expect(life.crashes).toBe(1);
    // The next worker sends the same id; this time the API keeps to it.
    expect(sent(life, 'post')).toEqual(['id-0', 'id-0']);
    expect(life.running).toEqual(['other-0', 'id-0']);
    expect(new Set(life.told.map((one) => one.sessionId))).toEqual(new Set(['id-0']));
  });
});

describe('a session id that the API says is taken, and does not know', () => {
  const hidden = answer(404, { message: 'no such session' });
  const lost = { turns: turns('reply-lost') };

  it('is not replaced by another: the players are told, and no second session is started', () => {
    const lie: Lie = ({ method }) => (method === 'get' || method === 'delete' ? hidden : undefined);
    const life = deceived(lie, lost);
    expect(reasons(life)).toEqual(['error', 'error']);
    expect([...life.api.sessions.keys()]).toEqual(['id-0']);
    expect(new Set(sent(life, 'post'))).toEqual(new Set(['id-0']));
    expect(life.ended).toBe(true);
  });

  it('is adopted when the API knows it within ten seconds', () => {
    // With other pauses there may be no look between its appearance and the end of the ten seconds.
    const random = vi.spyOn(Math, 'random').mockReturnValue(0.5);
    let from = 0;
    const life = deceived(({ method }, { now }) => {
      from = from || now();
      return method === 'get' && now() < from + 8_000 ? hidden : undefined;
    }, lost);
    random.mockRestore();
    expect(life.told.map((one) => one.sessionId)).toEqual(['id-0', 'id-0']);
    expect(life.running).toEqual(['id-0']);
  });

  it('gives way to another once it was stopped', () => {
    const life = deceived(({ method }) => (method === 'get' ? hidden : undefined), lost);
    expect(life.told.map((one) => one.code)).toEqual([7300, 7300]);
    expect(life.running).toHaveLength(1);
    expect(life.running).not.toContain('id-0');
    expect(life.api.sessions.get('id-0')?.stopped).toBe(true);
  });
});

describe('unreadable answers to a start', () => {
  const huge = 'x'.repeat(10 * 1024 * 1024);
  const port = [{ type: 'udp', container: 7777, host: 23456 }];
  const started = (body: unknown): HttpResponse => answer(201, body as object);
  const lies: [string, HttpResponse][] = [
    ['201 without ports', started({ id: 'id-0', host: 'h' })],
    ['201 with an empty list of ports', started({ id: 'id-0', host: 'h', ports: [] })],
    ['201 with ports that are texts', started({ id: 'id-0', host: 'h', ports: [{ ...port[0], host: '23456' }] })],
    ['201 with an id that is a number', started({ id: 7, host: 'h', ports: port })],
    ['201 with a host that is an object', started({ id: 'id-0', host: { ip: 'h' }, ports: port })],
    ['201 that is null', started(null)],
    ['201 that is a list', started([])],
    ['201 that is empty', { code: 201, headers: {}, body: '' }],
    ['200 with a page', { code: 200, headers: {}, body: '<html>Sign in</html>' }],
    ['201 with a page', { code: 201, headers: {}, body: '<html>Welcome</html>' }],
    ['503 with a page', { code: 503, headers: {}, body: '<html>Unavailable</html>' }],
    ['201 of 10 MB', { code: 201, headers: {}, body: JSON.stringify({ id: 'id-0', host: huge, ports: port }) }],
    ['500 of 10 MB', { code: 500, headers: {}, body: huge }],
    ['503 that is to be asked again after nonsense', { ...answer(503, {}), headers: { 'Retry-After': ['-1e999'] } }],
    ['429 that is to be asked again in a year', { ...answer(429, {}), headers: { 'Retry-After': ['31536000'] } }],
  ];
  it.each(lies)('cost only time, no session and no answer: %s, after the session was started', (_name, reply) => {
    let first = true;
    const life = deceived((request, { api }) => {
      if (request.method !== 'post' || !first) return undefined;
      first = false;
      api.handle(request);
      return reply;
    });
    // 429 says that nothing was started: it is believed, and the id stays the same.
    expect(new Set(sent(life, 'post'))).toEqual(new Set(['id-0']));
    expect(life.told.map((one) => one.sessionId)).toEqual(['id-0', 'id-0']);
    expect(life.told[0]!.atMs).toBeLessThan(life.deadlineMs - 50_000);
    expect(life.running).toEqual(['id-0']);
    expect(JSON.stringify([life.fake.log, life.fake.events]).length).toBeLessThan(100_000);
  });
});

describe('a session that is deleted while its POST is on its way', () => {
  it('is stopped, also when the POST arrives half a minute after its sender ceased to wait', () => {
    const slow = { ...CALM, fault: 'delayed', ms: 14_400 } as const;
    const life = live({
      config,
      turns: [slow],
      meanwhile: { before: thePost, act: ({ call }) => void remove(call, 'id-0') },
    });
    expect(life.api.sessions.get('id-0')).toMatchObject({ stopped: true });
    expect(life.running).toEqual([]);
    expect(rowsOf(life.fake)).toEqual([]);
  });
});
