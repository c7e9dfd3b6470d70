import type { IncomingMessage } from 'node:http';
import { ApiError } from '../contract/errors.ts';
import { NotStrictJson, parseStrictJson, type StrictJsonProblem } from '../lib/strict-json.ts';

/** Deeper JSON is an attack on recursion, not data (CVE-2025-6203). */
const MAX_DEPTH = 32;
const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

/** Whether a request announces a body at all. */
export function hasBody(request: IncomingMessage): boolean {
  const length = request.headers['content-length'];
  return request.headers['transfer-encoding'] !== undefined || (length !== undefined && length !== '0');
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError('payload_too_large', {
    message: `The body is larger than ${maxBytes} bytes.`,
    details: { max_bytes: maxBytes },
  });
}

/** @throws ApiError `payload_too_large`, before more than the limit is held in memory */
async function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes);
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    // Left early, the stream stays whole: destroying it would take the socket, and with it the answer.
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      size += (chunk as Buffer).length;
      if (size > maxBytes) throw tooLarge(maxBytes);
      chunks.push(chunk as Buffer);
    }
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('invalid_request', { message: 'The body ended before its announced length.', cause: error });
  }
  return chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks);
}

/** Whether a number is one that a double does not hold: what was sent would silently become something else. */
function holdsInexactNumber(value: unknown): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsInexactNumber);
}

const PROBLEMS: Readonly<Record<StrictJsonProblem, string>> = {
  not_utf8: 'The body is not JSON in UTF-8.',
  not_json: 'The body is not JSON in UTF-8.',
  too_deep: `The body is nested more than ${MAX_DEPTH} levels deep.`,
  repeated_member: 'The body has two members of one name in one object.',
};

function parseJson(bytes: Buffer): unknown {
  try {
    return parseStrictJson(bytes, MAX_DEPTH);
  } catch (error) {
    if (!(error instanceof NotStrictJson)) throw error;
    throw new ApiError('invalid_request', { message: PROBLEMS[error.problem] });
  } finally {
    bytes.fill(0);
  }
}

/**
 * Reads and parses a JSON body.
 * @throws ApiError `unsupported_media_type`, `payload_too_large`, `invalid_request`
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  if (!JSON_TYPE.test(request.headers['content-type'] ?? '')) throw new ApiError('unsupported_media_type');
  const body = parseJson(await readBytes(request, maxBytes));
  if (holdsInexactNumber(body)) {
    throw new ApiError('invalid_request', {
      message: 'The body holds a number beyond 2^53, which would be rounded. Send it as a string.',
    });
  }
  return body;
}
