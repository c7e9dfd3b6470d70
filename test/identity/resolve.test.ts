import * as assert from 'uvu/assert';
import type { SubjectKind } from '../../src/contract/principal.ts';
import type { IdentityService } from '../../src/identity/service.ts';
import { suite } from '../support/suite.ts';
import { partnerId, refusal, refusalCode, tenantId } from './fixtures.ts';
import { type House, openHouse } from './house.ts';

const test = suite('resolving names');
let house: House;
let service: IdentityService;
const TENANT = { tenantId: tenantId('tnt_a'), partnerId: partnerId('ptn_1') };

test.before(async () => {
  house = await openHouse();
  service = (await house.replica()).service;
  await house.rows("INSERT INTO partners (partner_id) VALUES ('ptn_1')");
  await house.rows("INSERT INTO tenants (tenant_id, partner_id) VALUES ('tnt_a', 'ptn_1'), ('tnt_b', 'ptn_1')");
});
test.beforeEach(async () => {
  await house.rows('TRUNCATE identities');
  service = (await house.replica()).service;
});
test.after(() => house.close());

async function seen(claims: Record<string, unknown> = {}, issuer = house.issuer.mint) {
  await service.enter(await service.authenticate(issuer(claims)), { prefix: null, header: null });
}

async function idOf(name: string, kind: SubjectKind = 'user'): Promise<string> {
  const { subject } = await service.resolve(TENANT, kind, name);
  assert.is(subject.tenantId, 'tnt_a');
  assert.is(subject.kind, kind);
  return subject.id;
}

const unknown = async (name: string) =>
  assert.is(await refusalCode(service.resolve(TENANT, 'user', name)), 'identity_not_found');

test('a user who was seen is found by address', async () => {
  await seen({ name: 'Alice' });
  const { subject, displayName } = await service.resolve(TENANT, 'user', 'user:Alice@Example.com');
  assert.equal(subject, { kind: 'user', issuer: house.issuer.issuer, tenantId: 'tnt_a', id: 'usr_alice' });
  assert.is(displayName, 'Alice');
});

test('an address that nobody has shown here names nobody', async () => {
  await seen();
  await seen({ sub: 'usr_bob', email: 'bob@example.com', tenant_id: 'tnt_b' });
  for (const name of [
    'user:bob@example.com',
    'user:carol@example.com',
    'user:@',
    'user:a@',
    'user:alice@example.com ',
  ]) {
    await unknown(name);
  }
});

test('an address that the provider does not vouch for names nobody', async () => {
  await seen({ email_verified: undefined });
  await unknown('user:alice@example.com');
  await seen({ email_verified: false });
  await unknown('user:alice@example.com');
});

test('an address that two users have names neither', async () => {
  await seen();
  await seen({ sub: 'usr_impostor' });
  await unknown('user:alice@example.com');
});

test('an address that moved names nobody until its old holder was seen without it', async () => {
  await seen({ sub: 'usr_old' });
  assert.is(await idOf('user:alice@example.com'), 'usr_old');
  await seen({ sub: 'usr_new' });
  await unknown('user:alice@example.com');
  // A token that the old holder still has does not win the name back.
  await seen({ sub: 'usr_old' });
  await unknown('user:alice@example.com');
  await seen({ sub: 'usr_old', email: 'gone@example.com' });
  assert.is(await idOf('user:alice@example.com'), 'usr_new');
  assert.is(await idOf('user:gone@example.com'), 'usr_old');
});

test('a token that does not speak of an address changes none', async () => {
  await seen();
  await seen({ email: undefined, email_verified: undefined });
  assert.is(await idOf('user:alice@example.com'), 'usr_alice');
  await seen({ email_verified: false });
  await unknown('user:alice@example.com');
});

test('an id names its subject, seen or not', async () => {
  await seen();
  assert.is(await idOf('user:usr_alice'), 'usr_alice');
  assert.is(await idOf('usr_alice'), 'usr_alice');
  assert.is(await idOf('user:usr_later'), 'usr_later');
  assert.is((await service.resolve(TENANT, 'user', 'usr_later')).subject.issuer, house.issuer.issuer);
  assert.is(await idOf('sa:robot', 'service_account'), 'robot');
  assert.is(await idOf('group:ops', 'group'), 'ops');
  assert.is(await idOf('grp_ops', 'group'), 'grp_ops');
});

test("a subject of the tenant's own issuer is found by its id", async () => {
  const own = house.issuer.tenant('tnt_a');
  await seen({ sub: 'usr_local' }, own.mint);
  assert.is((await service.resolve(TENANT, 'user', 'user:usr_local')).subject.issuer, own.issuer);
  await seen({ sub: 'usr_local', email: undefined });
  assert.is((await service.resolve(TENANT, 'user', 'user:usr_local')).subject.issuer, house.issuer.issuer);
});

test('a user and a service account of one id are two', async () => {
  await seen({ sub: 'robot', client_id: 'robot' });
  await seen({ sub: 'robot', email: 'robot@example.com' });
  assert.is(await idOf('user:robot@example.com'), 'robot');
  assert.is((await house.rows('SELECT 1 FROM identities')).length, 2);
});

test('the prefix must fit the type', async () => {
  const misfits: [SubjectKind, string][] = [
    ['user', 'sa:robot'],
    ['user', 'alice@example.com'],
    ['user', 'grp_ops'],
    ['service_account', 'user:robot'],
    ['service_account', 'usr_robot'],
    ['service_account', 'robot'],
    ['group', 'user:ops'],
    ['group', 'USR_ops'],
    ['user', 'user:'],
    ['user', 'user:a\u0000b'],
    ['user', `user:${'x'.repeat(300)}`],
  ];
  for (const [kind, name] of misfits) {
    const error = await refusal(service.resolve(TENANT, kind, name));
    assert.is(error.code, 'validation_error', name);
    assert.ok((error.details as { fields: { identity_id?: string } }).fields.identity_id);
  }
});

test('a subject is written once, not at each request', async () => {
  const before = await house.rows<{ xmin: string }>('SELECT xmin::text FROM identities');
  assert.equal(before, []);
  await seen();
  const written = () => house.rows<{ xmin: string }>('SELECT xmin::text, ctid::text FROM identities');
  const first = await written();
  for (let i = 0; i < 5; i++) await seen();
  service = (await house.replica()).service;
  await seen();
  assert.equal(await written(), first);
});

test.run();
