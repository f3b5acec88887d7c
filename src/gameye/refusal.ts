import { Code, rpcError } from '../refusal';
import { adviceFor, type Failure } from './failure';

/** Ends an RPC because the Session API did not do what was asked. Its own words stay in the log. */
export function sessionApiError(failure: Failure): never {
  switch (failure.kind) {
    case 'not-found':
      return rpcError(Code.NOT_FOUND, adviceFor(failure));
    case 'no-capacity':
    case 'quota-exceeded':
      return rpcError(Code.RESOURCE_EXHAUSTED, adviceFor(failure));
    case 'conflict':
      return rpcError(Code.ABORTED, adviceFor(failure));
    case 'invalid':
    case 'unauthorized':
    case 'forbidden':
    case 'redirected':
    case 'untrusted':
      return rpcError(Code.FAILED_PRECONDITION, adviceFor(failure));
    case 'unavailable':
    case 'not-idempotent':
    case 'unknown':
      return rpcError(Code.UNAVAILABLE, adviceFor(failure));
  }
}
