import { ApiError } from '../../contract/errors.ts';
import { hasScope } from '../../contract/scopes.ts';
import type { Limited } from '../exchange.ts';

/** Stage 6: the token's scope. Necessary, never sufficient: the route's authority follows. */
export function scope(exchange: Limited): Limited {
  const needed = exchange.route.scope;
  if (needed !== null && !hasScope(exchange.principal.scopes, needed)) {
    throw new ApiError('insufficient_scope', {
      message: `The token lacks the scope ${needed}. Ask your identity provider for a token that has it.`,
      details: { scope: needed },
    });
  }
  return exchange;
}
