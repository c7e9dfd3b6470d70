import type { KeyId } from '../contract/names.ts';
import { displayFingerprint } from '../kms/primitives.ts';
import type { KmsContext, KmsProvider } from '../kms/provider.ts';
import type { Queryable } from '../postgres/database.ts';
import { KeyError } from './errors.ts';
import type { KeyMaterial } from './key-material.ts';
import * as repository from './repository.ts';
import { parseRootBlock } from './root-block.ts';
import { type OpenedRoot, verifySuccession } from './succession.ts';

/** One version of the root key, open. */
export interface RootKey extends OpenedRoot {
  readonly id: KeyId;
}

/** Every version that is not gone. Whoever holds it destroys the keys; the keyring takes that over. */
export interface RootKeys {
  readonly installationId: string;
  /** The one to write with: the newest. */
  readonly active: RootKey;
  readonly all: readonly RootKey[];
  /**
   * All 32 bytes of the active one's, in hexadecimal digits. `ROOT_KEY_FINGERPRINT` pins the oldest one, which is the
   * same until there is a second version.
   */
  readonly fingerprint: string;
}

/** Providers by the recipient whose wraps they open. */
export type Recipients = ReadonlyMap<string, KmsProvider>;

/**
 * Opens every version that is not gone, by every wrap that one of `recipients` can open, and checks all that there is
 * to check. Null: there is no root key at all.
 */
export async function loadRootKeys(
  db: Queryable,
  recipients: Recipients,
  pinned: Buffer | null,
): Promise<RootKeys | null> {
  const rows = (await repository.rootKeys(db)).filter((row) => row.state !== 'gone');
  if (rows.length === 0) return null;
  const installationId = await repository.installationId(db);
  if (installationId === null) {
    throw new KeyError(
      'other_installation',
      'there is a root key, but the table installation is empty, so it cannot be known to belong here',
      'Restore the tables installation, root_keys and root_key_wraps from one backup.',
    );
  }
  const wraps = await repository.rootWraps(db);
  const all: RootKey[] = [];
  try {
    for (const row of rows) {
      const context = { installationId, rootKeyId: row.id, version: row.version };
      const own = wraps.filter((wrap) => wrap.rootKeyId === row.id);
      all.push({ ...row, material: await unwrapRoot(row, own, context, recipients) });
    }
    verifySuccession(all, pinned);
    return { installationId, active: activeOf(rows, all), all, fingerprint: newest(all).fingerprint.toString('hex') };
  } catch (error) {
    for (const key of all) key.material.destroy();
    throw error;
  }
}

async function unwrapRoot(
  row: repository.RootKeyRow,
  wraps: readonly repository.RootWrapRow[],
  context: KmsContext,
  recipients: Recipients,
): Promise<KeyMaterial> {
  let opened: KeyMaterial | null = null;
  try {
    for (const wrap of wraps) {
      const kms = recipients.get(wrap.recipient);
      if (kms === undefined) continue;
      const material = await unwrapOne(wrap, kms, context);
      if (opened === null) opened = material;
      else compareAndDrop(opened, material, row);
    }
    if (opened === null) throw noWrap(row, wraps, recipients);
    checkFingerprint(row, opened);
    return opened;
  } catch (error) {
    opened?.destroy();
    throw error;
  }
}

async function unwrapOne(wrap: repository.RootWrapRow, kms: KmsProvider, context: KmsContext): Promise<KeyMaterial> {
  if (wrap.provider !== kms.name) {
    throw new KeyError(
      'wrap_missing',
      `root key ${wrap.rootKeyId} was wrapped by the provider ${wrap.provider} (${wrap.keyRef}), ` +
        `but ${kms.name} is configured`,
      `Set KMS_PROVIDER=${wrap.provider} again.`,
    );
  }
  const block = await kms.unwrap(wrap.ciphertext, context, wrap.keyRef);
  try {
    return parseRootBlock(block, context);
  } finally {
    block.fill(0);
  }
}

function compareAndDrop(first: KeyMaterial, other: KeyMaterial, row: repository.RootKeyRow): void {
  const same = first.equals(other);
  other.destroy();
  if (same) return;
  throw new KeyError(
    'recipients_disagree',
    `the wraps of root key ${row.id} version ${row.version} hold different keys`,
    'Somebody may have planted one. Restore the table root_key_wraps from a backup that you trust.',
  );
}

function noWrap(
  row: repository.RootKeyRow,
  wraps: readonly repository.RootWrapRow[],
  recipients: Recipients,
): KeyError {
  const stored = wraps.map((wrap) => wrap.recipient).join(', ') || 'none';
  return new KeyError(
    'wrap_missing',
    `root key ${row.id} version ${row.version} has no wrap for ${[...recipients.keys()].join(', ')}; stored: ${stored}`,
    'Configure the key management service that it was wrapped for, or restore the table root_key_wraps.',
  );
}

function checkFingerprint(row: repository.RootKeyRow, material: KeyMaterial): void {
  const found = material.fingerprint();
  if (found.equals(row.fingerprint)) return;
  throw new KeyError(
    'fingerprint_mismatch',
    `root key ${row.id} version ${row.version}: expected fingerprint ${displayFingerprint(row.fingerprint)}, ` +
      `found ${displayFingerprint(found)}`,
    'The rows do not belong together. Restore the tables root_keys and root_key_wraps from one backup.',
  );
}

/** The newest is the active one: an older version that calls itself active was put back by somebody. */
function activeOf(rows: readonly repository.RootKeyRow[], all: readonly RootKey[]): RootKey {
  const active = newest(all);
  if (rows.at(-1)?.state === 'active') return active;
  throw new KeyError(
    'root_key_inactive',
    `the newest root key ${active.id} version ${active.version} is not the active one`,
    'Restore the table root_keys from a backup that you trust.',
  );
}

function newest(all: readonly RootKey[]): RootKey {
  const last = all.at(-1);
  if (last === undefined) throw new Error('no root key is open');
  return last;
}
