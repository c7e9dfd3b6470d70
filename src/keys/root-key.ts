import { setTimeout as sleep } from 'node:timers/promises';
import type { KeyId } from '../contract/names.ts';
import type { KmsContext, KmsProvider } from '../kms/provider.ts';
import { newId } from '../lib/ids.ts';
import type { Database, Transaction } from '../postgres/database.ts';
import { KeyError } from './errors.ts';
import { KeyMaterial } from './key-material.ts';
import * as repository from './repository.ts';
import { rootBlock } from './root-block.ts';
import { loadRootKeys, type Recipients, type RootKeys } from './root-key-loading.ts';

const PRIMARY = 'kms:primary';
const LOCK_POLL_MS = 200;

export interface RootKeyOptions {
  /** Who makes it, for the key's history: `serve`, `bootstrap`, ... */
  readonly actor: string;
  /** `ROOT_KEY_FINGERPRINT`: 64 hexadecimal digits. */
  readonly pinnedFingerprint?: string | undefined;
  /** Milliseconds to wait for another process that is making the root key; a minute unless told. */
  readonly lockWaitMs?: number;
  readonly now?: () => Date;
}

export interface EstablishedRoot extends RootKeys {
  /** Made by this very call. The caller writes the audit entry, with `fingerprint`. */
  readonly made: boolean;
}

/**
 * Opens the root key, or makes it on the first start of an installation. Of any number of processes that start at
 * once, one makes it and all get the same.
 *
 * @throws KeyError, KmsError, DatabaseUnavailable
 */
export async function establishRootKey(
  db: Database,
  kms: KmsProvider,
  options: RootKeyOptions,
): Promise<EstablishedRoot> {
  const { lockWaitMs = 60_000 } = options;
  const pinned = parsePinned(options.pinnedFingerprint);
  const found = await loadRootKeys(db, recipients(kms), pinned);
  if (found !== null) return { ...found, made: false };
  const deadline = Date.now() + lockWaitMs;
  for (;;) {
    const settled = await db.transaction((tx) => loadOrMake(tx, kms, pinned, options));
    if (settled !== null) return settled;
    if (Date.now() > deadline) {
      throw new KeyError(
        'root_key_busy',
        'another process has been making the root key for too long',
        'Look for another scaivault that hangs at its start, most likely for its key management service; then try again.',
      );
    }
    await sleep(LOCK_POLL_MS * (0.5 + Math.random()));
  }
}

/** Null: another process has the lock. */
async function loadOrMake(
  tx: Transaction,
  kms: KmsProvider,
  pinned: Buffer | null,
  options: RootKeyOptions,
): Promise<EstablishedRoot | null> {
  if (!(await repository.lockRoot(tx))) return null;
  const found = await loadRootKeys(tx, recipients(kms), pinned);
  if (found !== null) return { ...found, made: false };
  await refuseToReplace(tx, pinned);
  await makeRootKey(tx, kms, options);
  // The proof that it can be opened again is to open it, from the stored rows, by the code of every later start.
  const made = await loadRootKeys(tx, recipients(kms), pinned);
  if (made === null) throw new Error('the root key that was just stored cannot be read');
  return { ...made, made: true };
}

async function refuseToReplace(tx: Transaction, pinned: Buffer | null): Promise<void> {
  if (await repository.anythingWrapped(tx)) {
    throw new KeyError(
      'root_key_missing',
      'the database holds keys or secrets, but no root key that could open them; a new one could not either',
      'Restore the tables installation, root_keys and root_key_wraps from the backup that the rest came from.',
    );
  }
  if (pinned !== null) {
    throw new KeyError(
      'fingerprint_pinned',
      `expected the root key with fingerprint ${pinned.toString('hex')}, found none in this database`,
      'Check DATABASE_URL, or restore the database. For a new installation unset ROOT_KEY_FINGERPRINT at the first start.',
    );
  }
}

async function makeRootKey(tx: Transaction, kms: KmsProvider, options: RootKeyOptions): Promise<void> {
  const installationId = await ensureInstallation(tx);
  const id = newId('rk') as string as KeyId;
  const context: KmsContext = { installationId, rootKeyId: id, version: 1 };
  const material = KeyMaterial.generate();
  const block = rootBlock(material, context);
  const fingerprint = material.fingerprint();
  material.destroy();
  const { ciphertext, keyRef } = await kms.wrap(block, context).finally(() => block.fill(0));
  const createdAt = options.now?.() ?? new Date();
  await repository.insertRoot(
    tx,
    { id, version: 1, fingerprint, succession: null, state: 'active', createdAt },
    { rootKeyId: id, recipient: PRIMARY, provider: kms.name, keyRef, ciphertext },
  );
  const { actor } = options;
  const history = { keyId: id, kind: 'root', ownerId: installationId, version: 1, wrappedBy: keyRef } as const;
  await repository.recordMaking(tx, { ...history, fingerprint, actor });
}

async function ensureInstallation(tx: Transaction): Promise<string> {
  const present = await repository.installationId(tx);
  if (present !== null) return present;
  const id = newId('ins');
  await repository.insertInstallation(tx, id);
  return id;
}

function recipients(kms: KmsProvider): Recipients {
  return new Map([[PRIMARY, kms]]);
}

function parsePinned(text: string | undefined): Buffer | null {
  if (text === undefined) return null;
  if (/^[0-9a-f]{64}$/i.test(text)) return Buffer.from(text, 'hex');
  throw new KeyError(
    'fingerprint_pinned',
    'ROOT_KEY_FINGERPRINT is not a fingerprint',
    'Give all 64 hexadecimal digits, as the first start printed them.',
  );
}
