import { ApiError, validationError } from '../contract/errors.ts';
import { MAX_VERSION } from './schemas.ts';

const ETAG = /^"([1-9]\d{0,9})"$/;

/** A version as it stands in a header or query. One that no secret can have stays one that no secret has. */
export function versionNumber(digits: string): number {
  return Math.min(Number(digits), MAX_VERSION);
}

/**
 * The version that a writer expects to replace, from `If-Match: "3"`, `If-None-Match: *` and `options.cas`; 0 means
 * that the path must be free, null that anything goes.
 * @throws ApiError when a header is not of that form, or when they disagree
 */
export function expectedVersion(
  ifMatch: string | null,
  ifNoneMatch: string | null,
  cas: number | undefined,
): number | null {
  const expected: number[] = cas === undefined ? [] : [cas];
  if (ifMatch !== null) {
    const version = ETAG.exec(ifMatch)?.[1];
    if (version === undefined) {
      throw new ApiError('invalid_request', { message: 'If-Match takes one version in quotes, for example "3".' });
    }
    expected.push(versionNumber(version));
  }
  if (ifNoneMatch !== null) {
    if (ifNoneMatch !== '*') {
      throw new ApiError('invalid_request', {
        message: 'On a write, If-None-Match takes only *: create, do not replace.',
      });
    }
    expected.push(0);
  }
  if (new Set(expected).size > 1) {
    throw validationError({ 'options.cas': 'disagrees with If-Match or If-None-Match' });
  }
  return expected[0] ?? null;
}
