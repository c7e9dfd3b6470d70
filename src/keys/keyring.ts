import { LRUCache } from 'lru-cache';
import { ApiError } from '../contract/errors.ts';
import type { KeyId, TenantId } from '../contract/names.ts';
import type { Tenant } from '../contract/principal.ts';
import { displayFingerprint } from '../kms/primitives.ts';
import type { Database } from '../postgres/database.ts';
import { type ChainOptions, KeyChain } from './key-chain.ts';
import type { KeyMaterial } from './key-material.ts';
import type { RootKeys } from './root-key-loading.ts';
import { openValue, type SealedValue, sealValue, type ValuePlace } from './sealed-value.ts';
import { type Lease, TenantKeyCache } from './tenant-key-cache.ts';

export type { SealedValue, ValuePlace };

/** What the domains know of keys. After `close()` everything answers ApiError `sealed`. */
export interface Keyring {
  /**
   * Loads the tenant's active key, or makes it at the tenant's first write. Uses the database: call it before BEGIN.
   * @throws KeyError, EnvelopeError, DatabaseUnavailable
   */
  writer(tenant: Tenant): Promise<TenantWriter>;
  /**
   * Opens a value. May read the row of its key: not inside a transaction. The caller owns the answer.
   * @throws KeyError, EnvelopeError, DatabaseUnavailable
   */
  open(tenant: Tenant, place: ValuePlace, sealed: SealedValue): Promise<Buffer>;
  /** The tenant's active key turned out not to be active any more: the next `writer()` looks anew. */
  forget(tenant: Tenant): void;
  /** The root key's, in the short form for people. */
  readonly rootFingerprint: string;
  /** A key for MACs of one purpose (cursors, ...), derived from the root key. Belongs to the keyring. */
  macKey(purpose: string): KeyMaterial;
  /** Zero-fills every key. */
  close(): void;
}

export interface TenantWriter {
  readonly keyId: KeyId;
  /** Seals one value under a new data key. No input or output, so it may run inside a transaction. */
  seal(place: ValuePlace, value: Buffer): SealedValue;
  /** Opens a value whose data key lies under this very key, else null. May run inside a transaction too. */
  open(place: ValuePlace, sealed: SealedValue): Buffer | null;
  /** Call when done: the tenant's key may be zero-filled from now on. Forgotten, the garbage collector does it. */
  release(): void;
}

export interface KeyringOptions extends ChainOptions {
  readonly db: Database;
  /** Taken over: `close()` destroys the keys. */
  readonly root: RootKeys;
  /** Tenant keys that are kept open; 10,000 unless told. */
  readonly tenantKeysMax?: number;
}

export function createKeyring(options: KeyringOptions): Keyring {
  return new DatabaseKeyring(options);
}

class DatabaseKeyring implements Keyring {
  readonly rootFingerprint: string;
  readonly #root: RootKeys;
  readonly #chain: KeyChain;
  readonly #tenantKeys: TenantKeyCache;
  // Which key is active is forgotten by itself, without the key: old versions are read for a long time.
  readonly #activeIds: LRUCache<TenantId, KeyId>;
  readonly #macKeys = new Map<string, KeyMaterial>();
  #closed = false;

  constructor({ db, root, tenantKeysMax = 10_000, ...chainOptions }: KeyringOptions) {
    this.#root = root;
    this.#chain = new KeyChain(db, root, chainOptions);
    this.#tenantKeys = new TenantKeyCache(tenantKeysMax);
    this.#activeIds = new LRUCache({ max: tenantKeysMax });
    this.rootFingerprint = displayFingerprint(root.active.fingerprint);
  }

  writer(tenant: Tenant): Promise<TenantWriter> {
    return this.#unlessClosed(async () => {
      const lease = await this.#leaseActive(tenant);
      return {
        keyId: lease.id,
        seal: (place, value) => {
          this.#assertOpen();
          assertOwn(tenant, place);
          return sealValue(lease.material, lease.id, place, value);
        },
        open: (place, sealed) => {
          this.#assertOpen();
          assertOwn(tenant, place);
          return sealed.keyId === lease.id ? openValue(lease.material, place, sealed) : null;
        },
        release: lease.release,
      };
    });
  }

  open(tenant: Tenant, place: ValuePlace, sealed: SealedValue): Promise<Buffer> {
    return this.#unlessClosed(async () => {
      assertOwn(tenant, place);
      const lease = await this.#lease(tenant.tenantId, sealed.keyId);
      try {
        return openValue(lease.material, place, sealed);
      } finally {
        lease.release();
      }
    });
  }

  forget(tenant: Tenant): void {
    this.#activeIds.delete(tenant.tenantId);
  }

  macKey(purpose: string): KeyMaterial {
    this.#assertOpen();
    const present = this.#macKeys.get(purpose);
    if (present !== undefined) return present;
    const key = this.#root.active.material.derive(`scaivault/mac/${purpose}`);
    this.#macKeys.set(purpose, key);
    return key;
  }

  close(): void {
    this.#closed = true;
    this.#tenantKeys.close();
    this.#activeIds.clear();
    for (const key of this.#macKeys.values()) key.destroy();
    this.#macKeys.clear();
    this.#chain.close();
  }

  async #lease(tenantId: TenantId, id: KeyId): Promise<Lease> {
    const present = this.#tenantKeys.lease(tenantId, id);
    if (present !== null) return present;
    return this.#keep(tenantId, await this.#chain.tenantKey(tenantId, id));
  }

  async #leaseActive(tenant: Tenant): Promise<Lease> {
    const { tenantId } = tenant;
    const id = this.#activeIds.get(tenantId);
    const present = id === undefined ? null : this.#tenantKeys.lease(tenantId, id);
    if (present !== null) return present;
    const lease = this.#keep(tenantId, await this.#chain.activeTenantKey(tenant));
    this.#activeIds.set(tenantId, lease.id);
    return lease;
  }

  #keep(tenantId: TenantId, key: { readonly id: KeyId; readonly material: KeyMaterial }): Lease {
    if (this.#closed) key.material.destroy();
    this.#assertOpen();
    return this.#tenantKeys.add(tenantId, key);
  }

  /** Closing pulls the keys away from under whatever runs; its failures then have but one cause. */
  async #unlessClosed<T>(work: () => Promise<T>): Promise<T> {
    this.#assertOpen();
    try {
      return await work();
    } catch (error) {
      this.#assertOpen();
      throw error;
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new ApiError('sealed');
  }
}

/** The last of several fences: who works in one tenant never reads or writes a value of another. */
function assertOwn(tenant: Tenant, place: ValuePlace): void {
  if (place.tenantId !== tenant.tenantId) throw new Error('the place of a value lies in another tenant');
}
