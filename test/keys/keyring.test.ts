import * as assert from 'uvu/assert';
import type { KeyId } from '../../src/contract/names.ts';
import type { Tenant } from '../../src/contract/principal.ts';
import type { Keyring } from '../../src/keys/keyring.ts';
import { suite } from '../support/suite.ts';
import { type Installation, installation, keyId, placeIn, refuses } from './fixtures.ts';

const test = suite('the keyring');
const VALUE = Buffer.from('correct horse battery staple');
let here: Installation;
let acme: Tenant;
let globex: Tenant;

test.before(async () => {
  here = await installation();
});
test.after(() => here.remove());

// Each test has tenants of its own in the one database.
let round = 0;
test.beforeEach(async () => {
  round++;
  acme = await here.addTenant(`acme-${round}`, `group-${round}`);
  globex = await here.addTenant(`globex-${round}`, `group-${round}`);
});

async function sealedFor(keyring: Keyring, tenant: Tenant) {
  const writer = await keyring.writer(tenant);
  const place = placeIn(tenant);
  const sealed = writer.seal(place, VALUE);
  writer.release();
  return { place, sealed };
}

/** An altered row of `tenant_keys`, as one would make it who can write to the database. */
const alterKey = (tenant: Tenant, change: string, values: readonly (string | Buffer)[] = []) =>
  here.sql(`UPDATE tenant_keys SET ${change} WHERE tenant_id = $1`, [tenant.tenantId, ...values]);

const keysOf = (tenant: Tenant) =>
  here.sql<{ id: KeyId; version: number; state: string }>(
    'SELECT id, version, state FROM tenant_keys WHERE tenant_id = $1 ORDER BY version',
    [tenant.tenantId],
  );

async function sealedNow(work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    assert.is((error as { code?: string }).code, 'sealed', String(error));
    return;
  }
  assert.unreachable('it worked');
}

test('what one process seals another one opens', async () => {
  const { place, sealed } = await sealedFor(await here.keyring(), acme);
  const other = await here.keyring();
  assert.equal(await other.open(acme, place, sealed), VALUE);
  assert.not.ok(sealed.ciphertext.includes(VALUE));
});

test('two processes have the same fingerprint and the same MAC keys, one a purpose', async () => {
  const [one, two] = [await here.keyring(), await here.keyring()];
  assert.match(one.rootFingerprint, /^[0-9a-f]{16}$/);
  assert.is(one.rootFingerprint, two.rootFingerprint);
  assert.ok(one.macKey('cursor').equals(two.macKey('cursor')));
  assert.not(one.macKey('cursor').equals(one.macKey('webhook')));
});

test('first writes that race make one tenant key and one partner key', async () => {
  const keyrings = [await here.keyring(), await here.keyring(), await here.keyring()];
  const writers = await Promise.all(
    [...keyrings, ...keyrings].flatMap((keyring) => [keyring.writer(acme), keyring.writer(globex)]),
  );
  assert.is(new Set(writers.map((writer) => writer.keyId)).size, 2);
  assert.is((await keysOf(acme)).length, 1);
  const partners = await here.sql('SELECT id FROM partner_keys WHERE partner_id = $1', [acme.partnerId]);
  assert.is(partners.length, 1);
  const history = await here.sql<{ event: string }>(
    'SELECT kind, event FROM key_history WHERE owner_id = $1 OR owner_id = $2 ORDER BY kind, event',
    [acme.tenantId, acme.partnerId],
  );
  assert.equal(
    history.map((row) => row.event),
    ['activated', 'created', 'activated', 'created'],
  );
  for (const [i, writer] of writers.entries()) {
    const tenant = i % 2 === 0 ? acme : globex;
    const place = placeIn(tenant);
    assert.equal(await keyrings[i % 3]!.open(tenant, place, writer.seal(place, VALUE)), VALUE);
  }
});

test('a tenant that nobody knows gets no key', async () => {
  const keyring = await here.keyring();
  const nobody = { tenantId: 'nobody', partnerId: acme.partnerId } as Tenant;
  const error = await keyring.writer(nobody).catch((e) => e);
  assert.is(error.name, 'ConstraintViolation');
});

test('a value is opened in its own tenant only', async () => {
  const keyring = await here.keyring();
  const { place, sealed } = await sealedFor(keyring, acme);
  await sealedFor(keyring, globex);
  // Whoever copies the row: the key is not the other tenant's.
  await refuses('key_not_found', () => keyring.open(globex, { ...place, tenantId: globex.tenantId }, sealed));
  const [own] = await keysOf(globex);
  const stolen = { ...sealed, keyId: own!.id };
  await refuses('wrong_key', () => keyring.open(globex, { ...place, tenantId: globex.tenantId }, stolen));
  const confused = await keyring.open(globex, place, sealed).catch((e) => e);
  assert.match(confused.message, 'another tenant');
  const writer = await keyring.writer(globex);
  assert.throws(() => writer.seal(place, VALUE), /another tenant/);
});

test('a key row copied to another tenant does not open there', async () => {
  const keyring = await here.keyring();
  await sealedFor(keyring, acme);
  await here.sql(
    `INSERT INTO tenant_keys SELECT $2, 'tk_copied', version, partner_id, partner_key_id, wrapped_key, fingerprint,
       state, active_mac, created_at FROM tenant_keys WHERE tenant_id = $1`,
    [acme.tenantId, globex.tenantId],
  );
  const sealed = { ciphertext: Buffer.alloc(40), wrappedKey: Buffer.alloc(90), keyId: 'tk_copied' as KeyId };
  await refuses('not_authentic', () => keyring.open(globex, placeIn(globex), sealed), 'tk_copied', globex.tenantId);
  await refuses('active_mac_invalid', () => keyring.writer(globex), 'tk_copied');
});

