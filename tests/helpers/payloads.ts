import fc from 'fast-check';

/** What is there to speak about: payloads name these, and ids that do not exist. */
export interface Known {
  sessions: string[];
  users: string[];
  regions: string[];
}

const deep = (levels: number): unknown => JSON.parse(`${'['.repeat(levels)}${']'.repeat(levels)}`);

/** Any JSON value, the unpleasant ones often. */
export const weird: fc.Arbitrary<unknown> = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.constantFrom<unknown>(null, true, '', ' ', 'null', 0, -0, -1, 0.5, 2 ** 53, 1e308, [], {}, [[]], [null], [{}]),
  fc.constantFrom<unknown>('\0', 'a\0b', '\ud800', '\udfff\ud800', '😀', '%s%d%n', '${x}', "'; DROP TABLE storage; --"),
  fc.constantFrom<unknown>('../../x', 'a/b?c#d', '\u202e\n\r\t', 'constructor', '__proto__'),
  // What String(), + and comparisons throw at.
  fc.constantFrom<unknown>({ toString: 1 }, [{ toString: 1, valueOf: 1 }], { message: { toString: 1 } }),
  fc.constantFrom<unknown>(
    'x'.repeat(20_000),
    Array(2_000).fill('x'),
    { a: 'y'.repeat(20_000) },
    deep(33),
    deep(3_000),
  ),
);

/** A value that a field of this name often has; anything for names that are not known here. */
function plausible(field: string, known: Known): fc.Arbitrary<unknown> {
  const user = fc.oneof(fc.constantFrom(...known.users), fc.uuid());
  const region = fc.constantFrom(...known.regions, 'nowhere');
  const texts = fc.dictionary(fc.string({ maxLength: 12 }), fc.string({ minLength: 1, maxLength: 12 }), { maxKeys: 4 });
  const values: { [field: string]: fc.Arbitrary<unknown> } = {
    id: fc.constantFrom(...known.sessions, 'unknown', '11111111-2222-4333-8444-555555555555'),
    user_id: user,
    user_ids: fc.array(user, { maxLength: 4 }),
    max_players: fc.integer({ min: 1, max: 12 }),
    player_count: fc.integer({ min: 0, max: 12 }),
    playerCount: fc.integer({ min: 0, max: 12 }),
    limit: fc.integer({ min: 1, max: 1000 }),
    query: fc.oneof(query, fc.string({ unit: fc.constantFrom(...'+-:"*?/\\^~><= av1.[]()'), maxLength: 24 })),
    order: fc.subarray(['player_count', '-open_seats', '-create_time', 'region']),
    regions: fc.uniqueArray(region, { maxLength: 3 }),
    region,
    latencies: fc.array(fc.record({ user_id: user, region, ms: fc.nat(300) }), { maxLength: 3 }),
    metadata: fc.oneof(texts, fc.dictionary(fc.string(), weird, { maxKeys: 3 }), gameyeMetadata),
    env: texts,
    version: fc.constantFrom('1.2.3', 'latest', ''),
  };
  return values[field] ?? fc.oneof(fc.boolean(), fc.string({ maxLength: 12 }));
}

const query = fc.constantFrom(
  ...[
    '',
    '*',
    '+value.region:home',
    '+value.open_seats:>=1',
    'value.metadata.map:"ice"',
    '+value.create_time:>"2026-01-01"',
  ],
  ...[
    '~1',
    '^2',
    '-',
    '+',
    '/',
    '/(/',
    '/[/',
    'a:/(/',
    'value.id:/.*/',
    'value.id:*?*',
    '"',
    'a:"',
    '\\',
    'x:>',
    'x:<=y',
  ],
  ...[
    'x:1e400',
    'a:b^x',
    'a:b~9',
    'a:b~-1',
    'a:b~nan',
    'a:b^nan',
    '\\"',
    'a:/.{1000}{1000}/',
    'value.player_count:>=-1',
  ],
);

const gameyeMetadata = fc.record(
  { 'gameye.env': weird, 'gameye.external_id': weird, nakama_fleet: weird, env: weird, tags: weird, map: fc.string() },
  { requiredKeys: [] },
);

/** A field that no RPC knows. */
const stranger = fc
  .oneof(fc.string({ unit: 'binary', maxLength: 60 }), fc.constantFrom('__proto__', 'constructor', 'ID', 'userIds', ''))
  .map((name) => `${name}\u00bf`);

/** Payload texts for an RPC with these fields: right, nearly right, wrong, and no JSON at all. */
export function payloadFor(fields: string[], known: Known): fc.Arbitrary<string> {
  const value = (field: string) => fc.oneof({ weight: 4, arbitrary: plausible(field, known) }, weird);
  const model = Object.fromEntries(fields.map((field) => [field, value(field)]));
  const object = fc.oneof(
    { weight: 3, arbitrary: fc.record(model) },
    { weight: 4, arbitrary: fc.record(model, { requiredKeys: [] }) },
  );
  const text = object.map((one) => JSON.stringify(one));
  return fc.oneof(
    { weight: 8, arbitrary: text },
    {
      weight: 2,
      arbitrary: fc.tuple(object, stranger, weird).map(([one, name, more]) => JSON.stringify({ ...one, [name]: more })),
    },
    { weight: 1, arbitrary: fc.tuple(text, fc.nat()).map(([whole, at]) => whole.slice(0, at % (whole.length + 1))) },
    { weight: 1, arbitrary: weird.map((one) => JSON.stringify(one)) },
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '',
      ' ',
      '{',
      '[',
      'nul',
      '{"id":1,}',
      `${'{"a":'.repeat(5_000)}`,
      '['.repeat(5_000),
      '{"__proto__":{"id":1}}',
    ),
  );
}

/** The fields of a payload that are not among these; undefined when it is no JSON object. */
export function strangersIn(text: string, fields: string[]): string[] | undefined {
  try {
    const parsed: unknown = JSON.parse(text === '' ? '{}' : text);
    if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return undefined;
    return Object.keys(parsed).filter((field) => !fields.includes(field));
  } catch {
    return undefined;
  }
}

/** The fields that an RPC says it knows, from how it refuses one that it does not; undefined when it is not asked so. */
export function fieldsFrom(message: string): string[] | undefined {
  const list = /^Unknown field .*\. Known here: (.*)\.$/s.exec(message)?.[1];
  return list === 'no field' ? [] : list?.split(', ');
}
