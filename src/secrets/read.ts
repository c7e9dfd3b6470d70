import { ApiError } from '../contract/errors.ts';
import type { SecretPath } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Database } from '../postgres/database.ts';
import type { AccessTimes } from './access-times.ts';
import { placeOf } from './append.ts';
import type { Asking } from './asking.ts';
import { type Found, readVersion, type StoredVersion } from './repository.ts';
import { deletedRefusal, expiredRefusal } from './state/require.ts';
import type { SecretData, SecretVersion } from './types.ts';

export interface ReadSecret extends SecretVersion {
  readonly data: SecretData;
}

/** A version whose value the caller has already, so that it was not opened. */
export interface KnownSecret extends SecretVersion {
  readonly data: null;
}

export interface ReadParts {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly retentionMs: number;
  readonly accessTimes: Pick<AccessTimes, 'note'>;
}

/** @throws ApiError `secret_not_found`, `version_not_found` */
export function storedOf(found: Found): StoredVersion {
  switch (found.found) {
    case 'version':
      return found.stored;
    case 'nothing':
      throw new ApiError('secret_not_found');
    case 'deleted':
      throw deletedRefusal(found.recoverableUntil);
    case 'expired':
      throw expiredRefusal(found.at, found.currentVersion);
    case 'no_version':
      throw new ApiError('version_not_found', { details: { current_version: found.currentVersion } });
  }
}

/** Opens a value. May read the row of its key. */
export async function openStored(
  keyring: Pick<Keyring, 'open'>,
  tenant: Tenant,
  { id, sealed, ...shown }: StoredVersion,
): Promise<ReadSecret> {
  const plain = await keyring.open(tenant, placeOf(tenant, { ...shown, id }), sealed);
  const data = JSON.parse(plain.toString('utf8')) as SecretData;
  plain.fill(0);
  return { ...shown, data };
}

function withoutValue({ id: _, sealed: __, ...shown }: StoredVersion): KnownSecret {
  return { ...shown, data: null };
}

export function createRead({ db, keyring, retentionMs, accessTimes }: ReadParts) {
  return async (
    asking: Asking,
    path: SecretPath,
    version: number | null,
    isKnown: (version: number) => boolean,
  ): Promise<ReadSecret | KnownSecret> => {
    const found = await readVersion(db, asking.tenant.tenantId, path, version, retentionMs);
    await asking.standing.confirm(found.epochs);
    const stored = storedOf(found);
    const secret = isKnown(stored.version) ? withoutValue(stored) : await openStored(keyring, asking.tenant, stored);
    accessTimes.note(asking.tenant.tenantId, stored.id);
    return secret;
  };
}
