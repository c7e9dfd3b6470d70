import type { IncomingHttpHeaders } from 'node:http';
import Type from 'typebox';
import { ApiError } from '../../contract/errors.ts';
import type { GuardedRoute } from '../../contract/route.ts';

const PATTERN = '^[!-~]{1,255}$';
const KEY = new RegExp(PATTERN);

export const IdempotencyKey = Type.String({
  pattern: PATTERN,
  description: 'Repeated within 24 hours under the same key, the request is not done again but answered as before.',
});

/** Whether what this route does is remembered under a key. */
export function isRemembered({ effect, method }: Pick<GuardedRoute, 'effect' | 'method'>): boolean {
  return effect === 'change' && (method === 'POST' || method === 'PUT');
}

/**
 * The `Idempotency-Key` of a request, or null where it has none. What reads does nothing twice, so there the header
 * means nothing; on a change whose repetition is not remembered it is refused, since whoever sends it relies on it.
 * @throws ApiError `invalid_request`
 */
export function idempotencyKey(headers: IncomingHttpHeaders, route: GuardedRoute): string | null {
  const key = headers['idempotency-key'];
  if (key === undefined || route.effect === 'read') return null;
  if (!isRemembered(route)) {
    throw new ApiError('invalid_request', {
      message: `Idempotency-Key is for POST and PUT; a ${route.method} is not remembered. Send it without the header.`,
    });
  }
  if (typeof key === 'string' && KEY.test(key)) return key;
  throw new ApiError('invalid_request', {
    message: 'An Idempotency-Key has 1 to 255 visible ASCII characters, without spaces. A UUID is a good one.',
  });
}
