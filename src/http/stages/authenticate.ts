import { ApiError } from '../../contract/errors.ts';
import type { IdentityService } from '../../identity/service.ts';
import type { Authenticated, Guarded } from '../exchange.ts';
import type { GuessLimit } from '../guess-limit.ts';

const BEARER = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i;

function bearerOf(authorization: string): string {
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) {
    throw new ApiError('token_invalid', { message: 'The Authorization header is not of the form "Bearer <token>".' });
  }
  return token;
}

/**
 * Stage 3: bearer token -> its verified holder.
 * @throws ApiError 401, 429 after too many of them, or 503 where the issuer cannot be asked
 */
export async function authenticate(
  exchange: Guarded,
  identity: IdentityService,
  guesses: GuessLimit,
): Promise<Authenticated> {
  const { authorization } = exchange.request.headers;
  // No token is no guess.
  if (authorization === undefined) throw new ApiError('authentication_required');
  try {
    return { ...exchange, holder: await identity.authenticate(bearerOf(authorization)) };
  } catch (error) {
    throw await guesses.judge(error, exchange.source);
  }
}
