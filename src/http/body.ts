import type { IncomingMessage } from 'node:http';
import { ApiError } from '../contract/errors.ts';

/** Deeper JSON is an attack on recursion, not data (CVE-2025-6203). */
const MAX_DEPTH = 32;
const JSON_TYPE = /^application\/json\s*(?:;\s*charset\s*=\s*"?utf-8"?\s*)?$/i;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

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

/** Looked at before JSON.parse, whose recursion a deep body would exhaust. */
function depthExceeds(bytes: Buffer, limit: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) at++;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (OPENING.has(byte)) {
      if (++depth > limit) return true;
    } else if (CLOSING.has(byte)) depth--;
  }
  return false;
}

/** Whether a number is one that a double does not hold: what was sent would silently become something else. */
function holdsInexactNumber(value: unknown): boolean {
  if (typeof value === 'number')
    return Number.isInteger(value) ? !Number.isSafeInteger(value) : !Number.isFinite(value);
  if (typeof value !== 'object' || value === null) return false;
  return Object.values(value).some(holdsInexactNumber);
}

/**
 * Reads and parses a JSON body. Members named `__proto__` are ordinary members, as `JSON.parse` makes them.
 * @throws ApiError `unsupported_media_type`, `payload_too_large`, `invalid_request`
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  if (!JSON_TYPE.test(request.headers['content-type'] ?? '')) throw new ApiError('unsupported_media_type');
  const bytes = await readBytes(request, maxBytes);
  if (depthExceeds(bytes, MAX_DEPTH)) {
    throw new ApiError('invalid_request', { message: `The body is nested more than ${MAX_DEPTH} levels deep.` });
  }
  const body = parseJson(bytes);
  if (holdsInexactNumber(body)) {
    throw new ApiError('invalid_request', {
      message: 'The body holds a number beyond 2^53, which would be rounded. Send it as a string.',
    });
  }
  return body;
}

function parseJson(bytes: Buffer): unknown {
  try {
    // The parser's own message would repeat what was sent.
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw new ApiError('invalid_request', { message: 'The body is not JSON in UTF-8.' });
  } finally {
    bytes.fill(0);
  }
}
