import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { SCOPES } from '../../src/contract/scopes.ts';
import { ensureDevIdentity, openDevIssuer } from '../../src/identity/dev-issuer.ts';
import { createIdentityService, type IdentityService } from '../../src/identity/service.ts';
import { suite } from '../support/suite.ts';
import { recordingLog, refusalCode } from './fixtures.ts';
import { type House, openHouse } from './house.ts';

const test = suite('the issuer of serve --dev');
let house: House;
let directory: string;

test.before(async () => {
  house = await openHouse();
});
test.beforeEach(async () => {
  await house.clean();
  directory = await mkdtemp(join(tmpdir(), 'scaivault-dev-'));
});
test.afterEach(() => rm(directory, { recursive: true }));
test.after(() => house.close());

async function start(data: string | null = directory): Promise<{ service: IdentityService; token: string }> {
  const { config, keySource, mint } = await openDevIssuer(data, house.clock);
  const { db, audit } = await house.replica();
  const service = createIdentityService({ db, audit, clock: house.clock, config, keySource, log: recordingLog().log });
  return { service, token: await mint() };
}

test('the first start makes partner, tenant, user and role, all audited', async () => {
  const { service, token } = await start();
  const { principal, tenant } = await ensureDevIdentity(service, token);
  assert.equal(tenant, { tenantId: 'tnt_dev', partnerId: 'ptn_dev' });
  assert.is(principal.identityId, 'user:dev@localhost');
  assert.is(principal.key, 'dev');
  assert.equal([...principal.scopes].toSorted(), [...SCOPES].toSorted());
  assert.equal([...(await service.effectiveRoles(principal, tenant))], ['tenant_admin']);
  assert.is((await service.resolve(tenant, 'user', 'user:dev@localhost')).subject.id, 'dev');
  assert.is((await house.audited('tenant_created')).length, 1);
  assert.is((await house.audited('role_change')).length, 1);
});

test('the second start makes nothing, and the token of yesterday still works', async () => {
  const first = await start();
  await ensureDevIdentity(first.service, first.token);
  house.clock.advance(86_400_000);
  const second = await start();
  await ensureDevIdentity(second.service, second.token);
  assert.is((await second.service.authenticate(first.token)).sub, 'dev');
  assert.is((await house.rows('SELECT 1 FROM audit_log')).length, 2);
});

test('the token lives for 30 days', async () => {
  const { service, token } = await start();
  house.clock.advance(30 * 86_400_000 - 1_000);
  await service.authenticate(token);
  house.clock.advance(62_000);
  assert.is(await refusalCode(service.authenticate(token)), 'token_expired');
});

test('the key is for its owner only, and a key that others can read is refused', async () => {
  await start();
  const [file = '', ...others] = await readdir(directory);
  assert.equal(others, []);
  const path = join(directory, file);
  assert.is((await stat(path)).mode & 0o777, 0o600);
  await chmod(path, 0o640);
  const error = await start().then(
    () => null,
    (thrown: Error) => thrown,
  );
  assert.match(error?.message ?? '', /chmod 600/);
});

test('a broken key is refused with a hint, and without showing it', async () => {
  await start();
  const [file = ''] = await readdir(directory);
  const path = join(directory, file);
  const body = (await readFile(path, 'utf8')).split('\n')[1] ?? '';
  await writeFile(path, `-----BEGIN PRIVATE KEY-----\n${body.slice(0, 20)}\n`);
  const error = await start().then(
    () => null,
    (thrown: Error) => thrown,
  );
  assert.match(error?.message ?? '', /rm .*issuer-key\.pem/);
  assert.not.match(error?.message ?? '', new RegExp(body.slice(0, 10)));
});

test('without a data directory nothing is kept, and each start has its own key', async () => {
  const [one, two] = [await start(null), await start(null)];
  assert.equal(await readdir(directory), []);
  assert.is(await refusalCode(two.service.authenticate(one.token)), 'token_invalid');
});

test('a token of any other issuer is refused', async () => {
  const { service } = await start();
  assert.is(await refusalCode(service.authenticate(house.issuer.mint())), 'token_invalid');
});

test.run();
