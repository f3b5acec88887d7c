/** gRPC's codes, as far as they are used here. */
export const Code = {
  InvalidArgument: 3,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  FailedPrecondition: 9,
  Internal: 13,
  Unimplemented: 12,
  Unauthenticated: 16,
} as const;

/** An error with a gRPC code, as the API reports it. */
export class ApiError extends Error {
  constructor(
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

const STATUS: Record<number, number> = {
  0: 200,
  1: 499,
  3: 400,
  4: 504,
  5: 404,
  6: 409,
  7: 403,
  8: 429,
  9: 400,
  10: 409,
};
const MORE: Record<number, number> = { 11: 400, 12: 501, 14: 503, 16: 401 };

/** The HTTP status that gRPC's gateway gives a code; unknown codes are 500. */
export function httpStatus(code: number): number {
  return STATUS[code] ?? MORE[code] ?? 500;
}
