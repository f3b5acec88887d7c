import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { FaultRule } from './faults.ts';
import { SCOPES, type ImageOptions, type SimulatorOptions } from './settings.ts';
import { startSimulator } from './simulator.ts';

const HELP = `A simulator of the Gameye Session API. Sessions are real processes on this machine.

  node --import tsx dev/gameye/main.ts [flags]

  --port N                where the API listens; default 0, a free port
  --host IP               default 127.0.0.1; the demo game servers listen there too
  --game-host HOST        address of the game servers as the API reports it; default 127.0.0.1
  --host-ports A-B        ports of game servers; default 20000-30000
  --token T[=SCOPE,…]     a token it accepts, with all scopes or these; repeatable; default sim-token
  --region NAME[=N]       a region and its capacity (1000); repeatable; default eu-central-1, eu-west-1, us-east-1
  --start-ms N            how long a start takes; default 500
  --quota N               sessions at the same time; default unlimited
  --ttl-scale F           factor on every ttl; default 1
  --config FILE           JSON with the options of startSimulator (see settings.ts), and "faults": a list of rules.
                          Flags win over it.
  --help

Without images in a file there is one, demo-game (versions 1.0.0 and latest, port 7777/udp).
Scopes: ${SCOPES.join(', ')}.
`;

const demoGame = (host: string): ImageOptions => ({
  command: [
    process.execPath,
    '--import',
    import.meta.resolve('tsx'), // by address, so that it is found from any folder
    fileURLToPath(new URL('../demo/game-server.ts', import.meta.url)),
    '--port',
    '{7777/udp}',
    '--host',
    host,
  ],
  ports: ['7777/udp'],
  tags: ['1.0.0', 'latest'],
});

/** Flags and file as options. Throws an Error that says what to correct. */
function readOptions(args: string[]): { options: SimulatorOptions; faults: FaultRule[]; help: boolean } {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      port: text,
      host: text,
      'game-host': text,
      'host-ports': text,
      token: { type: 'string', multiple: true },
      region: { type: 'string', multiple: true },
      'start-ms': text,
      quota: text,
      'ttl-scale': text,
      config: text,
      help: { type: 'boolean', short: 'h' },
    },
  });
  const file = values.config === undefined ? {} : readConfig(values.config);
  const { faults = [], ...options } = file;
  options.images ??= { 'demo-game': demoGame(values.host ?? '127.0.0.1') };
  const number = (flag: 'port' | 'start-ms' | 'quota' | 'ttl-scale'): number | undefined => {
    const value = values[flag];
    if (value === undefined) return undefined;
    if (value.trim() === '' || !Number.isFinite(Number(value)))
      throw new Error(`--${flag} needs a number, not "${value}".`);
    return Number(value);
  };
  const [port, startMs, quota, ttlScale] = [number('port'), number('start-ms'), number('quota'), number('ttl-scale')];
  if (port !== undefined) options.port = port;
  if (startMs !== undefined) options.startMs = startMs;
  if (quota !== undefined) options.quota = quota;
  if (ttlScale !== undefined) options.ttlScale = ttlScale;
  if (values.host !== undefined) options.host = values.host;
  if (values['game-host'] !== undefined) options.gameHost = values['game-host'];
  if (values['host-ports'] !== undefined) {
    const range = /^(\d+)-(\d+)$/.exec(values['host-ports']);
    if (!range) throw new Error(`--host-ports needs two ports such as 20000-20099, not "${values['host-ports']}".`);
    options.hostPorts = [Number(range[1]), Number(range[2])];
  }
  if (values.token) {
    options.tokens = Object.fromEntries(
      values.token.map((item) => {
        const [token = '', scopes] = item.split('=', 2);
        return [token, scopes === undefined ? [...SCOPES] : scopes.split(',').filter(Boolean)];
      }),
    );
  }
  if (values.region) {
    options.regions = Object.fromEntries(
      values.region.map((item) => {
        const [name = '', capacity] = item.split('=', 2);
        return [name, capacity === undefined ? {} : { capacity: Number(capacity) }];
      }),
    );
  }
  return { options, faults, help: values.help === true };
}

function readConfig(file: string): SimulatorOptions & { faults?: FaultRule[] } {
  let config: unknown;
  try {
    config = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw new Error(`--config ${file}: ${(error as Error).message}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new Error(`--config ${file}: it must hold a JSON object.`);
  }
  return config;
}

async function main(): Promise<void> {
  const { options, faults, help } = readOptions(process.argv.slice(2));
  if (help) return void process.stdout.write(HELP);
  const simulator = await startSimulator(options);
  let asked = false;
  const stop = (): void => {
    // Asked twice: leave at once; the guard ends what still runs.
    if (asked) process.exit(130);
    asked = true;
    void simulator.stop().then(() => process.exit(0));
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  try {
    for (const fault of faults) simulator.faults.add(fault);
  } catch (error) {
    await simulator.stop();
    throw error;
  }
  printStart(simulator.url, options);
}

function printStart(url: string, options: SimulatorOptions): void {
  const tokens = options.tokens ?? { 'sim-token': [...SCOPES] };
  const regions = Object.keys(options.regions ?? { 'eu-central-1': {}, 'eu-west-1': {}, 'us-east-1': {} });
  const [token = ''] = Object.keys(tokens);
  const [image = ''] = Object.keys(options.images ?? {});
  const body = JSON.stringify({ location: regions[0], image, ttl: '30m' });
  const lines = [
    `Gameye Session API (simulator) on ${url}`,
    `  page     ${url}/_sim`,
    ...Object.entries(tokens).map(([name, scopes]) => `  token    ${name}  (${scopes.join(', ') || 'no scope'})`),
    `  regions  ${regions.join(', ')}`,
    ...Object.entries(options.images ?? {}).map(
      ([name, { ports, tags = ['latest'] }]) => `  image    ${name}  (${tags.join(', ')}; ${ports.join(', ')})`,
    ),
    `  try      curl -s -X POST ${url}/session -H 'Authorization: Bearer ${token}' -H 'Content-Type: application/json' -d '${body}'`,
  ];
  process.stdout.write(`${lines.join('\n')}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\nSee --help.\n`);
  process.exit(1);
});
