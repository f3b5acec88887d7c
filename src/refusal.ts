/** gRPC codes as Nakama's RPCs answer them (nkruntime.Codes). */
export const Code = {
  INVALID_ARGUMENT: 3,
  NOT_FOUND: 5,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;

export interface RpcError {
  message: string;
  code: number;
}

/**
 * Ends an RPC with an error. A plain object with message and code is the only thing whose code reaches the caller
 * (runtime_javascript.go); anything else becomes code 13 with a stack. This is the one place that throws it.
 */
export function rpcError(code: number, message: string): never {
  const error: RpcError = { message, code };
  // eslint-disable-next-line @typescript-eslint/only-throw-error
  throw error;
}

/** True for what `rpcError` throws. */
export function isRpcError(error: unknown): error is RpcError {
  return typeof error === 'object' && error !== null && !(error instanceof Error) && 'code' in error;
}
