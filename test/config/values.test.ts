import { BlockList } from 'node:net';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { rowOf, VARIABLE_NAMES, type VariableName } from '../../src/config/variables.ts';
import { problemOf, serveWith } from './support.ts';

/** For each kind of value a variable of it, texts that are right, and texts that are wrong. */
const CASES: readonly (readonly [VariableName, readonly string[], readonly string[]])[] = [
  ['MIGRATE_ON_START', ['true', 'false'], ['yes', '1', 'TRUE', ' true', 'true ', 'true\n']],
  ['DATABASE_POOL_MAX', ['1', '1000'], ['0', '1001', '-1', '1.5', '1e2', '0x10', 'NaN', '٣', '9'.repeat(400)]],
  ['LOG_LEVEL', ['debug', 'error'], ['INFO', 'trace', 'constructor', 'info,debug']],
  ['START_TIMEOUT', ['1s', '1d', '1m30s'], ['0s', '500ms', '2d', '30', '1h1h']],
  ['KMS_REVOKED_GRACE', ['0s'], ['-1s', '25d']],
  ['IDENTITY_SYNC_INTERVAL', ['off', '1m'], ['0s', 'never', 'OFF']],
  ['SERVE_PROCESSES', ['1', 'auto'], ['0', 'Auto', 'all']],
  ['MAX_BODY', ['1024', '1KiB', '64MiB'], ['1MB', '1 MiB', '0', '65MiB', '1GiB', '1.5MiB', 'MiB']],
  [
    'BIND_ADDRESS',
    ['0.0.0.0:8443', '[::1]:0', 'localhost:1', '[::]:65535'],
    [
      '8443',
      ':8443',
      '::1:8443',
      '[::1]',
      '[localhost]:1',
      '1.2.3:80',
      '1.2.3.256:80',
      'a:65536',
      'a:-1',
      'a b:1',
      'http://a:1',
    ],
  ],
  [
    'TRUSTED_PROXIES',
    ['10.0.0.0/8', '10.1.2.3', 'fd00::/8, 192.168.0.0/16'],
    [
      '10.0.0.0/33',
      'fd00::/129',
      '10.0.0/8',
      '10.0.0.0/',
      '10.0.0.0/8/8',
      'fe80::1%eth0/64',
      '::ffff:10.0.0.0/104',
      '10.0.0.0/8,',
      ',',
      'proxy',
    ],
  ],
  [
    'BASE_URL',
    ['http://vault', 'https://vault.example.com:8443/base/'],
    [
      'vault',
      'ftp://vault',
      'https://',
      'https:///x',
      'https://u:p@vault',
      'https://u@vault/',
      'https://v/?a=b',
      'https://v/#x',
      'https://v\\@evil',
      'https://a b',
      'https://v:99999',
      'HTTPS://v',
      'javascript:alert(1)',
    ],
  ],
  [
    'SCAIKEY_URL',
    ['https://login.example.com', 'https://login.example.com/realms/a/'],
    ['http://login.example.com', 'https://u:p@login', 'https://login?x=1', 'login'],
  ],
  ['SCAIKEY_JWKS_URL', ['https://login.example.com/keys?v=1'], ['http://login.example.com/keys']],
  ['SCAIKEY_AUDIENCE', ['*', 'a', 'a, b'], ['*,a', 'a,,b', ',']],
  ['SCAIKEY_CLAIM_ROLES', ['/a', '/realm_access/roles', '/a~1b/~0', '/'], ['a', 'realm.roles', '/a~2', '/a~']],
  [
    'SCAIKEY_DEFAULT_SCOPES',
    ['secrets:read', 'secrets:read secrets:list', 'secrets:read, admin'],
    ['secrets', 'read', 'secrets:read;admin', 'constructor'],
  ],
  [
    'SCAIKEY_SCOPE_MAP',
    ['{}', '{"a":"secrets:read"}', '{"a":["admin","secrets:list"]}', '{\n"__proto__": "admin"\n}'],
    ['{', '[]', 'null', '"a"', '{"a":"b"}', '{"a":["admin",1]}', '{"a":null}'],
  ],
  ['DEFAULT_TENANT_ID', ['tnt_1', 'A.b-c'], ['_system', 'a/b', 'a b', 'é', 'x'.repeat(129)]],
  [
    'BOOTSTRAP_SUPER_ADMIN',
    ['root@example.com', 'sub:usr_1', 'sub:auth0|1'],
    ['root', '@x', 'sub:', 'sub:a b', 'röot@example.com', 'root@exämple.com', 'a@b@c'],
  ],
  [
    'ROOT_KEY_FINGERPRINT',
    ['a'.repeat(64), 'AB'.repeat(32)],
    ['a'.repeat(63), 'a'.repeat(65), 'g'.repeat(64), '0123456789abcdef'],
  ],
  [
    'RECOVERY_RECIPIENTS',
    [
      rowOf('RECOVERY_RECIPIENTS').example,
      `${rowOf('RECOVERY_RECIPIENTS').example}\n${rowOf('RECOVERY_RECIPIENTS').example}`,
    ],
    ['age1', 'AGE-SECRET-KEY-1', 'ssh-ed25519 AAAA'],
  ],
  [
    'RATE_LIMIT_LIST',
    ['off', '1/min', '5/s', '100/min:10', '1000000000/min', '1000000000/min:1'],
    [
      '0/min',
      '1/min:0',
      '100',
      '1/h',
      '-1/min',
      '1.5/s',
      '1000000001/min',
      '16666667/s',
      '1/min:1000000001',
      '1/min:',
      'OFF',
      '1 /min',
    ],
  ],
  [
    'KMS_KEY_NAME',
    ['projects/p/locations/l/keyRings/r/cryptoKeys/k'],
    ['projects/p', 'projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1'],
  ],
  [
    'KMS_KEY_URL',
    ['https://acme.vault.azure.net/keys/k/0123'],
    ['http://acme.vault.azure.net/keys/k', 'https://acme.vault.azure.net/secrets/k'],
  ],
  ['TLS_CERT_FILE', ['/etc/tls.crt', 'tls.crt'], ['/etc/tls.crt\n', '/etc/\u0000', ' /etc/tls.crt']],
  ['CHECKPOINT_PIN', ['/var/pin', 's3://bucket/pin'], ['pin', 'https://user:pw@host/pin']],
  ['SCAIKEY_WEBHOOK_SECRET', ['0123456789abcdef'], ['short']],
  [
    'DATABASE_URL',
    [
      'postgres://h/db',
      'postgresql://u:p%40@[::1]:1/db?sslmode=verify-full&sslrootcert=/ca',
      'postgresql:///db?host=/run/postgresql',
      'postgresql://u:p@h/db?options=-csearch_path%3Dvault',
    ],
    [
      'h/db',
      'mysql://h/db',
      'postgresql://',
      'postgresql://h',
      'postgresql://h/',
      'postgresql:///db',
      'postgresql://h/db?sslmode=allow',
      'postgresql://h/db?sslmode=require&sslmode=off',
      'postgresql://h:x/db',
      'postgresql://u:a%zz@h/db',
      'postgresql://u:a#b@h/db',
      'postgresql://h1:1,h2:2/db',
      'postgresql://h/db\n',
    ],
  ],
  [
    'DATABASE_URL_READ',
    ['postgresql://a/db', 'postgresql://a/db,postgresql://b/db'],
    ['postgresql://a/db,', 'postgresql://a/db,b'],
  ],
  [
    'REDIS_URL',
    ['redis://h', 'redis://h:6379', 'rediss://u:p@h:6379/15', 'redis://:p@[::1]:6379/0', 'redis://h/'],
    [
      'h:6379',
      'http://h',
      'redis://',
      'redis://h:x',
      'redis://h:65536',
      'redis://h/db',
      'redis://h/0?x=1',
      'redis://u:a/b@h',
      'redis://a,b',
      'redis+foo://h',
      'redis://u:%@h',
      'redis+sentinel://h:1',
      'redis+sentinel://h:1/m/x',
      'redis+cluster://h:1/0',
    ],
  ],
  ['HTTPS_PROXY', ['http://proxy:3128', 'https://u:p@proxy:3128'], ['proxy:3128', 'socks5://proxy']],
  ['NO_PROXY', ['*', 'localhost,.internal, 10.0.0.0/8,::1'], ['a b', 'a;b']],
];

