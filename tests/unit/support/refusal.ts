import type { RpcError } from '../../../src/refusal';

/** What an RPC refuses with; fails when it answers, or throws anything else than a plain `{message, code}`. */
export function refusal(act: () => unknown): RpcError {
  let answer: unknown;
  try {
    answer = act();
  } catch (error) {
    if (error instanceof Error) throw error;
    return error as RpcError;
  }
  throw new Error(`It was not refused: ${JSON.stringify(answer)}`);
}
