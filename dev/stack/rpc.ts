/** Who calls: a server with the HTTP key, or a user (or game server) with a session token. Default: this node's HTTP key. */
export type RpcCaller = { httpKey: string } | { token: string };

export interface RpcResult {
  /** HTTP status. */
  status: number;
  /** The gRPC code of an error. */
  code?: number;
  /** The text of an error. */
  message?: string;
  /** What the function returned: parsed when it is JSON, else the text. Absent when it returned nothing. */
  payload?: unknown;
}

/**
 * Calls an RPC function as Nakama's clients do: the payload is a JSON string that holds the text for the function.
 * A string is sent as it is, `undefined` as no payload, anything else as JSON.
 */
export async function callRpc(url: string, id: string, payload: unknown, caller: RpcCaller): Promise<RpcResult> {
  const query = 'httpKey' in caller ? `?http_key=${encodeURIComponent(caller.httpKey)}` : '';
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if ('token' in caller) headers['authorization'] = `Bearer ${caller.token}`;
  const text = payload === undefined ? '' : typeof payload === 'string' ? payload : JSON.stringify(payload);
  const response = await fetch(`${url}/v2/rpc/${id}${query}`, { method: 'POST', headers, body: JSON.stringify(text) });
  return readAnswer(response.status, await response.text());
}

/** The body of an answer, as result. A body that is no JSON (a proxy's page) becomes the message. */
export function readAnswer(status: number, body: string): RpcResult {
  let answer: { payload?: string; code?: number; message?: string };
  try {
    answer = body === '' ? {} : (JSON.parse(body) as typeof answer);
  } catch {
    return { status, message: body };
  }
  const result: RpcResult = { status };
  if (status >= 400) {
    if (answer.code !== undefined) result.code = answer.code;
    if (answer.message !== undefined) result.message = answer.message;
  } else if (answer.payload !== undefined && answer.payload !== '') {
    result.payload = parseOrText(answer.payload);
  }
  return result;
}

function parseOrText(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text; // A function may answer anything; the caller sees what it said.
  }
}
