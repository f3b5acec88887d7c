import type { Nakama } from '../stack/nakama.ts';
import { withProbe } from './probe.ts';

/*
 * Thousands of players without thousands of sign-ins, which would cost Nakama more than the matches that are measured: one
 * RPC makes accounts in the database and a session token for each.
 */

const PROBE = `
function benchAccounts(ctx, logger, nk, payload) {
  var tokens = [];
  var ids = [];
  for (var left = JSON.parse(payload).accounts; left > 0; left--) ids.push(nk.uuidv4());
  nk.sqlExec("INSERT INTO users (id, username) SELECT x::uuid, 'bench-' || x FROM jsonb_array_elements_text($1::text::jsonb) AS x",
    [JSON.stringify(ids)]);
  for (var i = 0; i < ids.length; i++) {
    tokens.push({ userId: ids[i], token: nk.authenticateTokenGenerate(ids[i], 'bench-' + ids[i]).token });
  }
  return JSON.stringify(tokens);
}
`;
const REGISTER = `  initializer.registerRpc('bench_accounts', benchAccounts);\n`;
const BATCH = 500;

export interface Account {
  userId: string;
  token: string;
}

/** A copy of a module that can also make accounts. */
export function withAccounts(moduleFile: string, name: string): Promise<string> {
  return withProbe(moduleFile, name, REGISTER, PROBE);
}

export async function makeAccounts(nakama: Nakama, accounts: number): Promise<Account[]> {
  const made: Account[] = [];
  while (made.length < accounts) {
    const answer = await nakama.rpc('bench_accounts', { accounts: Math.min(BATCH, accounts - made.length) });
    if (answer.status !== 200) throw new Error(`bench_accounts failed: ${JSON.stringify(answer)}`);
    made.push(...(answer.payload as Account[]));
  }
  return made;
}
