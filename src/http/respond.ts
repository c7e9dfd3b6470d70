import type { ServerResponse } from 'node:http';
import { ApiError, ERRORS, type ErrorCode, type ErrorDetails } from '../contract/errors.ts';
import type { Reply } from '../contract/route.ts';
import { CommitUnknown, DatabaseRefused, DatabaseUnavailable } from '../postgres/database.ts';
import type { Reached } from './exchange.ts';

/** What every answer carries; there is no server banner. */
function baseHeaders(requestId: string): Record<string, string> {
  return { 'X-Request-ID': requestId, 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff' };
}

function limitHeaders(bucket: Reached['bucket']): Record<string, string> {
  if (bucket === null || bucket === undefined) return {};
  return {
    'X-RateLimit-Limit': String(bucket.limit),
    'X-RateLimit-Remaining': String(bucket.remaining),
    'X-RateLimit-Reset': String(bucket.resetSeconds),
  };
}

/** The body of an error, as the catalogue's contract has it. */
export function errorBody(code: ErrorCode, message: string, details: ErrorDetails | undefined, requestId: string) {
  return { error: { code, message, ...(details === undefined ? {} : { details }), request_id: requestId } };
}

/** Sends JSON, bytes as they are, or nothing for `undefined`. Does nothing when the client is gone. */
export function send(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Readonly<Record<string, string>>,
): void {
  if (response.headersSent || response.destroyed) return;
  if (body === undefined || body instanceof Uint8Array) {
    response.writeHead(status, body === undefined ? headers : { ...headers, 'Content-Length': String(body.length) });
    response.end(body);
    return;
  }
  const text = JSON.stringify(body);
  response
    .writeHead(status, {
      ...headers,
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': String(Buffer.byteLength(text)),
    })
    // As text: head and body leave in one write.
    .end(text);
}

/** Stage 11. */
export function answer(exchange: Pick<Reached, 'requestId' | 'response' | 'bucket'>, reply: Reply): void {
  send(exchange.response, reply.status, reply.body, {
    ...baseHeaders(exchange.requestId),
    ...limitHeaders(exchange.bucket),
    ...reply.headers,
  });
}

/** Whatever was thrown, as an error of the catalogue. What is not known is `internal_error`, and a defect. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof DatabaseUnavailable || error instanceof DatabaseRefused || error instanceof CommitUnknown) {
    return new ApiError('service_unavailable', { retryAfter: 1, operator: error.message, cause: error });
  }
  return new ApiError('internal_error', { cause: error });
}

/** Answers with an error. */
export function answerError(exchange: Pick<Reached, 'requestId' | 'response' | 'bucket'>, error: ApiError): void {
  const { code, message, details, retryAfter } = error;
  const headers: Record<string, string> = { ...baseHeaders(exchange.requestId), ...limitHeaders(exchange.bucket) };
  if (retryAfter !== undefined) headers['Retry-After'] = String(retryAfter);
  if (ERRORS[code].status === 401) headers['WWW-Authenticate'] = 'Bearer';
  if (code === 'method_not_allowed' && Array.isArray(details?.allow)) headers.Allow = details.allow.join(', ');
  send(exchange.response, error.status, errorBody(code, message, details, exchange.requestId), headers);
}
