import type { KeyId, SecretPath, TenantId } from '../contract/names.ts';
import { KEY_BYTES, type RandomSource, systemRandom } from '../kms/primitives.ts';
import { open, type Place, seal } from './envelope.ts';
import { KeyMaterial } from './key-material.ts';

/** Where a value lies. Its own envelope does not name the path, so that a move rewraps the data key only. */
export interface ValuePlace {
  readonly tenantId: TenantId;
  /** `sec_...` */
  readonly objectId: string;
  readonly version: number;
  readonly path: SecretPath;
  readonly purpose: 'secret';
}

/** What is stored of a value: the columns `ciphertext`, `wrapped_key` and `key_id`. */
export interface SealedValue {
  readonly ciphertext: Buffer;
  readonly wrappedKey: Buffer;
  readonly keyId: KeyId;
}

/** Seals under a new data key, which is wrapped by the tenant's key and then forgotten. */
export function sealValue(
  tenantKey: KeyMaterial,
  keyId: KeyId,
  place: ValuePlace,
  value: Uint8Array,
  random: RandomSource = systemRandom,
): SealedValue {
  return KeyMaterial.during(random(KEY_BYTES), (dataKey) => {
    const ciphertext = seal(dataKey, '', valuePlace(place), value, random);
    const wrappedKey = dataKey.use((bytes) => seal(tenantKey, keyId, dataKeyPlace(place, keyId), bytes, random));
    return { ciphertext, wrappedKey, keyId };
  });
}

/** The value. `tenantKey` is the key that `sealed.keyId` names. @throws EnvelopeError */
export function openValue(tenantKey: KeyMaterial, place: ValuePlace, sealed: SealedValue): Buffer {
  const { keyId } = sealed;
  const dataKey = open(tenantKey, keyId, dataKeyPlace(place, keyId), sealed.wrappedKey, KEY_BYTES);
  return KeyMaterial.during(dataKey, (key) => open(key, '', valuePlace(place), sealed.ciphertext));
}

function valuePlace({ purpose, tenantId, objectId, version }: ValuePlace): Place {
  return { purpose, ownerId: tenantId, objectId, version, further: [] };
}

function dataKeyPlace({ purpose, tenantId, objectId, version, path }: ValuePlace, keyId: KeyId): Place {
  return { purpose: 'data-key', ownerId: tenantId, objectId, version, further: [purpose, path, keyId] };
}
