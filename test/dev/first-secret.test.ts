import { mkdir, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { ask, developing, exported, killAll, linesOf, paste, workingDirectory } from './developing.ts';

const test = suite('serve --dev', { timeoutMs: 70_000 });
let home: Awaited<ReturnType<typeof workingDirectory>>;

test.before(async () => {
  home = await workingDirectory();
});
test.after(async () => {
  await killAll();
  await home.remove();
});

test('offers lines that write and read a first secret as they stand, and keeps it over a restart', async () => {
  const first = await developing([], { cwd: home.path });
  const banner = first.process.stdout();
  assert.match(banner, 'Not for production');
  assert.match(banner, `listening  ${first.url}`);
  assert.match(banner, join(home.path, '.scaivault'));
  const file = join(home.path, '.scaivault/dev.env');
  const { token, url } = await exported(file);
  assert.is(url, first.url);
  assert.not.match(banner, token);
  assert.not.match(banner, token.split('.')[2]!);
  const pasted = await paste(linesOf(banner), home.path);
  assert.is(pasted.code, 0, pasted.output);
  assert.match(pasted.output, '"created":true');
  assert.match(pasted.output, '"data":{"username":"app","password":"change-me"}');
  const end = await first.stop();
  assert.is(end.code, 0, end.stderr);
  assert.is(end.stderr, '');

  const second = await developing([], { cwd: home.path });
  assert.ok(second.readyMs < 15_000, `ready after ${second.readyMs} ms`);
  process.stdout.write(`second start ready after ${second.readyMs} ms\n`);
  const again = await paste(linesOf(second.process.stdout()), home.path);
  assert.match(again.output, '"version":2', 'the first version is still there');
  const former = await ask(file, 'GET', '/v1/secrets/app/database?version=1');
  assert.equal(former.body.data, { username: 'app', password: 'change-me' });
  assert.is((await second.stop('SIGTERM')).code, 0);
});

test('keeps what is secret for its owner only', async () => {
  const directory = join(home.path, '.scaivault');
  const modes = async (name: string) => (await stat(join(directory, name))).mode & 0o777;
  assert.is(await modes('.'), 0o700);
  for (const file of ['dev.env', 'kms.key', 'issuer-key.pem']) assert.is(await modes(file), 0o600, file);
  assert.equal((await readdir(directory)).sort(), ['database', 'dev.env', 'issuer-key.pem', 'kms.key']);
});

test('has one tenant, one administrator and one policy, all audited, and no more after a restart', async () => {
  const server = await developing([], { cwd: home.path });
  const file = join(home.path, '.scaivault/dev.env');
  const { body } = await ask(file, 'GET', '/v1/auth/whoami');
  assert.is(body.tenant_id, 'tnt_dev');
  assert.is(body.partner_id, 'ptn_dev');
  assert.is(body.identity_id, 'user:dev@localhost');
  assert.equal(body.roles, ['tenant_admin']);
  const days = (Date.parse(body.token_expires_at) - Date.now()) / 86_400_000;
  assert.ok(days > 29.9 && days <= 30, `${days} days`);
  const log = await ask(file, 'GET', '/v1/audit/logs?limit=1000');
  const count = (action: string) => log.body.logs.filter((entry: { action: string }) => entry.action === action).length;
  for (const action of ['tenant_created', 'role_change', 'policy_create', 'policy_self_granted']) {
    assert.is(count(action), 1, action);
  }
  await server.stop();
});

test('takes a directory with spaces, relative or absolute, and quotes it in its lines', async () => {
  await mkdir(join(home.path, 'sub dir'));
  const relative = await developing(['--data', "it's data"], { cwd: join(home.path, 'sub dir') });
  const pasted = await paste(linesOf(relative.process.stdout()), join(home.path, 'sub dir'));
  assert.is(pasted.code, 0, pasted.output);
  assert.match(pasted.output, '"data":{"username":"app","password":"change-me"}');
  await relative.stop();
  const absolute = await developing(['--data', join(home.path, "sub dir/it's data")], { cwd: '/' });
  const again = await paste(linesOf(absolute.process.stdout()), '/');
  assert.match(again.output, '"version":2');
  assert.is((await absolute.stop()).code, 0);
});

test.run();
