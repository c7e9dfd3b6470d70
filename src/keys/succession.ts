import { displayFingerprint, lengthPrefixed } from '../kms/primitives.ts';
import { KeyError } from './errors.ts';
import type { KeyMaterial } from './key-material.ts';

/** What a succession record vouches for: a version of the root key. */
export interface RootIdentity {
  readonly id: string;
  readonly version: number;
  readonly fingerprint: Buffer;
  /** Whole milliseconds. */
  readonly createdAt: Date;
}

/** A version whose key has been opened. */
export interface OpenedRoot extends RootIdentity {
  readonly material: KeyMaterial;
  readonly succession: Buffer | null;
}

const INFO = 'scaivault/succession';

/** The record by which the version before says that `next` follows it. */
export function successionRecord(before: KeyMaterial, next: RootIdentity): Buffer {
  return before.mac(INFO, message(next));
}

/**
 * Checks that every version from the second on was vouched for by the one before it, without a gap. The first is taken
 * on first use, or known by its fingerprint. `chain` is in ascending order. @throws KeyError
 */
export function verifySuccession(chain: readonly OpenedRoot[], pinned: Buffer | null): void {
  const first = chain[0];
  if (first === undefined) return;
  checkFirst(first, pinned);
  let before = first;
  for (const next of chain.slice(1)) {
    const valid =
      next.version === before.version + 1 &&
      next.succession !== null &&
      before.material.verifyMac(INFO, message(next), next.succession);
    if (!valid) {
      throw new KeyError(
        'succession_invalid',
        `root key ${next.id} version ${next.version} (fingerprint ${displayFingerprint(next.fingerprint)}) ` +
          `has no valid record of succession from ${before.id} version ${before.version}`,
        'Somebody may have planted it. Restore the table root_keys from a backup that you trust.',
      );
    }
    before = next;
  }
}

function checkFirst(first: OpenedRoot, pinned: Buffer | null): void {
  if (pinned !== null && !pinned.equals(first.fingerprint)) {
    throw new KeyError(
      'fingerprint_pinned',
      `the root key is not the pinned one: expected fingerprint ${pinned.toString('hex')}, ` +
        `found ${first.fingerprint.toString('hex')} (${first.id} version ${first.version})`,
      'Check that DATABASE_URL names the right database; set ROOT_KEY_FINGERPRINT anew only if you know why it changed.',
    );
  }
  // Its predecessor was purged, so nothing in the database can vouch for it.
  if (pinned === null && first.version > 1) {
    throw new KeyError(
      'succession_invalid',
      `nothing vouches for root key ${first.id} version ${first.version}, whose predecessor is gone`,
      `If you trust it, set ROOT_KEY_FINGERPRINT=${first.fingerprint.toString('hex')}`,
    );
  }
}

function message({ id, version, fingerprint, createdAt }: RootIdentity): Buffer {
  return lengthPrefixed([id, version, fingerprint, createdAt.toISOString()]);
}