for (const [name, right, wrong] of CASES) {
  test(`${name} takes what is right and refuses what is wrong`, () => {
    for (const text of right) {
      const { kind } = rowOf(name);
      assert.not.equal(kind.parse(text), null, `${name}=${text}`);
    }
    for (const text of wrong) assert.type(problemOf(name, text), 'string', `${name}=${JSON.stringify(text)}`);
  });
}

test('every example and every default is a right value', () => {
  for (const name of VARIABLE_NAMES) {
    const { kind, example, default: fallback } = rowOf(name);
    assert.not.equal(kind.parse(example), null, name);
    if (fallback !== undefined) assert.not.equal(kind.parse(fallback), null, name);
  }
});

test('values come out in the units of the machine', () => {
  const config = serveWith({
    START_TIMEOUT: '1m30s',
    MAX_BODY: '2MiB',
    BIND_ADDRESS: '[::1]:8443',
    BASE_URL: 'https://vault.example.com/base/',
    SCAIKEY_URL: 'https://login.example.com/',
    SCAIKEY_AUDIENCE: 'a, b',
    SCAIKEY_CLAIM_ROLES: '/realm_access/a~1b~0',
    TRUSTED_PROXIES: '10.1.2.3, fd00::/8',
    BOOTSTRAP_SUPER_ADMIN: 'Root@Example.com',
    ROOT_KEY_FINGERPRINT: 'AB'.repeat(32),
  });
  assert.is(config.START_TIMEOUT, 90_000);
  assert.is(config.MAX_BODY, 2_097_152);
  assert.equal(config.BIND_ADDRESS, { host: '::1', port: 8443 });
  assert.is(config.BASE_URL, 'https://vault.example.com/base');
  assert.is(config.SCAIKEY_URL, 'https://login.example.com/', 'issuers are compared byte for byte');
  assert.equal(config.SCAIKEY_AUDIENCE, ['a', 'b']);
  assert.equal(config.SCAIKEY_CLAIM_ROLES, ['realm_access', 'a/b~']);
  assert.equal(config.TRUSTED_PROXIES, ['10.1.2.3/32', 'fd00::/8']);
  assert.equal(config.BOOTSTRAP_SUPER_ADMIN, { kind: 'email', value: 'root@example.com' });
  assert.is(config.ROOT_KEY_FINGERPRINT, 'ab'.repeat(32));
});

