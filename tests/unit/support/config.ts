import { parseConfig, type Config } from '../../../src/config';

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

/** A configuration as it comes out of these variables, beside the five. */
export function configWith(variables: { [variable: string]: string } = {}): Config {
  const values = { ...FIVE, ...variables };
  const configured = parseConfig({ values, names: Object.keys(values), problems: [] });
  if ('problems' in configured) throw new Error(JSON.stringify(configured.problems));
  return configured.config;
}
