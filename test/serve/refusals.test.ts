import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import * as assert from 'uvu/assert';
import { run } from '../support/scaivault.ts';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { killAll, launch, logLines, refusal, type Variables } from './serving.ts';

const test = suite('a start that cannot be', { timeoutMs: 30_000 });
let environment: TestEnvironment;

test.before(async () => {
  environment = await testEnvironment();
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

const attempt = (of: TestEnvironment, variables: Variables, args: readonly string[] = []) =>
  launch(of, variables, args).finished;

/** A database URL with another part. */
function databaseUrl(change: (url: URL) => void): string {
  const url = new URL(environment.databaseUrl);
  change(url);
  return url.href;
}

test('a port in use is found before anything else is tried', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const nowhere = databaseUrl((url) => {
    url.port = '1';
  });
  const end = await attempt(environment, { BIND_ADDRESS: `127.0.0.1:${port}`, DATABASE_URL: nowhere });
  squatter.close();
  assert.is(end.code, 69);
  const { line, code } = refusal(end);
  assert.is(code, 'address_unusable');
  assert.match(
    line,
    `127.0.0.1:${port} is in use by another process. Choose another address with BIND_ADDRESS or --bind.`,
  );
});

test('an address that is not of this machine', async () => {
  const end = await attempt(environment, { BIND_ADDRESS: '192.0.2.1:8443' });
  assert.is(end.code, 69);
  assert.match(refusal(end).line, '192.0.2.1:8443 cannot be used (EADDRNOTAVAIL)');
});

test('an unknown database ends at once', async () => {
  const started = Date.now();
  const url = databaseUrl((each) => {
    each.pathname = '/no_such_database';
  });
  const end = await attempt(environment, { DATABASE_URL: url, START_TIMEOUT: '60s' });
  assert.is(end.code, 78);
  const { line, code } = refusal(end);
  assert.is(code, 'database_refused');
  assert.match(line, /PostgreSQL refuses the connection: database "no_such_database" does not exist\. Check user, /);
  assert.ok(Date.now() - started < 20_000);
});

test('an unknown user ends at once, and the password is not told', async () => {
  const url = databaseUrl((each) => {
    each.username = 'nobody_of_that_name';
    each.password = 'canary-password';
  });
  const end = await attempt(environment, { DATABASE_URL: url, START_TIMEOUT: '60s' });
  assert.is(end.code, 78);
  assert.match(refusal(end).line, /PostgreSQL refuses the connection: /);
  assert.not.match(end.stderr + end.stdout, 'canary');
});

/** A PostgreSQL that refuses everybody's password: the servers of the tests trust everybody. */
async function refusingPostgres() {
  const fields = ['SFATAL', 'VFATAL', 'C28P01', 'Mpassword authentication failed for user "scaivault"', ''];
  const body = Buffer.from(`${fields.join('\0')}\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeUInt32BE(body.length + 4, 1);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    // An SSLRequest is eight bytes; whatever else comes first is a start-up message.
    socket.on('data', (message) =>
      message.length === 8 ? socket.write('N') : socket.end(Buffer.concat([head, body])),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { port: (server.address() as AddressInfo).port, close: () => server.close() };
}

test('a wrong password ends at once, and is not told', async () => {
  const postgres = await refusingPostgres();
  const url = `postgresql://scaivault:canary-password@127.0.0.1:${postgres.port}/scaivault`;
  const end = await attempt(environment, { DATABASE_URL: url, START_TIMEOUT: '60s' });
  postgres.close();
  assert.is(end.code, 78, end.stderr);
  const { line, code } = refusal(end);
  assert.is(code, 'database_refused');
  assert.match(line, 'password authentication failed for user "scaivault". Check user, password and database name');
  assert.not.match(end.stderr + end.stdout, 'canary');
});

test('a database that stays away is waited for as long as START_TIMEOUT says', async () => {
  const started = Date.now();
  const url = databaseUrl((each) => {
    each.port = '1';
  });
  const end = await attempt(environment, { DATABASE_URL: url, START_TIMEOUT: '2s' });
  assert.is(end.code, 69);
  const { line, code } = refusal(end);
  assert.is(code, 'database_unavailable');
  assert.match(line, /PostgreSQL cannot be reached: .*ECONNREFUSED.*\. Check that PostgreSQL runs/);
  assert.ok(Date.now() - started < 20_000);
  const waits = logLines(end.stdout).filter((each) => each.msg === 'no PostgreSQL yet');
  assert.ok(waits.length >= 2, 'each try is logged');
  for (const wait of waits) assert.type(wait.retry_in_ms, 'number');
});

test('every problem of the configuration is told, one a line', async () => {
  const variables = {
    DATABASE_URL: '',
    REDIS_URL: 'nonsense',
    KMS_PROVIDER: 'loacl',
    LOG_LEVEL: 'loud',
    MAX_BODY: 'big',
  };
  const end = await attempt(environment, variables);
  assert.is(end.code, 78);
  const lines = end.stderr.trimEnd().split('\n');
  for (const name of Object.keys(variables)) {
    assert.is(lines.filter((line) => line.startsWith(`${name}: `)).length, 1, `${name} in:\n${end.stderr}`);
  }
  const documents = end.stdout.trimEnd().split('\n');
  assert.is(documents.length, 1);
  const { ok, error } = JSON.parse(documents[0]!);
  assert.is(ok, false);
  assert.is(error.code, 'configuration');
  for (const name of Object.keys(variables)) assert.match(error.message, `${name}: `);
});

test('nothing configured at all: what is needed, and the way without', async () => {
  const end = await run(['serve']);
  assert.is(end.code, 78);
  for (const name of ['DATABASE_URL', 'REDIS_URL', 'SCAIKEY_URL', 'BASE_URL', 'KMS_PROVIDER']) {
    assert.match(end.stderr, new RegExp(`^${name}: is not set, and serve needs it\\. Example: ${name}=`, 'm'));
  }
  assert.match(end.stderr, 'scaivault serve --dev');
});

test('a file that the configuration names and that is not there', async () => {
  const end = await attempt(environment, { CA_BUNDLE_FILE: '/nowhere/ca.pem' });
  assert.is(end.code, 78, end.stderr);
  assert.match(refusal(end).line, /CA_BUNDLE_FILE: \/nowhere\/ca\.pem cannot be read \(ENOENT\)/);
});

test.run();