test('the scope map has no members that nobody wrote', () => {
  const map = serveWith({ SCAIKEY_SCOPE_MAP: '{"vault":"secrets:read","__proto__":"admin"}' }).SCAIKEY_SCOPE_MAP;
  assert.equal(map?.vault, ['secrets:read']);
  assert.equal(map?.constructor, undefined);
  assert.equal(Object.keys(map ?? {}).sort(), ['__proto__', 'vault']);
});

test('rates are tokens a minute and a burst', () => {
  const { RATE_LIMITS } = serveWith({ RATE_LIMIT_LIST: '5/s', RATE_LIMIT_AUTH: '100/min:7', RATE_LIMIT_POLICY: 'off' });
  assert.equal(RATE_LIMITS.LIST, { perMinute: 300, burst: 300 });
  assert.equal(RATE_LIMITS.AUTH, { perMinute: 100, burst: 7 });
  assert.is(RATE_LIMITS.POLICY, 'off');
  assert.equal(RATE_LIMITS.SECRETS_READ, { perMinute: 1000, burst: 1000 });
});

test('RATE_LIMIT_ENABLED=false turns every category off', () => {
  const { RATE_LIMITS } = serveWith({ RATE_LIMIT_ENABLED: 'false', RATE_LIMIT_LIST: '5/s' });
  assert.equal(new Set(Object.values(RATE_LIMITS)), new Set(['off']));
});

test('ceilings of tenants are off unless set, and go off with the limits', () => {
  const { RATE_CEILINGS } = serveWith({ RATE_LIMIT_TENANT_LIST: '5/s:9' });
  assert.equal(RATE_CEILINGS.LIST, { perMinute: 300, burst: 9 });
  assert.is(RATE_CEILINGS.SECRETS_READ, 'off');
  const off = serveWith({ RATE_LIMIT_ENABLED: 'false', RATE_LIMIT_TENANT_LIST: '5/s' });
  assert.is(off.RATE_CEILINGS.LIST, 'off');
});

test('every range of trusted proxies is one that the system can match', () => {
  const address = fc.oneof(fc.ipV4(), fc.ipV6());
  const bits = fc.option(fc.nat(140), { nil: undefined });
  fc.assert(
    fc.property(address, bits, (ip, width) => {
      const found = rowOf('TRUSTED_PROXIES').kind;
      let ranges: readonly string[];
      try {
        ranges = found.parse(width === undefined ? ip : `${ip}/${width}`) as readonly string[];
      } catch {
        return true;
      }
      const [range = '', length = ''] = ranges[0]!.split('/');
      new BlockList().addSubnet(range, Number(length), range.includes(':') ? 'ipv6' : 'ipv4');
      return true;
    }),
  );
});

test('no text makes any parser fail in a way of its own', () => {
  fc.assert(
    fc.property(fc.constantFrom(...VARIABLE_NAMES), fc.oneof(fc.string(), fc.webUrl(), fc.json()), (name, text) => {
      problemOf(name, text);
    }),
    { numRuns: 300 },
  );
});

test.run();
