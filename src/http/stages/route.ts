import type { IncomingMessage } from 'node:http';
import { ApiError } from '../../contract/errors.ts';
import type { Received, Routed } from '../exchange.ts';
import { parseRequestTarget } from '../request-target.ts';
import type { Router } from '../router.ts';

// Two of these are two readings of one request.
const ONCE = new Set([
  'authorization',
  'content-type',
  'host',
  'idempotency-key',
  'if-match',
  'if-none-match',
  'x-tenant-id',
]);

const MAX_HEADERS = 100;

/** What a proxy before us may have read otherwise than we do. */
function refuseAmbiguous({ rawHeaders, headers, httpVersion }: IncomingMessage): void {
  // Refused rather than cut: behind a cut a proxy's X-Forwarded-For could disappear.
  if (rawHeaders.length > 2 * MAX_HEADERS) throw new ApiError('invalid_request', { message: 'Too many headers.' });
  const seen = new Set<string>();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at]?.toLowerCase() ?? '';
    if (!ONCE.has(name)) continue;
    if (seen.has(name)) throw new ApiError('invalid_request', { message: `The header ${name} is given twice.` });
    seen.add(name);
  }
  if (httpVersion === '1.1' && headers.host === undefined) {
    throw new ApiError('invalid_request', { message: 'The Host header is missing.' });
  }
  if (httpVersion === '1.0' && headers['transfer-encoding'] !== undefined) {
    throw new ApiError('invalid_request', { message: 'HTTP/1.0 knows no Transfer-Encoding.' });
  }
}

/** Stage 2: request target -> route descriptor. Before authentication: what there is, is no secret. */
export function route(exchange: Received, router: Router): Routed {
  refuseAmbiguous(exchange.request);
  const target = parseRequestTarget(exchange.request.url ?? '');
  return { ...exchange, target, match: router(exchange.method, target.rawPath) };
}
