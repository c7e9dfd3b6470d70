/**
 * The one catalogue of errors (spec 00). `code` is stable: clients program against it. `docs/errors.md` is made from
 * this table and a test fails when either side has a code that the other lacks.
 *
 * `message` is the default public text: what happened and what to do next; never a value, stack trace or SQL.
 */
export const ERRORS = {
  invalid_request: { status: 400, message: 'The request is malformed. Check the body and the query string.' },
  invalid_path: {
    status: 400,
    message:
      'The path is not legal. Use 1 to 10 segments of a-z, 0-9, "-" and "_", separated by single slashes, at most 512 characters, not percent-encoded.',
  },
  invalid_secret_type: {
    status: 400,
    message: 'Unknown secret type. Use one of kv, json, certificate, ssh_key, api_key.',
  },
  invalid_duration: { status: 400, message: 'Not a duration. Write for example 90d, 48h, 15m, 30s or 1d12h.' },
  invalid_cursor: {
    status: 400,
    message: 'The cursor does not belong to this query. Start again without a cursor.',
  },
  invalid_policy: { status: 400, message: 'The policy contradicts itself or asks for what a policy may not give.' },
  invalid_glob: {
    status: 400,
    message:
      'The path pattern is malformed. Use segments of a-z, 0-9, "-", "_", "*" and "?", or "**" as a whole segment.',
  },
  invalid_role: { status: 400, message: 'The role definition is not valid.' },
  invalid_config: { status: 400, message: 'The configuration of the target is not valid.' },
  authentication_required: { status: 401, message: 'Send a token: "Authorization: Bearer <token>".' },
  token_expired: { status: 401, message: 'The token has expired. Get a new one from your identity provider.' },
  token_invalid: {
    status: 401,
    message: 'The token is not valid here. Get one from the configured identity provider.',
  },
  token_revoked: { status: 401, message: 'The token was revoked. Get a new one from your identity provider.' },
  client_certificate_required: {
    status: 401,
    message: 'This server asks for a client certificate. Present one that the configured authority signed.',
  },
  access_denied: {
    status: 403,
    message: 'No policy allows this. Ask an administrator of your tenant, and give them the decision id.',
  },
  insufficient_scope: { status: 403, message: 'The token lacks the scope for this call.' },
  mfa_required: { status: 403, message: 'The policy asks for a recent second factor. Sign in again with it.' },
  ip_not_allowed: { status: 403, message: 'The policy does not allow this from your network address.' },
  time_window_violation: { status: 403, message: 'The policy does not allow this at this time.' },
  tenant_access_denied: { status: 403, message: 'The token gives no access to this tenant.' },
  forbidden: { status: 403, message: 'This call needs a role that you do not hold.' },
  route_not_found: { status: 404, message: 'No such route. See GET /v1/openapi.json for what there is.' },
  secret_not_found: { status: 404, message: 'There is no secret at this path.' },
  version_not_found: { status: 404, message: 'The secret has no such readable version.' },
  policy_not_found: { status: 404, message: 'There is no such policy in this tenant.' },
  binding_not_found: { status: 404, message: 'There is no such binding.' },
  tenant_not_found: { status: 404, message: 'There is no such tenant.' },
  partner_not_found: { status: 404, message: 'There is no such partner.' },
  identity_not_found: {
    status: 404,
    message: 'No single identity goes by this name here. Use its id form: user:<sub>, sa:<client_id> or group:<id>.',
  },
  method_not_allowed: { status: 405, message: 'This route does not know this method. See the Allow header.' },
  secret_exists: {
    status: 409,
    message: 'A secret is or was at this path. Undelete it, or delete it permanently first.',
  },
  version_conflict: {
    status: 409,
    message: 'The secret is at another version than you expected. Read it again, then decide.',
  },
  policy_in_use: { status: 409, message: 'The policy has bindings. Remove them first, or use ?force=true.' },
  name_taken: { status: 409, message: 'The name is taken. Choose another one.' },
  read_only_path: { status: 409, message: 'This path is read from another system and cannot be written here.' },
  idempotency_conflict: {
    status: 409,
    message: 'This Idempotency-Key was used with another request. Use a new key for a new request.',
  },
  idempotency_in_progress: {
    status: 409,
    message: 'The first request with this Idempotency-Key is still running. Try again shortly.',
  },
  idempotency_replayed: {
    status: 409,
    message: 'This request was done before and its answer is given only once. Revoke the result and ask anew.',
  },
  payload_too_large: { status: 413, message: 'The request is larger than this server takes.' },
  unsupported_media_type: { status: 415, message: 'Send the body as "Content-Type: application/json".' },
  validation_error: { status: 422, message: 'Some fields are not right. See details.fields.' },
  rate_limited: { status: 429, message: 'Too many requests. Wait for the seconds in Retry-After.' },
  internal_error: {
    status: 500,
    message: 'Something went wrong on our side. It is in the server log under this request id.',
  },
  service_unavailable: { status: 503, message: 'A part that this call needs is unavailable. Try again shortly.' },
  sealed: { status: 503, message: 'The server has no root key at the moment and answers nothing but health.' },
} as const satisfies Record<string, { readonly status: number; readonly message: string }>;

export type ErrorCode = keyof typeof ERRORS;

/** Public members of an error's `details`: stable names, never a secret value. */
export type ErrorDetails = Readonly<Record<string, unknown>>;

export interface ApiErrorOptions {
  /** Replaces the catalogue's text where there is more to say. Public. */
  readonly message?: string;
  /** Public, machine-readable. */
  readonly details?: ErrorDetails;
  /** Seconds for `Retry-After`. */
  readonly retryAfter?: number;
  /** For the server log only; never sent to a client. */
  readonly operator?: string;
  readonly cause?: unknown;
}

/** What a stage or a service throws to refuse a request with a catalogued code. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails | undefined;
  readonly retryAfter: number | undefined;
  readonly operator: string | undefined;

  constructor(code: ErrorCode, options: ApiErrorOptions = {}) {
    super(options.message ?? ERRORS[code].message, { cause: options.cause });
    this.code = code;
    this.details = options.details;
    this.retryAfter = options.retryAfter;
    this.operator = options.operator;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** A `422 validation_error`: `fields` maps a field's name to the rule it breaks, never to its value. */
export function validationError(fields: Readonly<Record<string, string>>): ApiError {
  return new ApiError('validation_error', { details: { fields } });
}
