import { ApiError } from '../contract/errors.ts';

/**
 * A `401 token_invalid` of constant shape: a stranger does not learn which check said no, the operator does.
 * @param reason continues the sentence "the token was refused: ...". Never a part of the token.
 */
export function refuseToken(reason: string): ApiError {
  return new ApiError('token_invalid', { operator: `token refused: ${reason}` });
}

/** `403 tenant_access_denied`. @param message public: it names claims and variables, not other tenants. */
export function denyTenant(message: string, operator?: string): ApiError {
  return new ApiError('tenant_access_denied', operator === undefined ? { message } : { message, operator });
}
