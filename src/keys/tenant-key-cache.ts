import { LRUCache } from 'lru-cache';
import type { KeyId, TenantId } from '../contract/names.ts';
import type { OpenedKey } from './key-chain.ts';
import type { KeyMaterial } from './key-material.ts';

/** The right to use a cached key until `release()`, whatever the cache evicts meanwhile. */
export interface Lease {
  readonly id: KeyId;
  readonly material: KeyMaterial;
  release(): void;
}

/**
 * The open tenant keys, the most recently used of them. An evicted key is zero-filled at once, or when the last lease
 * on it ends; a key whose lease is forgotten is zero-filled by its finaliser.
 */
export class TenantKeyCache {
  readonly #keys: LRUCache<string, CachedKey>;

  constructor(max: number) {
    this.#keys = new LRUCache({ max, dispose: (key) => key.evict() });
  }

  lease(tenantId: TenantId, id: KeyId): Lease | null {
    return this.#keys.get(nameOf(tenantId, id))?.lease() ?? null;
  }

  /** Takes the key over and leases it before anything can evict it. Of two that are the same the first one stays. */
  add(tenantId: TenantId, key: OpenedKey): Lease {
    const present = this.lease(tenantId, key.id);
    if (present !== null) {
      key.material.destroy();
      return present;
    }
    const cached = new CachedKey(key);
    const lease = cached.lease();
    this.#keys.set(nameOf(tenantId, key.id), cached);
    return lease;
  }

  /** Zero-fills every cached key, leased or not. */
  close(): void {
    for (const key of this.#keys.values()) key.destroy();
    this.#keys.clear();
  }
}

class CachedKey {
  readonly #key: OpenedKey;
  #leases = 0;
  #evicted = false;

  constructor(key: OpenedKey) {
    this.#key = key;
  }

  lease(): Lease {
    this.#leases++;
    let held = true;
    const release = () => {
      if (!held) return;
      held = false;
      this.#leases--;
      if (this.#evicted && this.#leases === 0) this.destroy();
    };
    return { id: this.#key.id, material: this.#key.material, release };
  }

  evict(): void {
    this.#evicted = true;
    if (this.#leases === 0) this.destroy();
  }

  destroy(): void {
    this.#key.material.destroy();
  }
}

// A key is found under its own tenant only. Neither id has a slash.
function nameOf(tenantId: TenantId, id: KeyId): string {
  return `${tenantId}/${id}`;
}
