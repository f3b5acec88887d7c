import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { buildDir } from '../stack/paths.ts';
import { chooseRuntime, describeRuntime } from '../stack/runtimes.ts';
import { goalTable, type Figure } from './goals.ts';
import { listFigures } from './list.ts';
import { matchFigures, type Rate } from './matches.ts';
import { placementTable } from './placement.ts';
import { reconcileFigures } from './reconcile.ts';
import { Servers } from './servers.ts';
import { startSimulatorProcess } from './simulator-process.ts';
import { startStubApi } from './stub-api.ts';
import { measureVms, vmTable, withIdleMatches, type VmCost } from './vm.ts';

/** The API takes this long to start a session; goals are beyond it. */
const API_MS = 500;
const PARTS = ['sustained', 'growing', 'bursts', 'lists', 'reconcile'];

const HELP = `The numbers of the design, as one table: each beside that of a module that stores nothing, and beside its goal.

  npm run bench -- [flags]       about 12 minutes

  --only PARTS       some of ${PARTS.join(',')}
  --rate N           matches a second, sustained; default 30
  --seconds S        for so long; default 40
  --growing-rate N   matches a second while the fleet grows; default 8
  --growing-to N     sessions that it grows to; default 1200
  --bursts N,…       matches at once; default 1,50,200
  --instances N,…    how many instances there are for lists, seats and comparisons; default 10000,100000
  --embedded         the embedded runtime although there is a real Nakama
  --placement        only where groups are placed with and without backfill and ranking, which needs no server
  --vms N            only what so many VMs cost, with an empty module and with ours
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: PARTS.join(',') },
      rate: { type: 'string', default: '30' },
      seconds: { type: 'string', default: '40' },
      'growing-rate': { type: 'string', default: '8' },
      'growing-to': { type: 'string', default: '1200' },
      bursts: { type: 'string', default: '1,50,200' },
      instances: { type: 'string', default: '10000,100000' },
      embedded: { type: 'boolean' },
      placement: { type: 'boolean' },
      vms: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  const numbers = (
    flag: 'rate' | 'seconds' | 'growing-rate' | 'growing-to' | 'bursts' | 'instances' | 'vms',
  ): number[] =>
    (values[flag] ?? '').split(',').map((text) => {
      if (/^[1-9]\d*$/.test(text)) return Number(text);
      throw new Error(`--${flag} takes whole numbers such as 50, not "${text}". See --help.`);
    });
  const one = (flag: Parameters<typeof numbers>[0]): number => numbers(flag)[0]!;
  const parts = values.only.split(',');
  const unknown = parts.find((part) => !PARTS.includes(part));
  if (unknown !== undefined) throw new Error(`--only takes some of ${PARTS.join(',')}, not "${unknown}".`);
  if (values.help) return void process.stdout.write(HELP);
  if (values.placement) return console.log(placementTable());

  const runtime = chooseRuntime(values.embedded === true);
  const servers = await Servers.start(runtime);
  const about = `${describeRuntime(runtime)}, ${os.cpus().length} cores`;
  try {
    if (values.vms !== undefined) return await vms(servers, one('vms'), about);
    const startedAt = performance.now();
    const say = (text: string): void =>
      console.error(`[${Math.round((performance.now() - startedAt) / 1000)} s] ${text}`);
    const sustained: Rate = { perSecond: one('rate'), seconds: one('seconds') };
    const perSecond = one('growing-rate');
    const growing: Rate = { perSecond, seconds: Math.ceil(one('growing-to') / perSecond) };
    const bursts = parts.includes('bursts') ? numbers('bursts') : [];
    const figures: Figure[] = [];
    if (parts.some((part) => ['sustained', 'growing', 'bursts'].includes(part))) {
      const simulator = await startSimulatorProcess(API_MS);
      servers.endsWith(() => simulator.stop());
      const plan = {
        bursts,
        ...(parts.includes('sustained') ? { sustained } : {}),
        ...(parts.includes('growing') ? { growing } : {}),
      };
      figures.push(...(await matchFigures(servers, simulator, plan, say)));
    }
    const sizes = numbers('instances');
    if (parts.includes('lists')) figures.push(...(await listFigures(servers, sizes, say)));
    if (parts.includes('reconcile')) {
      for (const size of sizes) figures.push(...(await reconcileFigures(servers, size, say)));
    }
    const took = Math.round((performance.now() - startedAt) / 1000);
    console.log(`${about}, a Session API that takes ${API_MS} ms, groups of 2, ${took} s in all\n`);
    console.log(goalTable(figures));
  } finally {
    await servers.stop();
  }
}

async function vms(servers: Servers, amount: number, about: string): Promise<void> {
  const api = await startStubApi();
  servers.endsWith(() => api.stop());
  const cost = async (modulePath: string): Promise<VmCost> => {
    const { nakama } = await servers.nakama(modulePath, api, { env: { GAMEYE_RECONCILE_INTERVAL: '12h' } });
    const measured = await measureVms(nakama, amount);
    await nakama.stop();
    return measured;
  };
  const empty = await cost(await withIdleMatches('empty'));
  const ours = await cost(await withIdleMatches('ours', path.join(buildDir, 'index.js')));
  console.log(`${about}, ${amount} matches that do nothing\n`);
  console.log(vmTable(empty, ours));
}

await main();
