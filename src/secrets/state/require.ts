/** What a call may presuppose of the secret that it names, each with the refusal that says what to do. */
import { ApiError } from '../../contract/errors.ts';
import { isoTime } from '../../lib/clock.ts';
import type { SecretState } from '../types.ts';

export function deletedRefusal(recoverableUntil: Date): ApiError {
  const until = isoTime(recoverableUntil);
  return new ApiError('secret_not_found', {
    message: `The secret is deleted. POST ...:undelete brings it back until ${until}.`,
    details: { recoverable_until: until },
  });
}

export function expiredRefusal(expiredAt: Date, currentVersion: number): ApiError {
  const at = isoTime(expiredAt);
  return new ApiError('version_not_found', {
    message: `The secret expired at ${at}. Write a new version, or change its expiry with PATCH ...:metadata.`,
    details: { expired_at: at, current_version: currentVersion },
  });
}

export function occupiedRefusal(recoverableUntil: Date): ApiError {
  const until = isoTime(recoverableUntil);
  return new ApiError('secret_exists', {
    message: `A deleted secret is at this path until ${until}. Bring it back with POST ...:undelete, or delete it for good with DELETE ...?permanent=true.`,
    details: { recoverable_until: until },
  });
}

/** There is a secret, deleted or not. @throws ApiError `secret_not_found` */
export function requireRecorded(secret: SecretState | null): SecretState {
  if (secret === null) throw new ApiError('secret_not_found');
  return secret;
}

/** There is one, and it is not deleted. @throws ApiError `secret_not_found` */
export function requirePresent(secret: SecretState | null): SecretState {
  const recorded = requireRecorded(secret);
  if (recorded.recoverableUntil !== null) throw deletedRefusal(recorded.recoverableUntil);
  return recorded;
}

/** The same for who writes. @throws ApiError `secret_not_found`, `secret_exists` */
export function requireWritable(secret: SecretState | null): SecretState {
  const recorded = requireRecorded(secret);
  if (recorded.recoverableUntil !== null) throw occupiedRefusal(recorded.recoverableUntil);
  return recorded;
}

/** @param expected null: any. @throws ApiError `version_conflict` */
export function requireVersion({ currentVersion }: { readonly currentVersion: number }, expected: number | null): void {
  if (expected === null || expected === currentVersion) return;
  throw new ApiError('version_conflict', { details: { current_version: currentVersion } });
}
