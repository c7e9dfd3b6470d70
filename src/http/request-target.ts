import { ApiError } from '../contract/errors.ts';

/** The request target as it stood on the wire, cut into its parts. The path is never decoded here. */
export interface RequestTarget {
  readonly rawPath: string;
  readonly query: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 8_192;
const MAX_PARAMETERS = 50;

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new ApiError('invalid_request', { message: 'The query string is not percent-encoded UTF-8.' });
  }
}

function parseQuery(text: string): ReadonlyMap<string, string> {
  const query = new Map<string, string>();
  for (const pair of text.split('&')) {
    if (pair === '') continue;
    const at = pair.indexOf('=');
    const name = decode(at < 0 ? pair : pair.slice(0, at));
    // Two values for one name is two readings of one request.
    if (query.has(name)) throw new ApiError('invalid_request', { message: 'A query parameter is given twice.' });
    if (query.size === MAX_PARAMETERS) throw new ApiError('invalid_request', { message: 'Too many query parameters.' });
    query.set(name, at < 0 ? '' : decode(pair.slice(at + 1)));
  }
  return query;
}

/** @throws ApiError `invalid_request` */
export function parseRequestTarget(target: string): RequestTarget {
  if (target.length > MAX_LENGTH) throw new ApiError('invalid_request', { message: 'The request target is too long.' });
  if (!target.startsWith('/')) {
    throw new ApiError('invalid_request', { message: 'Send the path only, not a whole URL, as the request target.' });
  }
  const mark = target.indexOf('?');
  return mark < 0
    ? { rawPath: target, query: new Map() }
    : { rawPath: target.slice(0, mark), query: parseQuery(target.slice(mark + 1)) };
}
