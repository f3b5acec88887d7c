import type { Nakama } from '../nakama/runtime';
import { signedToken } from './seat-token';

/**
 * A token with which a relay lets a browser through to one session, as Gameye's reference game has it: payload
 * `{t: "relay", sid, host, port, exp}`, signed with GAMEYE_RELAY_SECRET. It names the address, so that a relay connects to
 * nothing that this module has not started.
 */
export function relayToken(
  nk: Nakama,
  relaySecret: string,
  session: { sid: string; host: string; port: number },
  exp: number,
): string {
  return signedToken(nk, { t: 'relay', ...session, exp }, relaySecret);
}
