/** Partner and tenant keys: how one is made, wrapped by its parent, opened again and believed to be active. */
import type { KeyId } from '../contract/names.ts';
import { displayFingerprint, KEY_BYTES, lengthPrefixed, type RandomSource, systemRandom } from '../kms/primitives.ts';
import { newId } from '../lib/ids.ts';
import { open, type Place, seal } from './envelope.ts';
import { KeyError } from './errors.ts';
import { KeyMaterial } from './key-material.ts';

export type KeyState = 'active' | 'retiring' | 'retired' | 'purgeable' | 'gone';
export type OwnedKeyKind = 'partner' | 'tenant';

/** A root key (for partner keys) or a partner key (for tenant keys). */
export interface ParentKey {
  readonly id: KeyId;
  readonly material: KeyMaterial;
}

/** A row of `partner_keys` or `tenant_keys`. */
export interface OwnedKey {
  readonly kind: OwnedKeyKind;
  /** The partner or tenant whose key it is. */
  readonly ownerId: string;
  readonly id: KeyId;
  readonly version: number;
  readonly parentId: KeyId;
  readonly wrappedKey: Buffer;
  readonly fingerprint: Buffer;
  readonly state: KeyState;
  readonly activeMac: Buffer | null;
}

const ID_PREFIX = { partner: 'pk', tenant: 'tk' } as const;
const ACTIVE_INFO = 'scaivault/active-key';

/** A new key, active from the start. The caller stores the row and owns the material. */
export function makeKey(
  kind: OwnedKeyKind,
  ownerId: string,
  version: number,
  parent: ParentKey,
  random: RandomSource = systemRandom,
): { readonly row: OwnedKey & { readonly activeMac: Buffer }; readonly material: KeyMaterial } {
  const material = KeyMaterial.generate(random);
  const named = { kind, ownerId, id: newId(ID_PREFIX[kind]) as string as KeyId, version, parentId: parent.id };
  const wrappedKey = material.use((bytes) => seal(parent.material, parent.id, placeOf(named), bytes, random));
  const activeMac = parent.material.mac(ACTIVE_INFO, activeStatement(named));
  return { row: { ...named, wrappedKey, fingerprint: material.fingerprint(), state: 'active', activeMac }, material };
}

/** @throws EnvelopeError, KeyError `key_gone`, `fingerprint_mismatch` */
export function unwrapKey(row: OwnedKey, parent: ParentKey): KeyMaterial {
  if (row.state === 'gone') {
    throw new KeyError('key_gone', `${nameOf(row)} was purged`, 'What it wrapped can be read from a backup only.');
  }
  const material = KeyMaterial.adopt(open(parent.material, parent.id, placeOf(row), row.wrappedKey, KEY_BYTES));
  const found = material.fingerprint();
  if (found.equals(row.fingerprint)) return material;
  material.destroy();
  throw new KeyError(
    'fingerprint_mismatch',
    `${nameOf(row)}: expected fingerprint ${displayFingerprint(row.fingerprint)}, found ${displayFingerprint(found)}`,
    `The row was altered. Restore it from a backup.`,
  );
}

/** Whether whoever made the row `active` held its parent key (spec 12, "No planted keys"). */
export function isProvenActive(row: OwnedKey, parent: ParentKey): boolean {
  if (row.state !== 'active' || row.activeMac === null) return false;
  return parent.material.verifyMac(ACTIVE_INFO, activeStatement(row), row.activeMac);
}

/** `tenant_keys row tk_... (tenant acme, version 1)` */
export function nameOf(row: Pick<OwnedKey, 'kind' | 'ownerId' | 'id' | 'version'>): string {
  return `${row.kind}_keys row ${row.id} (${row.kind} ${row.ownerId}, version ${row.version})`;
}

type Named = Pick<OwnedKey, 'kind' | 'ownerId' | 'id' | 'version' | 'parentId'>;

function placeOf({ kind, ownerId, id, version, parentId }: Named): Place {
  return { purpose: `${kind}-key`, ownerId, objectId: id, version, further: [parentId] };
}

function activeStatement({ kind, ownerId, id, version }: Named): Buffer {
  return lengthPrefixed([kind, ownerId, id, version, 'active']);
}
