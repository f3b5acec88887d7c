import { ApiError } from './errors.ts';
import type { Settings } from './settings.ts';

/**
 * The name of the token of a request. Throws ApiError 401 with what kind of thing was received instead of a known token
 * (never the thing itself), or 403 with the scope that the token lacks.
 */
export function authorize(settings: Settings, header: string | undefined, scope: string | undefined): string {
  const expected = 'Send "Authorization: Bearer <token>" with a token that the simulator printed when it started.';
  if (header === undefined) throw new ApiError(401, `The request has no Authorization header. ${expected}`);
  const [scheme = '', token = '', ...rest] = header.split(' ');
  if (scheme.toLowerCase() !== 'bearer' || token === '' || rest.length > 0) {
    const kind =
      /^(basic|digest|token|apikey)$/i.test(scheme) && token
        ? `of the scheme ${scheme}`
        : 'that is not "Bearer <token>"';
    throw new ApiError(401, `The request has an Authorization header ${kind}. ${expected}`);
  }
  const known = settings.tokens.get(token);
  if (!known) {
    throw new ApiError(
      401,
      `The request has a bearer token of ${token.length} characters that is not known. ${expected}`,
    );
  }
  if (scope !== undefined && !known.scopes.includes(scope)) {
    const scopes = known.scopes.join(', ') || 'no scope';
    throw new ApiError(403, `This operation needs the scope "${scope}"; the token has ${scopes}.`);
  }
  return known.name;
}
