import type { Call } from '../nakama/caller';
import { Code, rpcError } from '../refusal';

/** Nakama's mode of a party's stream (StreamModeParty, the same in all versions). */
const PARTY = 7;

/**
 * The members of the caller's party, the caller first: those with a live connection, because Nakama takes the others out. Who
 * leads it Nakama does not tell a module, so every member may speak for it. Code 5 for who is in no such party.
 */
export function partyMembers({ nk, ctx }: Call, userId: string, partyId: string): string[] {
  // `<uuid>.<node>`: a party lives on one node.
  const dot = partyId.indexOf('.');
  const stream = { mode: PARTY, subject: partyId.slice(0, dot), label: partyId.slice(dot + 1) };
  const members = nk.streamUserList(stream).map((one) => one.userId);
  if (!members.includes(userId)) {
    const advice = stream.label === ctx.node ? '' : ' Its members have to be connected to the node that is asked.';
    return rpcError(Code.NOT_FOUND, `You are in no party with this id.${advice}`);
  }
  return [userId, ...members.filter((id, i) => id !== userId && members.indexOf(id) === i)];
}
