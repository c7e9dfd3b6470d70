import type { AuditService } from '../audit/service.ts';
import type { AuditDraft } from '../contract/audit.ts';
import { ApiError } from '../contract/errors.ts';
import type { SecretPath } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Committed, Standing } from '../contract/route.ts';
import type { Keyring, TenantWriter } from '../keys/keyring.ts';
import { newId } from '../lib/ids.ts';
import type { Database, Transaction } from '../postgres/database.ts';
import {
  currentVersion,
  insertVersion,
  type NewVersion,
  readEpochs,
  readVersion,
  type StoredVersion,
  takeNextVersion,
} from './repository.ts';
import type { SecretVersion } from './types.ts';

/** A request's part in a use case: who asks, where, and whether its permission still stands. */
export interface Asking {
  readonly tenant: Tenant;
  readonly draft: AuditDraft;
  readonly standing: Standing;
}

export interface ReadSecret extends SecretVersion {
  readonly data: Readonly<Record<string, unknown>>;
}

export interface WrittenSecret extends SecretVersion {
  readonly created: boolean;
}

export interface SecretsService {
  /** @throws ApiError `secret_not_found`, `version_not_found` */
  read(asking: Asking, path: SecretPath, version: number | null): Promise<ReadSecret>;
  /** Appends a version. @throws ApiError `version_conflict` */
  write(
    asking: Asking,
    path: SecretPath,
    data: Readonly<Record<string, unknown>>,
    change: NewVersion,
  ): Promise<Committed<WrittenSecret>>;
}

/** Something that was looked up before the transaction was not so any more inside it. */
class Outdated extends Error {
  override readonly name = 'Outdated';
  /** Brings it up to date, outside the transaction. */
  readonly refresh: () => void | Promise<void>;

  constructor(refresh: () => void | Promise<void>) {
    super('looked up before the transaction, changed since');
    this.refresh = refresh;
  }
}

const TRIES = 3;

function place(tenant: Tenant, secret: { id: string; version: number; path: SecretPath }) {
  return {
    purpose: 'secret' as const,
    tenantId: tenant.tenantId,
    objectId: secret.id,
    version: secret.version,
    path: secret.path,
  };
}

function withoutSeal({ id: _, sealed: __, ...version }: StoredVersion): SecretVersion {
  return version;
}

export function createSecretsService(parts: {
  readonly db: Database;
  readonly keyring: Keyring;
  readonly audit: AuditService;
}): SecretsService {
  const { db, keyring, audit } = parts;

  async function read(asking: Asking, path: SecretPath, version: number | null): Promise<ReadSecret> {
    const found = await readVersion(db, asking.tenant.tenantId, path, version);
    await asking.standing.confirm(found.epochs);
    if (found.found === 'nothing') throw new ApiError('secret_not_found');
    if (found.found === 'no_version') {
      throw new ApiError('version_not_found', { details: { current_version: found.currentVersion } });
    }
    const { stored } = found;
    const plain = await keyring.open(asking.tenant, place(asking.tenant, stored), stored.sealed);
    const data = JSON.parse(plain.toString('utf8')) as Record<string, unknown>;
    plain.fill(0);
    return { ...withoutSeal(stored), data };
  }

  /** The work of one write inside its transaction; the row lock of the path makes versions consecutive. */
  async function append(
    tx: Transaction,
    asking: Asking,
    writer: TenantWriter,
    path: SecretPath,
    value: Buffer,
    change: NewVersion,
  ): Promise<WrittenSecret> {
    const { tenantId } = asking.tenant;
    const [epochs, next] = await Promise.all([
      readEpochs(tx, tenantId),
      takeNextVersion(tx, tenantId, newId('sec'), path, change),
    ]);
    if (!asking.standing.holds(epochs)) throw new Outdated(() => asking.standing.confirm(epochs));
    if (next === null) {
      const details = { current_version: await currentVersion(tx, tenantId, path) };
      throw new ApiError('version_conflict', { details });
    }
    const sealed = writer.seal(place(asking.tenant, next), value);
    const stored = await insertVersion(tx, tenantId, next, sealed, asking.draft.identityId ?? 'unknown');
    // A rewrap has retired the key since: it is for readers only.
    if (!stored) throw new Outdated(() => keyring.forget(asking.tenant));
    const { id: _, ...version } = next;
    return { ...version, created: next.version === 1 };
  }

  async function write(
    asking: Asking,
    path: SecretPath,
    data: Readonly<Record<string, unknown>>,
    change: NewVersion,
  ): Promise<Committed<WrittenSecret>> {
    const value = Buffer.from(JSON.stringify(data), 'utf8');
    try {
      for (let attempt = 1; ; attempt++) {
        // Before the transaction: making a tenant's first key takes one of its own.
        const writer = await keyring.writer(asking.tenant);
        try {
          return await audit.commit(asking.draft, async (tx) => {
            const written = await append(tx, asking, writer, path, value, change);
            return { value: written, facts: { version: written.version } };
          });
        } catch (error) {
          if (!(error instanceof Outdated) || attempt === TRIES) throw error;
          await error.refresh();
        } finally {
          writer.release();
        }
      }
    } finally {
      value.fill(0);
    }
  }

  return { read, write };
}
