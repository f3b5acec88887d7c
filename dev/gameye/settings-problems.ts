import { isIP } from 'node:net';
import { SCOPES, type ImageOptions, type Settings, type SettingsChange, type SimulatorOptions } from './settings.ts';

const OPTIONS =
  'host port tokens regions images quota startMs hostPorts gameHost ttlScale killGraceMs visibleWhileStarting'.split(
    ' ',
  );
const IMAGE_OPTIONS = 'command ports tags regions warmPool'.split(' ');

/** What is wrong with options at start, apart from what may also change later. They may come from a file: types prove nothing. */
export function problemsOfOptions(options: SimulatorOptions, settings: Settings): string[] {
  const problems: string[] = [];
  for (const key of Object.keys(options)) {
    if (!OPTIONS.includes(key)) problems.push(`"${key}" is not an option; known: ${OPTIONS.join(', ')}`);
  }
  const [first, last] = settings.hostPorts;
  if (!(isCount(first) && isCount(last) && first >= 1 && last <= 65535 && first <= last)) {
    problems.push('hostPorts must be [first, last] with 1 <= first <= last <= 65535');
  }
  if (isIP(settings.host) !== 4) problems.push('host must be an IPv4 address');
  if (!isCount(settings.port) || settings.port > 65535) problems.push('port must be 0 (a free one) to 65535');
  if (typeof settings.gameHost !== 'string' || settings.gameHost === '') problems.push('gameHost must not be empty');
  return problems;
}

/** What is wrong with a change of running settings; empty when nothing is. */
export function problemsOfChange(settings: Settings, change: SettingsChange): string[] {
  const problems: string[] = [];
  const known = 'regions quota startMs ttlScale killGraceMs visibleWhileStarting warmPools tokens'.split(' ');
  for (const key of Object.keys(change)) {
    if (!known.includes(key)) problems.push(`"${key}" cannot be changed; known: ${known.join(', ')}`);
  }
  for (const [name, region] of Object.entries(change.regions ?? {})) {
    if (!settings.regions.has(name)) problems.push(`unknown region "${name}": regions are fixed at start`);
    for (const key of Object.keys(region)) {
      if (!['capacity', 'ips', 'outage'].includes(key)) problems.push(`regions.${name}.${key} is not a setting`);
    }
    if (region.capacity !== undefined && !isCount(region.capacity))
      problems.push(`regions.${name}.capacity must be >= 0`);
    if (region.ips !== undefined && !(Array.isArray(region.ips) && region.ips.every((ip) => isIP(ip) === 4))) {
      problems.push(`regions.${name}.ips must be IPv4 addresses`);
    }
    if (region.outage !== undefined && typeof region.outage !== 'boolean')
      problems.push(`regions.${name}.outage must be true or false`);
  }
  if (change.quota !== undefined && change.quota !== null && !isCount(change.quota))
    problems.push('quota must be a whole number >= 0, or null');
  for (const key of ['startMs', 'ttlScale', 'killGraceMs'] as const) {
    const value = change[key];
    if (value !== undefined && !(Number.isFinite(value) && value >= 0)) problems.push(`${key} must be a number >= 0`);
  }
  if (change.visibleWhileStarting !== undefined && typeof change.visibleWhileStarting !== 'boolean') {
    problems.push('visibleWhileStarting must be true or false');
  }
  for (const [name, pool] of Object.entries(change.warmPools ?? {})) {
    if (!settings.images.has(name)) problems.push(`warmPools: unknown image "${name}"`);
    for (const [region, size] of Object.entries(pool)) {
      if (!settings.regions.has(region)) problems.push(`warm pool of ${name}: unknown region "${region}"`);
      if (!isCount(size)) problems.push(`warm pool of ${name} in ${region}: the size must be a whole number >= 0`);
    }
  }
  for (const scopes of Object.values(change.tokens ?? {})) {
    const unknown = Array.isArray(scopes)
      ? scopes.filter((scope) => !SCOPES.some((s) => s === scope))
      : [String(scopes)];
    if (unknown.length > 0) problems.push(`unknown scope ${unknown.join(', ')}; known: ${SCOPES.join(', ')}`);
  }
  return problems;
}

/** What is wrong with an image; its regions and warm pools are checked when all regions are known. */
export function problemsOfImage(name: string, image: ImageOptions): string[] {
  const problems = Object.keys(image)
    .filter((key) => !IMAGE_OPTIONS.includes(key))
    .map((key) => `images.${name}.${key} is not an option; known: ${IMAGE_OPTIONS.join(', ')}`);
  const strings = (value: unknown): boolean => Array.isArray(value) && value.every((item) => typeof item === 'string');
  if (!strings(image.command)) return [...problems, `images.${name}.command must be a list of strings (argv)`];
  if (!strings(image.ports) || !image.ports.every((port) => /^[1-9]\d{0,4}\/(udp|tcp)$/.test(port))) {
    return [...problems, `images.${name}.ports must be like ["7777/udp"]`];
  }
  if (image.tags !== undefined && (!strings(image.tags) || image.tags.length === 0)) {
    problems.push(`images.${name}.tags must be a non-empty list of strings`);
  }
  for (const [, port] of image.command.join(' ').matchAll(/\{(\d+\/(?:udp|tcp))\}/g)) {
    if (!image.ports.includes(port!))
      problems.push(`images.${name}.command uses {${port}}, which ports does not expose`);
  }
  return problems;
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0;
}
