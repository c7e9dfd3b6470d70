import { rm, writeFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import type { KeyId } from '../../src/contract/names.ts';
import { KeyMaterial } from '../../src/keys/key-material.ts';
import { rootBlock } from '../../src/keys/root-block.ts';
import { establishRootKey } from '../../src/keys/root-key.ts';
import { loadRootKeys } from '../../src/keys/root-key-loading.ts';
import { successionRecord } from '../../src/keys/succession.ts';
import { type KmsContext, KmsError, type KmsProvider } from '../../src/kms/provider.ts';
import { newId } from '../../src/lib/ids.ts';
import { type Database, statement } from '../../src/postgres/database.ts';
import { openDatabase } from '../../src/postgres/pool.ts';
import { suite } from '../support/suite.ts';
import { type Installation, installation, keyId, refuses } from './fixtures.ts';

const test = suite('the root key at start');
let here: Installation;

test.before(async () => {
  here = await installation();
});
test.after(() => here.remove());
test.beforeEach(() => here.startAnew());

/** A service that takes no associated data: only what is wrapped can tell where it belongs. */
const plain: KmsProvider = {
  name: 'plain',
  wrap: async (plaintext) => ({ ciphertext: Buffer.from(plaintext), keyRef: 'plain' }),
  unwrap: async (ciphertext) => Buffer.from(ciphertext),
  describe: async () => ({ status: 'enabled', keyRef: 'plain' }),
  close: async () => undefined,
};

async function count(table: string): Promise<number> {
  return (await here.sql<{ n: number }>(`SELECT count(*)::int AS n FROM ${table}`))[0]!.n;
}

test('is made once, with its history, and opened from then on', async () => {
  const made = await here.establish({ actor: 'serve' });
  assert.is(made.made, true);
  assert.match(made.fingerprint, /^[0-9a-f]{64}$/);
  assert.match(made.installationId, /^ins_/);
  const again = await here.establish();
  assert.is(again.made, false);
  assert.is(again.fingerprint, made.fingerprint);
  assert.is(again.installationId, made.installationId);
  assert.ok(again.active.material.equals(made.active.material));
  const history = await here.sql<{ event: string; actor: string; owner_id: string }>(
    'SELECT event, actor, owner_id FROM key_history ORDER BY event',
  );
  assert.equal(
    history.map((row) => row.event),
    ['activated', 'created'],
  );
  assert.equal([history[0]!.actor, history[0]!.owner_id], ['serve', made.installationId]);
  const [wrap] = await here.sql<{ ciphertext: Buffer; recipient: string }>('SELECT * FROM root_key_wraps');
  assert.is(wrap!.recipient, 'kms:primary');
  made.active.material.use((bytes) => assert.not.ok(wrap!.ciphertext.includes(bytes)));
});

test('of three processes that start at once, one makes it and all have the same', async () => {
  const [{ database }] = (await here.sql<{ database: string }>('SELECT current_database() AS database')) as [
    { database: string },
  ];
  const url = new URL(process.env.TEST_DATABASE_URL!);
  url.pathname = `/${database}`;
  const processes: Database[] = [];
  for (let i = 0; i < 3; i++) {
    processes.push(await openDatabase({ url: url.href, poolMax: 2, statementTimeoutMs: 5000 }));
  }
  try {
    // A slow service, so that the others come while the first one is at it.
    const slow: KmsProvider = {
      ...here.kms,
      wrap: async (plaintext, context) => {
        await new Promise((resolve) => setTimeout(resolve, 300));
        return here.kms.wrap(plaintext, context);
      },
    };
    const all = await Promise.all(processes.map((db) => establishRootKey(db, slow, { actor: 'test' })));
    assert.is(all.filter((root) => root.made).length, 1);
    assert.is(new Set(all.map((root) => root.fingerprint)).size, 1);
    assert.is(new Set(all.map((root) => root.installationId)).size, 1);
    assert.equal(
      [
        await count('root_keys'),
        await count('root_key_wraps'),
        await count('installation'),
        await count('key_history'),
      ],
      [1, 1, 1, 2],
    );
  } finally {
    for (const db of processes) await db.close();
  }
});

test('nobody waits for ever for another one that hangs while making it', async () => {
  await here.db.transaction(async (tx) => {
    const lock = "SELECT pg_advisory_xact_lock(hashtextextended('scaivault:root_key', 0))";
    await tx.query(statement('test.hold', lock));
    await refuses('root_key_busy', () => here.establish({ lockWaitMs: 300 }), 'another scaivault');
  });
});

test('another key file is refused: expected and found fingerprint, and the fix', async () => {
  await here.establish();
  const expected = (await here.kms.describe()).keyRef.slice(6);
  await writeFile(here.keyFile, `${Buffer.alloc(32, 9).toString('base64')}\n`);
  const found = (await here.kms.describe()).keyRef.slice(6);
  await refuses(
    'bad_ciphertext',
    () => here.establish(),
    `expected fingerprint ${expected}, found ${found}`,
    'KMS_LOCAL_KEY_FILE',
  );
  assert.is(await count('root_keys'), 1);
});

test('a key file that is gone is an error, not a reason for a new root key', async () => {
  await here.establish();
  await rm(here.keyFile);
  await refuses('key_state', () => here.establish(), 'there is no key file');
  assert.is(await count('root_keys'), 1);
});

test('where keys or secrets are and no root key, none is made', async () => {
  const keyring = await here.keyring();
  await keyring.writer(await here.addTenant('acme', 'group'));
  // As after a restore that left a table out.
  await here.db.transaction(async (tx) => {
    await tx.query(statement('test.replica', "SET LOCAL session_replication_role = 'replica'"));
    await tx.query(statement('test.wraps', 'DELETE FROM root_key_wraps'));
    await tx.query(statement('test.roots', 'DELETE FROM root_keys'));
  });
  await refuses('root_key_missing', () => here.establish(), 'Restore', 'root_key_wraps');
  assert.is(await count('root_keys'), 0);
});

test('when the service fails while it is made, nothing stays and the next start makes it', async () => {
  const failing: KmsProvider = {
    ...here.kms,
    unwrap: () => Promise.reject(new KmsError('denied', 'wrap only', 'allow unwrap')),
  };
  await refuses('denied', () => establishRootKey(here.db, failing, { actor: 'test' }));
  assert.equal([await count('root_keys'), await count('installation'), await count('key_history')], [0, 0, 0]);
  assert.is((await here.establish()).made, true);
});

test('a service that gives back something else than it was given is found out before anything is stored', async () => {
  const lossy: KmsProvider = { ...plain, unwrap: async (ciphertext) => Buffer.alloc(ciphertext.length, 1) };
  await refuses('root_block_malformed', () => establishRootKey(here.db, lossy, { actor: 'test' }));
  assert.is(await count('root_keys'), 0);
});

test('the pinned fingerprint must be the one that is there', async () => {
  const { fingerprint } = await here.establish();
  assert.is((await here.establish({ pinnedFingerprint: fingerprint.toUpperCase() })).fingerprint, fingerprint);
  const other = 'ab'.repeat(32);
  await refuses('fingerprint_pinned', () => here.establish({ pinnedFingerprint: other }), other, fingerprint);
  await refuses('fingerprint_pinned', () => here.establish({ pinnedFingerprint: fingerprint.slice(0, 16) }), '64');
});

test('with a pinned fingerprint no root key is made: this is the wrong database', async () => {
  const pinnedFingerprint = 'ab'.repeat(32);
  await refuses('fingerprint_pinned', () => here.establish({ pinnedFingerprint }), pinnedFingerprint, 'DATABASE_URL');
  assert.is(await count('root_keys'), 0);
});

test('a root key of another installation is refused, although the same key file wrapped it', async () => {
  await here.establish();
  await here.sql("UPDATE installation SET id = 'ins_01hk7x9z00zzzzzzzzzzzzzzzz'");
  await refuses('bad_ciphertext', () => here.establish(), 'another installation');
  await here.sql('DELETE FROM installation');
  await refuses('other_installation', () => here.establish(), 'installation is empty');
});

// ------------------------------------------------------------------------------------------------- planted keys

interface Planted {
  readonly id: KeyId;
  readonly material: KeyMaterial;
  readonly fingerprint: Buffer;
  readonly createdAt: Date;
  readonly version: number;
}

/** A root key as somebody would put it there who can write to the database and have things wrapped. */
async function plant(
  context: Partial<KmsContext>,
  alter: (block: Buffer) => void = () => undefined,
  succession: (planted: Planted) => Buffer | null = () => null,
): Promise<Planted> {
  const id = keyId('rk');
  const material = KeyMaterial.generate();
  const [own] = await here.sql<{ id: string }>('SELECT id FROM installation');
  const version = context.version ?? 1;
  const planted = {
    id,
    material,
    fingerprint: material.fingerprint(),
    createdAt: new Date(1_800_000_000_000),
    version,
  };
  const block = rootBlock(material, { installationId: own!.id, rootKeyId: id, version, ...context });
  alter(block);
  await here.sql("UPDATE root_keys SET state = 'retiring'");
  await here.sql(
    `INSERT INTO root_keys (id, version, fingerprint, succession, state, created_at) VALUES ($1, $2, $3, $4, 'active', $5)`,
    [id, version, planted.fingerprint, succession(planted), planted.createdAt],
  );
  await here.sql(
    `INSERT INTO root_key_wraps (root_key_id, recipient, provider, key_ref, ciphertext) VALUES ($1, 'kms:primary', 'plain', 'plain', $2)`,
    [id, block],
  );
  return planted;
}

const start = () => establishRootKey(here.db, plain, { actor: 'test' });
const anInstallation = () => here.sql('INSERT INTO installation (id) VALUES ($1)', [newId('ins')]);

test('a planted wrap that was made for another installation is refused', async () => {
  await anInstallation();
  const { id } = await plant({ installationId: 'ins_of_the_attacker' });
  await refuses('other_installation', start, id, 'ins_of_the_attacker');
});

test('a planted wrap of another root key is refused', async () => {
  await anInstallation();
  await plant({ rootKeyId: 'rk_another' });
  await refuses('other_root_key', start, 'rk_another');
});

test('a planted wrap with an altered check is refused', async () => {
  await anInstallation();
  await plant({}, (block) => {
    block[block.length - 1]! ^= 1;
  });
  await refuses('root_check_failed', start);
});

test('a planted second version without a record of succession is refused', async () => {
  await start();
  const { id } = await plant({ version: 2 }, undefined, () => Buffer.alloc(32));
  await refuses('succession_invalid', start, id, 'version 2');
  await here.sql("UPDATE root_keys SET state = 'gone' WHERE version = 1");
  await refuses('succession_invalid', start, 'ROOT_KEY_FINGERPRINT');
});

test('a second version that the first one vouched for is the active one', async () => {
  const first = await start();
  const second = await plant({ version: 2 }, undefined, (next) => successionRecord(first.active.material, next));
  const root = await start();
  assert.is(root.active.id, second.id);
  assert.equal(
    root.all.map((key) => key.version),
    [1, 2],
  );
  assert.is(root.fingerprint, second.fingerprint.toString('hex'));
  await here.sql("UPDATE root_keys SET state = 'retired' WHERE version = 2");
  await here.sql("UPDATE root_keys SET state = 'active' WHERE version = 1");
  await refuses('root_key_inactive', start, second.id);
});

test('a fingerprint that is not the key’s is refused', async () => {
  const root = await start();
  await here.sql('UPDATE root_keys SET fingerprint = $1', [Buffer.alloc(32, 0xee)]);
  await refuses('fingerprint_mismatch', start, 'ee'.repeat(8), root.fingerprint.slice(0, 16));
});

test('two recipients that open to different keys are refused', async () => {
  const root = await start();
  const id = root.active.id;
  const other = rootBlock(KeyMaterial.generate(), { installationId: root.installationId, rootKeyId: id, version: 1 });
  await here.sql(
    `INSERT INTO root_key_wraps (root_key_id, recipient, provider, key_ref, ciphertext) VALUES ($1, 'kms:secondary', 'plain', 'plain', $2)`,
    [id, other],
  );
  const both = new Map([
    ['kms:primary', plain],
    ['kms:secondary', plain],
  ]);
  await refuses('recipients_disagree', () => loadRootKeys(here.db, both, null), id);
});

test('another provider than the one that wrapped it is refused by both names', async () => {
  await here.establish();
  await refuses('wrap_missing', start, 'provider local', 'plain is configured', 'KMS_PROVIDER=local');
  await here.sql("UPDATE root_key_wraps SET recipient = 'age:age1xyz'");
  await refuses('wrap_missing', () => here.establish(), 'stored: age:age1xyz');
});

test.run();
