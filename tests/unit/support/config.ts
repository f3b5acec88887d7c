import { createHmac } from 'node:crypto';
import { parseConfig, type Config, type Configured } from '../../../src/config';
import type { Problem } from '../../../src/environment';

export const TOKEN = 'tok-3f9c1d';
export const SEAT_SECRET = '0123456789abcdef0123456789abcdef';

/** The five variables that every deployment sets. */
export const FIVE: { [variable: string]: string } = {
  GAMEYE_API_TOKEN: TOKEN,
  GAMEYE_API_URL: 'http://gameye.test',
  GAMEYE_API_IMAGE: 'my-game',
  GAMEYE_API_IMAGE_VERSION: '',
  GAMEYE_API_REGION: 'eu-central-1,us-east-1',
};

/** The seat secret of a deployment that sets none, made from its API token without the module's help. */
export const derivedSeatSecret = (apiToken: string): string =>
  createHmac('sha256', apiToken).update('gameye-seat-secret').digest('hex');

/** What the module makes of these variables, and of what was odd about how they are set. */
export function configured(values: { [variable: string]: string }, problems: Problem[] = []): Configured {
  return parseConfig({ values, names: Object.keys(values), problems, warnings: [] }, derivedSeatSecret);
}

/** A configuration as it comes out of these variables, beside the five. */
export function configWith(variables: { [variable: string]: string } = {}): Config {
  const found = configured({ ...FIVE, ...variables });
  if ('problems' in found) throw new Error(JSON.stringify(found.problems));
  return found.config;
}
