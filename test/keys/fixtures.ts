import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { KeyId, PartnerId, SecretPath, TenantId } from '../../src/contract/names.ts';
import type { Tenant } from '../../src/contract/principal.ts';
import type { KeyError } from '../../src/keys/errors.ts';
import { createKeyring, type Keyring } from '../../src/keys/keyring.ts';
import { type EstablishedRoot, establishRootKey, type RootKeyOptions } from '../../src/keys/root-key.ts';
import type { ValuePlace } from '../../src/keys/sealed-value.ts';
import { ensureKeyFile, openLocal } from '../../src/kms/local.ts';
import type { KmsProvider } from '../../src/kms/provider.ts';
import { migrationsDirectory } from '../../src/lib/assets.ts';
import { newId } from '../../src/lib/ids.ts';
import { Secret } from '../../src/lib/secret.ts';
import { VERSION } from '../../src/lib/version.ts';
import { type Database, type SqlValue, statement } from '../../src/postgres/database.ts';
import { migrate } from '../../src/postgres/migrate.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { openMigrationSession } from '../../src/postgres/session.ts';
import { createDatabase } from '../support/postgres.ts';

/** An installation without a root key: a migrated database and a key file. */
export interface Installation {
  readonly db: Database;
  readonly keyFile: string;
  readonly kms: KmsProvider;
  establish(options?: Partial<RootKeyOptions>): Promise<EstablishedRoot>;
  /** A keyring as another process would have it, with what it alarmed about. Closed by `remove`. */
  keyring(options?: { tenantKeysMax?: number }): Promise<Keyring & { readonly alarms: KeyError[] }>;
  /** Says what the services never would. */
  sql<Row extends object>(text: string, values?: readonly SqlValue[]): Promise<readonly Row[]>;
  addTenant(tenantId: string, partnerId: string): Promise<Tenant>;
  /** Empties the database and puts another key file there, which is faster than another installation. */
  startAnew(): Promise<void>;
  remove(): Promise<void>;
}

// Children first.
const KEY_TABLES = [
  'tenant_keys',
  'tenants',
  'partner_keys',
  'partners',
  'root_key_wraps',
  'root_keys',
  'installation',
  'key_history',
];
let statements = 0;

export async function installation(): Promise<Installation> {
  const database = await createDatabase();
  const session = await openMigrationSession(new Secret(database.url));
  await migrate(session, migrationsDirectory(), VERSION);
  await session.close();
  const db = await openDatabase({ url: database.url, poolMax: 6, statementTimeoutMs: 10_000 });
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-keys-'));
  const keyFile = join(directory, 'kms.key');
  const kms = openLocal(keyFile);
  const keyrings: Keyring[] = [];

  const establish: Installation['establish'] = (options = {}) =>
    establishRootKey(db, kms, { actor: 'test', ...options });
  const startAnew = async () => {
    for (const table of KEY_TABLES) await sql(`DELETE FROM ${table}`);
    await rm(keyFile, { force: true });
    await ensureKeyFile(keyFile);
  };
  const sql: Installation['sql'] = (text, values) => db.query(statement(`test.${statements++}`, text), values);

  await ensureKeyFile(keyFile);
  return {
    db,
    keyFile,
    kms,
    establish,
    sql,
    keyring: async (options = {}) => {
      const alarms: KeyError[] = [];
      const root = await establish();
      const keyring = createKeyring({ db, root, actor: 'test', alarm: (error) => alarms.push(error), ...options });
      keyrings.push(keyring);
      return Object.assign(keyring, { alarms });
    },
    addTenant: async (tenantId, partnerId) => {
      await sql('INSERT INTO partners (partner_id) VALUES ($1) ON CONFLICT DO NOTHING', [partnerId]);
      await sql('INSERT INTO tenants (tenant_id, partner_id) VALUES ($1, $2)', [tenantId, partnerId]);
      return { tenantId: tenantId as TenantId, partnerId: partnerId as PartnerId };
    },
    startAnew,
    remove: async () => {
      for (const keyring of keyrings) keyring.close();
      await db.close();
      await database.drop();
      await rm(directory, { recursive: true });
    },
  };
}

export function placeIn(tenant: Tenant, changes: Partial<ValuePlace> = {}): ValuePlace {
  return {
    tenantId: tenant.tenantId,
    objectId: newId('sec'),
    version: 1,
    path: 'apps/web/password' as SecretPath,
    purpose: 'secret',
    ...changes,
  };
}

/** A key id that looks like one of ours. */
export function keyId(prefix: 'rk' | 'pk' | 'tk'): KeyId {
  return newId(prefix) as string as KeyId;
}

/** Asserts the kind of a failure, and that its message names what it must name. */
export async function refuses(kind: string, work: () => unknown, ...named: (string | RegExp)[]): Promise<void> {
  let outcome: unknown;
  try {
    outcome = await work();
  } catch (error) {
    assert.is((error as { kind?: string }).kind, kind, String((error as Error).stack));
    const { message, hint } = error as { message: string; hint?: string };
    for (const part of named) assert.match(`${message}\n${hint ?? ''}`, part);
    return;
  }
  assert.unreachable(`expected a failure of kind ${kind}, got ${outcome}`);
}
