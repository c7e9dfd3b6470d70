import type { KeyId, PartnerId, TenantId } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import type { Database, Transaction } from '../postgres/database.ts';
import { KeyError } from './errors.ts';
import type { KeyMaterial } from './key-material.ts';
import { isProvenActive, makeKey, nameOf, type OwnedKey, type ParentKey, unwrapKey } from './owned-key.ts';
import * as repository from './repository.ts';
import type { RootKeys } from './root-key-loading.ts';

// Each further round means that another process made or retired a key at this very moment.
const MAX_ROUNDS = 5;

export interface ChainOptions {
  /** For the history of keys. */
  readonly actor: string;
  /** Told of every key row that claims to be active and cannot prove it. */
  readonly alarm: (error: KeyError) => void;
}

/** An opened tenant key; the caller owns the material. */
export interface OpenedKey {
  readonly id: KeyId;
  readonly material: KeyMaterial;
}

/**
 * Finds and makes keys below the root key. Uses the database by itself, so it must not be called by somebody who holds
 * a transaction open. Root and partner keys stay open for the life of the process.
 */
export class KeyChain {
  readonly #db: Database;
  readonly #root: RootKeys;
  readonly #options: ChainOptions;
  readonly #partnerKeys = new Map<KeyId, ParentKey>();
  #closed = false;

  constructor(db: Database, root: RootKeys, options: ChainOptions) {
    this.#db = db;
    this.#root = root;
    this.#options = options;
  }

  /** A key that may be used to read, in any state but gone. @throws KeyError, EnvelopeError */
  async tenantKey(tenantId: TenantId, id: KeyId): Promise<OpenedKey> {
    const row = await repository.tenantKey(this.#db, tenantId, id);
    if (row === null) throw notFound('tenant', tenantId, id);
    const parent = await this.#partnerKey(row.partnerId, row.parentId);
    return { id, material: unwrapKey(row, parent) };
  }

  /** The key to write with, made at the tenant's first write. @throws KeyError, EnvelopeError, ConstraintViolation */
  async activeTenantKey({ tenantId, partnerId }: Tenant): Promise<OpenedKey> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const row = await repository.activeTenantKey(this.#db, tenantId);
      if (row !== null) {
        const parent = await this.#partnerKey(row.partnerId, row.parentId);
        return { id: row.id, material: this.#unwrapActive(row, parent) };
      }
      const made = await this.#makeTenantKey(tenantId, partnerId);
      if (made !== null) return made;
    }
    throw notMade('tenant', tenantId);
  }

  close(): void {
    this.#closed = true;
    for (const key of this.#partnerKeys.values()) key.material.destroy();
    this.#partnerKeys.clear();
    for (const key of this.#root.all) key.material.destroy();
  }

  async #makeTenantKey(tenantId: TenantId, partnerId: PartnerId): Promise<OpenedKey | null> {
    const parent = await this.#activePartnerKey(partnerId);
    const version = await repository.nextTenantVersion(this.#db, tenantId);
    const { row, material } = makeKey('tenant', tenantId, version, parent);
    const stored = await this.#store(row, (tx) => repository.insertTenantKey(tx, row, partnerId));
    if (stored) return { id: row.id, material };
    material.destroy();
    return null;
  }

  async #activePartnerKey(partnerId: PartnerId): Promise<ParentKey> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const row = await repository.activePartnerKey(this.#db, partnerId);
      if (row !== null) return this.#remember(row.id, this.#unwrapActive(row, this.#rootKey(row)));
      const version = await repository.nextPartnerVersion(this.#db, partnerId);
      const made = makeKey('partner', partnerId, version, this.#root.active);
      const stored = await this.#store(made.row, (tx) => repository.insertPartnerKey(tx, made.row));
      if (stored) return this.#remember(made.row.id, made.material);
      made.material.destroy();
    }
    throw notMade('partner', partnerId);
  }

  async #partnerKey(partnerId: PartnerId, id: KeyId): Promise<ParentKey> {
    const open = this.#partnerKeys.get(id);
    if (open !== undefined) return open;
    const row = await repository.partnerKey(this.#db, partnerId, id);
    if (row === null) throw notFound('partner', partnerId, id);
    return this.#remember(id, unwrapKey(row, this.#rootKey(row)));
  }

  #rootKey(row: OwnedKey): ParentKey {
    const root = this.#root.all.find((key) => key.id === row.parentId);
    if (root === undefined) throw notFound('root', this.#root.installationId, row.parentId);
    return root;
  }

  /** Two requests may have opened the same key at once: the first one stays. */
  #remember(id: KeyId, material: KeyMaterial): ParentKey {
    // Came back from the database after the closing: nobody would destroy it any more.
    if (this.#closed) material.destroy();
    const present = this.#partnerKeys.get(id);
    if (present !== undefined) {
      material.destroy();
      return present;
    }
    const key = { id, material };
    this.#partnerKeys.set(id, key);
    return key;
  }

  #unwrapActive(row: OwnedKey, parent: ParentKey): KeyMaterial {
    if (isProvenActive(row, parent)) return unwrapKey(row, parent);
    const error = new KeyError(
      'active_mac_invalid',
      `${nameOf(row)} says that it is active, but its parent key ${parent.id} did not say so`,
      'Nothing is written with it. Somebody may have changed the row: restore it from a backup that you trust.',
    );
    this.#options.alarm(error);
    throw error;
  }

  /** Stores a new key and its history in one transaction; false where the key was not wanted any more. */
  #store(row: OwnedKey, insert: (tx: Transaction) => Promise<boolean>): Promise<boolean> {
    const { id: keyId, kind, ownerId, version, fingerprint, parentId: wrappedBy } = row;
    const { actor } = this.#options;
    return this.#db.transaction(async (tx) => {
      if (!(await insert(tx))) return false;
      await repository.recordMaking(tx, { keyId, kind, ownerId, version, fingerprint, wrappedBy, actor });
      return true;
    });
  }
}

function notFound(kind: 'root' | 'partner' | 'tenant', owner: string, id: KeyId): KeyError {
  return new KeyError(
    'key_not_found',
    `there is no ${kind} key ${id} of ${owner}`,
    `Restore the table ${kind}_keys from the backup that the rest came from.`,
  );
}

function notMade(kind: 'partner' | 'tenant', owner: string): KeyError {
  return new KeyError(
    'key_not_made',
    `no active ${kind} key of ${owner} could be stored in ${MAX_ROUNDS} tries`,
    'The key above it may have been retired: restart this process, so that it reads the root key anew.',
  );
}
