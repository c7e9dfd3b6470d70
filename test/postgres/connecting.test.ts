import { chmod, chown, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as assert from 'uvu/assert';
import { type Database, DatabaseRefused, DatabaseUnavailable, statement } from '../../src/postgres/database.ts';
import { type ServerCertificate, serverCertificate } from '../support/certificates.ts';
import { type PrivateServer, startPrivatePostgres } from '../support/servers.ts';
import { skip, suite } from '../support/suite.ts';
import { abruptServer, administer, errorOf, ONE, open, printed, silentServer } from './fixtures.ts';

const test = suite('connecting');
const WHO = statement(
  'test.who',
  `SELECT current_user AS "user", current_database() AS database, current_setting('search_path') AS path,
     inet_server_addr() IS NULL AS socket, coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false) AS tls,
     current_setting('application_name') AS application`,
);
// Of every kind of character that a URL cannot hold as it is.
const PASSWORD = `p@ss/w:rd?#%&'+ ü`;

let server: PrivateServer;
let certificate: ServerCertificate;
let directory: string;
/** The server's data directory, where this process may write into it. */
let data: string | null = null;

interface Who {
  readonly user: string;
  readonly database: string;
  readonly path: string;
  readonly socket: boolean;
  readonly tls: boolean;
  readonly application: string;
}

test.before(async () => {
  server = await startPrivatePostgres();
  certificate = await serverCertificate();
  directory = await mkdtemp(join(process.env.TEST_TEMP_DIR ?? tmpdir(), 'certificates-'));
  await writeFile(join(directory, 'ca.pem'), certificate.ca);
  await writeFile(join(directory, 'other.pem'), (await serverCertificate()).ca);
  const [found] = await administer(server.url, 'SHOW data_directory');
  data = await stat(String(found?.data_directory)).then(
    () => String(found?.data_directory),
    () => null,
  );
  await administer(
    server.url,
    'CREATE SCHEMA elsewhere',
    `CREATE ROLE "al/ice@x" LOGIN PASSWORD '${PASSWORD.replaceAll("'", "''")}'`,
    'CREATE ROLE barred NOLOGIN',
  );
});
test.after(async () => {
  await server.remove();
  await rm(directory, { recursive: true });
});

/** The URL of the server with another user, password, host, or query. */
function url(query: Record<string, string> = {}, change: (target: URL) => void = () => {}): string {
  const target = new URL(server.url);
  change(target);
  for (const [name, value] of Object.entries(query)) target.searchParams.set(name, value);
  return target.href;
}

async function who(target: string): Promise<Who> {
  let db: Database | null = null;
  try {
    db = await open(target);
    const [single] = await db.query<Who>(WHO);
    const [inside] = await db.transaction((tx) => tx.query<Who>(WHO));
    assert.equal(single, inside, 'both ways of asking connect alike');
    return single!;
  } finally {
    await db?.close();
  }
}

async function configureServer(file: string, text: string): Promise<void> {
  if (data === null) skip('the server is not one whose files can be written');
  const path = join(data, file);
  await writeFile(path, text, { mode: 0o600 });
  const { uid, gid } = await stat(data);
  await chown(path, uid, gid);
  await chmod(path, 0o600);
}

test('without TLS on the server works where it is not demanded, and is refused where it is', async () => {
  for (const sslmode of ['disable', 'prefer']) assert.is((await who(url({ sslmode }))).tls, false);
  assert.is((await who(url())).tls, false, 'prefer is the default');
  for (const sslmode of ['require', 'verify-ca', 'verify-full']) {
    const error = await errorOf(who(url({ sslmode })));
    assert.instance(error, DatabaseRefused);
    assert.match(error.message, /SSL/);
  }
});

test('takes users, passwords, databases, schemas and names of every spelling', async () => {
  if (data === null) skip('the server is not one whose files can be written');
  const hba = join(data, 'pg_hba.conf');
  const former = await readFile(hba, 'utf8');
  await configureServer('pg_hba.conf', `host all "al/ice@x" all scram-sha-256\n${former}`);
  await administer(server.url, 'SELECT pg_reload_conf()', `CREATE DATABASE "da ta/ü%"`);
  const encoded = url({ options: '-csearch_path=elsewhere', application_name: 'mine' }, (target) => {
    target.username = encodeURIComponent('al/ice@x');
    target.password = encodeURIComponent(PASSWORD);
    target.pathname = `/${encodeURIComponent('da ta/ü%')}`;
  });
  const found = await who(encoded);
  assert.equal(
    [found.user, found.database, found.path, found.application],
    ['al/ice@x', 'da ta/ü%', 'elsewhere', 'mine'],
  );
});

test('tells what is refused from what is away, and never shows a password', async () => {
  if (data === null) skip('the server is not one whose files can be written');
  const secret = 'hunter2-%C3%BC';
  const asAlice = (password: string | null, name = 'postgres') =>
    url({}, (target) => {
      target.username = encodeURIComponent('al/ice@x');
      if (password !== null) target.password = password;
      target.pathname = `/${name}`;
    });
  const refused = [
    asAlice(secret),
    asAlice(null),
    asAlice(encodeURIComponent(PASSWORD), 'nowhere'),
    url({}, (target) => {
      target.username = 'nobody';
      target.password = secret;
    }),
    url({}, (target) => {
      target.username = 'barred';
      target.password = secret;
    }),
    url({ sslmode: 'verify-full', sslrootcert: '/nowhere/ca.pem' }, (target) => {
      target.password = secret;
    }),
    `nonsense ${secret}`,
  ];
  const away = [
    `postgresql://postgres:${secret}@127.0.0.1:1/x`,
    `postgresql://postgres:${secret}@there-is-no-such-host.invalid/x`,
    `postgresql://postgres:${secret}@x/x?host=/nowhere`,
  ];
  for (const [targets, kind] of [
    [refused, DatabaseRefused],
    [away, DatabaseUnavailable],
  ] as const) {
    for (const target of targets) {
      const error = await errorOf(who(target));
      assert.instance(error, kind, `${target}: ${error.stack}`);
      const everything = await printed(error);
      assert.not.match(everything, 'hunter2');
      assert.not.match(everything, PASSWORD);
    }
  }
});

test('by a socket needs no TLS, whatever is asked for', async () => {
  if (data === null) skip('the server is not one whose files can be reached');
  const { port } = new URL(server.url);
  for (const sslmode of ['prefer', 'require']) {
    const query = new URLSearchParams({ host: dirname(data), port, sslmode });
    const found = await who(`postgresql:///postgres?${query}`);
    assert.equal([found.user, found.socket, found.tls], ['postgres', true, false]);
  }
  const inHost = `postgresql://postgres@${encodeURIComponent(dirname(data))}:${port}/postgres`;
  assert.is((await who(inHost)).socket, true);
});

test('with TLS on the server verifies what the mode says, no less', async () => {
  await configureServer('server.crt', certificate.cert);
  await configureServer('server.key', certificate.key);
  await administer(server.url, 'ALTER SYSTEM SET ssl = on', 'SELECT pg_reload_conf()');
  for (let tries = 0; !(await who(url())).tls; tries++) assert.ok(tries < 100, 'prefer takes TLS where it is');
  const [ca, other] = [join(directory, 'ca.pem'), join(directory, 'other.pem')];
  // Resolves to 127.0.0.1 and stands in no certificate.
  const cases: readonly (readonly [string, string, string | null, boolean | null])[] = [
    ['disable', 'localhost', null, false],
    ['prefer', 'localhost', null, true],
    ['require', '127.1', null, true],
    ['require', '127.1', ca, true],
    ['require', 'localhost', other, null],
    ['verify-ca', '127.1', ca, true],
    ['verify-ca', 'localhost', other, null],
    ['verify-ca', 'localhost', null, null],
    ['verify-full', 'localhost', ca, true],
    ['verify-full', '127.0.0.1', ca, true],
    ['verify-full', '127.1', ca, null],
    ['verify-full', 'localhost', other, null],
    ['verify-full', 'localhost', null, null],
    ['require', 'localhost', 'system', null],
  ];
  for (const [sslmode, host, sslrootcert, tls] of cases) {
    const target = url({ sslmode, ...(sslrootcert === null ? {} : { sslrootcert }) }, (it) => {
      it.hostname = host;
    });
    const what = `${sslmode} ${host} ${sslrootcert}`;
    if (tls !== null) assert.is((await who(target)).tls, tls, what);
    else {
      const error = await errorOf(who(target));
      assert.ok(error instanceof DatabaseUnavailable || error instanceof DatabaseRefused, `${what}: ${error}`);
    }
  }
});

test('to a server that accepts and says nothing is given up, for every way of asking', async () => {
  const silent = await silentServer();
  const url = `postgresql://postgres:hunter2@127.0.0.1:${silent.port}/x`;
  const mute = await open(`${url}?sslmode=disable`);
  const started = Date.now();
  const errors = await Promise.all([
    errorOf(open(url)),
    errorOf(mute.query(ONE)),
    errorOf(mute.transaction((tx) => tx.query(ONE))),
  ]);
  assert.ok(Date.now() - started < 7_000);
  for (const error of errors) assert.instance(error, DatabaseUnavailable, `${error}`);
  await mute.close();
  await silent.close();
});

test('to a server that ends the connection at once is an error, and no end of the process', async () => {
  const abrupt = await abruptServer();
  const db = await open(`postgresql://postgres@127.0.0.1:${abrupt.port}/x?sslmode=disable`);
  for (let attempt = 0; attempt < 20; attempt++) {
    assert.instance(await errorOf(db.query(ONE)), DatabaseUnavailable);
    assert.instance(await errorOf(db.transaction((tx) => tx.query(ONE))), DatabaseUnavailable);
  }
  await db.close();
  await abrupt.close();
});

test.run();
