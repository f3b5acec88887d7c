import { randomUUID } from 'node:crypto';

export interface FieldViolation {
  field: string;
  description: string;
}

/** The API's ErrorResponse, as the official document requires it. */
export interface ErrorResponse {
  statusCode: number;
  code: string;
  message: string;
  details: string;
  path: string;
  identifier: string;
  timestamp: string;
  violations?: FieldViolation[];
}

const CODES: Record<number, [code: string, message: string]> = {
  401: ['UNAUTHORIZED', 'You are not authorized.'],
  402: ['QUOTA_EXCEEDED', 'You have exhausted your quota.'],
  403: ['FORBIDDEN', 'Your API token does not have the required permissions.'],
  404: ['NOT_FOUND', 'Not found.'],
  409: ['CONFLICT', 'The request conflicts with the state of the session.'],
  420: ['RAN_OUT_OF_COMPUTE', 'This session can currently not be started in the provided region.'],
  422: ['UNPROCESSABLE_ENTITY', 'The request is not valid.'],
  500: ['INTERNAL_SERVER_ERROR', 'Something went wrong.'],
};

/** A refusal: thrown by an operation, answered by the server as an ErrorResponse. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly details: string,
    readonly violations?: FieldViolation[],
  ) {
    super(details);
  }
}

/** The body of a refusal. `identifier` is new each time: the real API's trace id, to quote when asking for help. */
export function errorResponse(error: ApiError, path: string): ErrorResponse {
  const [code, message] = CODES[error.status] ?? ['ERROR', 'The request failed.'];
  return {
    statusCode: error.status,
    code,
    message,
    details: error.details,
    path,
    identifier: randomUUID(),
    timestamp: new Date().toISOString(),
    ...(error.violations ? { violations: error.violations } : {}),
  };
}
