/** What stands in a request's body, as the use cases take it. */
import { ApiError, validationError } from '../contract/errors.ts';
import { parseDuration } from '../lib/durations.ts';
import { parseUtcTime } from '../lib/utc-time.ts';
import type { NewVersion } from './append/repository.ts';
import { expectedVersion } from './preconditions.ts';
import type { Options } from './schemas.ts';
import { type Changes, type Expiry, type Metadata, SECRET_TYPES, type SecretType } from './types.ts';

interface Conditions {
  readonly ifMatch: string | null;
  readonly ifNoneMatch: string | null;
}

interface ChangesInput {
  readonly metadata?: Partial<Metadata>;
  readonly options?: Options;
}

function parseExpiry({ expires_in: after, expires_at: at }: Options): Expiry {
  if (after !== undefined && at !== undefined) {
    throw validationError({ 'options.expires_in': 'give expires_in or expires_at, not both' });
  }
  if (after !== undefined) {
    const ms = parseDuration(after);
    if (ms === null) throw new ApiError('invalid_duration', { details: { field: 'options.expires_in' } });
    return { type: 'in', ms };
  }
  if (at === undefined) return { type: 'keep' };
  if (at === null) return { type: 'never' };
  const ms = parseUtcTime(at);
  if (ms === null) {
    throw validationError({ 'options.expires_at': 'must be a time in UTC, like 2027-01-31T12:00:00Z' });
  }
  return { type: 'at', at: new Date(ms) };
}

function parseSecretType(text: string | undefined): SecretType | null {
  if (text === undefined) return null;
  const type = SECRET_TYPES.find((known) => known === text);
  if (type === undefined) throw new ApiError('invalid_secret_type');
  return type;
}

/** Metadata travels in lists, a thousand at a time: what is large belongs into the value. */
const MAX_CUSTOM_BYTES = 16 * 1024;

function refuseLargeCustom({ custom }: Partial<Metadata>): void {
  if (custom === undefined || Buffer.byteLength(JSON.stringify(custom)) <= MAX_CUSTOM_BYTES) return;
  throw validationError({ 'metadata.custom': 'is larger than 16 KiB as JSON; put what is large into data' });
}

/** @throws ApiError `invalid_duration`, `validation_error` */
export function parseChanges({ metadata = {}, options = {} }: ChangesInput): Changes {
  refuseLargeCustom(metadata);
  return { metadata, maxVersions: options.max_versions ?? null, expiry: parseExpiry(options) };
}

/** The version that the caller expects; null: any. @throws ApiError `invalid_request`, `validation_error` */
export function parseExpected({ ifMatch, ifNoneMatch }: Conditions, options: Options = {}): number | null {
  return expectedVersion(ifMatch, ifNoneMatch, options.cas);
}

/** @throws ApiError `invalid_secret_type`, and as {@link parseChanges} and {@link parseExpected} */
export function parseNewVersion(
  call: Conditions & { readonly body: ChangesInput & { readonly secret_type?: string } },
): NewVersion {
  return {
    ...parseChanges(call.body),
    secretType: parseSecretType(call.body.secret_type),
    expected: parseExpected(call, call.body.options),
  };
}