test('a key row whose proof of being active is forged is not written with, and the process alarms', async () => {
  await sealedFor(await here.keyring(), acme);
  await alterKey(acme, 'active_mac = $2', [Buffer.alloc(32, 1)]);
  const keyring = await here.keyring();
  const [row] = await keysOf(acme);
  await refuses('active_mac_invalid', () => keyring.writer(acme), `tenant_keys row ${row!.id}`, acme.tenantId);
  assert.is(keyring.alarms.length, 1);
  assert.match(keyring.alarms[0]!.message, row!.id);
  assert.is((await keysOf(acme)).length, 1, 'and it is not replaced either');
});

test('the proof of one key does not make another one active', async () => {
  const keyring = await here.keyring();
  await sealedFor(keyring, acme);
  const [{ active_mac: proof }] = (await here.sql<{ active_mac: Buffer }>(
    'SELECT active_mac FROM tenant_keys WHERE tenant_id = $1',
    [acme.tenantId],
  )) as [{ active_mac: Buffer }];
  await alterKey(acme, "state = 'retired', active_mac = NULL");
  keyring.forget(acme);
  await sealedFor(keyring, acme);
  await here.sql('UPDATE tenant_keys SET active_mac = $2 WHERE tenant_id = $1 AND version = 2', [acme.tenantId, proof]);
  keyring.forget(acme);
  await refuses('active_mac_invalid', () => keyring.writer(acme), 'version 2');
});

test('a partner key whose proof is forged makes no tenant key', async () => {
  const keyring = await here.keyring();
  await sealedFor(keyring, acme);
  await here.sql('UPDATE partner_keys SET active_mac = $2 WHERE partner_id = $1', [acme.partnerId, Buffer.alloc(32)]);
  await refuses('active_mac_invalid', () => keyring.writer(globex), 'partner_keys row', acme.partnerId);
  assert.is((await keysOf(globex)).length, 0);
});

test('a row whose fingerprint is not the key’s is refused by both', async () => {
  const { place, sealed } = await sealedFor(await here.keyring(), acme);
  await alterKey(acme, 'fingerprint = $2', [Buffer.alloc(32, 0xee)]);
  const keyring = await here.keyring();
  await refuses('fingerprint_mismatch', () => keyring.open(acme, place, sealed), 'ee'.repeat(8), 'found');
});

test('a retired key still reads, and the next write makes or takes another', async () => {
  const keyring = await here.keyring();
  const { place, sealed } = await sealedFor(keyring, acme);
  await alterKey(acme, "state = 'retired', active_mac = NULL");
  assert.is((await keyring.writer(acme)).keyId, sealed.keyId, 'until told, the process does not know');
  keyring.forget(acme);
  const writer = await keyring.writer(acme);
  assert.is.not(writer.keyId, sealed.keyId);
  assert.equal(
    (await keysOf(acme)).map((key) => [key.version, key.state]),
    [
      [1, 'retired'],
      [2, 'active'],
    ],
  );
  assert.equal(await keyring.open(acme, place, sealed), VALUE);
  assert.equal(await (await here.keyring()).open(acme, place, sealed), VALUE);
});

test('a key that was purged, or that never was, is told apart', async () => {
  const { place, sealed } = await sealedFor(await here.keyring(), acme);
  await alterKey(acme, "state = 'gone', active_mac = NULL, wrapped_key = '\\x00'");
  const keyring = await here.keyring();
  await refuses('key_gone', () => keyring.open(acme, place, sealed), sealed.keyId, 'backup');
  const unknown = { ...sealed, keyId: keyId('tk') };
  await refuses('key_not_found', () => keyring.open(acme, place, unknown), unknown.keyId);
});

test('under a root key that is not active any more nothing new is wrapped', async () => {
  const keyring = await here.keyring();
  await here.sql("UPDATE root_keys SET state = 'retiring'");
  try {
    await refuses('key_not_made', () => keyring.writer(acme), acme.partnerId);
  } finally {
    await here.sql("UPDATE root_keys SET state = 'active'");
  }
  assert.is((await keyring.writer(acme)).keyId.slice(0, 3), 'tk_');
});

test('a writer goes on although its key was evicted, and evicted keys are loaded again', async () => {
  const keyring = await here.keyring({ tenantKeysMax: 1 });
  const writer = await keyring.writer(acme);
  const inGlobex = await sealedFor(keyring, globex);
  const place = placeIn(acme);
  const sealed = writer.seal(place, VALUE);
  writer.release();
  assert.equal(await keyring.open(acme, place, sealed), VALUE);
  const both = await Promise.all(
    Array.from({ length: 10 }, () => [
      keyring.open(acme, place, sealed),
      keyring.open(globex, inGlobex.place, inGlobex.sealed),
    ]).flat(),
  );
  for (const value of both) assert.equal(value, VALUE);
});

test('closed, it answers sealed to everything, also to writers and readers on their way', async () => {
  const keyring = await here.keyring();
  const { place, sealed } = await sealedFor(keyring, acme);
  const writer = await keyring.writer(acme);
  const key = keyring.macKey('cursor');
  const cold = await here.keyring();
  const onTheWay = [cold.open(acme, place, sealed), cold.writer(globex)].map((work) => sealedNow(() => work));
  cold.close();
  await Promise.all(onTheWay);
  keyring.close();
  await sealedNow(() => writer.seal(place, VALUE));
  await sealedNow(() => keyring.writer(acme));
  await sealedNow(() => keyring.open(acme, place, sealed));
  await sealedNow(() => keyring.macKey('cursor'));
  assert.ok(key.destroyed);
  keyring.close();
});

test.run();
