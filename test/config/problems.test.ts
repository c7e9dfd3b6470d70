import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { providerProblems } from '../../src/config/checks.ts';
import { examine, loadConfig } from '../../src/config/load.ts';
import { KMS_PROVIDERS } from '../../src/config/sections/kms.ts';
import type { VariableName } from '../../src/config/variables.ts';
import { namesOf, problemsOf, SERVE, serveWith } from './support.ts';

/** What is wrong when these are added to a right configuration. */
function with_(more: Record<string, string>): readonly string[] {
  return namesOf(problemsOf('serve', { ...SERVE, ...more }));
}

test('every problem is told at once, in the order of the table', () => {
  const problems = problemsOf('serve', {
    LOG_LEVEL: 'loud',
    REDIS_URL: 'http://redis',
    MAX_BODY: 'huge',
    TLS_CERT_FILE: '/tls.crt',
    RATE_LIMIT_LIST: 'many',
  });
  assert.equal(namesOf(problems), [
    'DATABASE_URL',
    'REDIS_URL',
    'BASE_URL',
    'TLS_KEY_FILE',
    'MAX_BODY',
    'LOG_LEVEL',
    'SCAIKEY_URL',
    'KMS_PROVIDER',
    'RATE_LIMIT_LIST',
  ]);
  for (const { problem, example } of problems) {
    assert.ok(problem.length > 0 && example.length > 0);
    assert.not.match(problem, /\.$/);
  }
});

test('each command requires what it opens', () => {
  assert.equal(namesOf(problemsOf('serve', {})), [
    'DATABASE_URL',
    'REDIS_URL',
    'BASE_URL',
    'SCAIKEY_URL',
    'KMS_PROVIDER',
  ]);
  assert.equal(namesOf(problemsOf('migrate', {})), ['DATABASE_URL']);
  assert.equal(problemsOf('config', {}), []);
  assert.equal(problemsOf('dev', {}), []);
});

test('a present variable is validated whatever the command requires', () => {
  const wrong = { DATABASE_URL: SERVE.DATABASE_URL, SCAIKEY_URL: 'nonsense', RATE_LIMIT_AUTH: 'x' };
  assert.equal(namesOf(problemsOf('migrate', wrong)), ['SCAIKEY_URL', 'RATE_LIMIT_AUTH']);
});

test('what a provider needs is asked only of a command that opens it', () => {
  assert.equal(problemsOf('migrate', { DATABASE_URL: SERVE.DATABASE_URL, KMS_PROVIDER: 'local' }), []);
});

test('an empty value counts as unset', () => {
  const config = serveWith({
    LOG_LEVEL: '',
    TRUSTED_PROXIES: '',
    SCAIKEY_CLIENT_SECRET: '',
    SCAIKEY_CLIENT_SECRET_FILE: '',
  });
  assert.is(config.LOG_LEVEL, 'info');
  assert.is(config.TRUSTED_PROXIES, undefined);
  assert.is(config.sources.LOG_LEVEL, 'default');
  assert.is(config.sources.TRUSTED_PROXIES, null);
  assert.equal(with_({ DATABASE_URL: '' }), ['DATABASE_URL']);
});

test('pairs are both or neither', () => {
  assert.equal(with_({ TLS_CERT_FILE: '/c' }), ['TLS_KEY_FILE']);
  assert.equal(with_({ TLS_KEY_FILE: '/k' }), ['TLS_CERT_FILE']);
  assert.equal(with_({ TLS_CERT_FILE: '/c', TLS_KEY_FILE: '/k' }), []);
  assert.equal(with_({ SCAIKEY_CLIENT_ID: 'a' }), ['SCAIKEY_CLIENT_SECRET']);
  assert.equal(with_({ DEFAULT_TENANT_ID: 't' }), ['DEFAULT_PARTNER_ID']);
  assert.equal(with_({ DEFAULT_PARTNER_ID: 'p' }), ['DEFAULT_TENANT_ID']);
  assert.equal(with_({ DEFAULT_PARTNER_ID: 'p', DEFAULT_TENANT_ID: 't' }), []);
});

test('a wrong half of a pair is one problem, not two', () => {
  assert.equal(with_({ DEFAULT_TENANT_ID: '_system', DEFAULT_PARTNER_ID: 'p' }), ['DEFAULT_TENANT_ID']);
});

test('tenants are made only under a named partner', () => {
  assert.equal(with_({ TENANT_AUTOCREATE: 'true' }), ['DEFAULT_PARTNER_ID']);
  assert.equal(with_({ TENANT_AUTOCREATE: 'true', DEFAULT_PARTNER_ID: 'p' }), []);
});

test('the local provider needs its file, and leave to be used', () => {
  assert.equal(with_({ KMS_LOCAL_KEY_FILE: '' }), ['KMS_LOCAL_KEY_FILE']);
  assert.equal(with_({ KMS_ALLOW_LOCAL: '' }), ['KMS_ALLOW_LOCAL']);
  assert.equal(with_({ KMS_ALLOW_LOCAL: 'false' }), ['KMS_ALLOW_LOCAL']);
});

test('each provider asks for what it needs, one problem each', () => {
  const missing = KMS_PROVIDERS.map((provider) => namesOf(providerProblems(provider, () => false)));
  assert.equal(missing, [
    ['KMS_KEY_ID'],
    ['KMS_KEY_NAME'],
    ['KMS_KEY_URL'],
    ['VAULT_ADDR', 'KMS_TRANSIT_KEY', 'VAULT_TOKEN'],
    ['PKCS11_MODULE', 'PKCS11_TOKEN_LABEL', 'PKCS11_PIN', 'PKCS11_KEY_LABEL'],
    ['KMS_LOCAL_KEY_FILE'],
  ]);
});

test('one way of signing in is enough', () => {
  const given = (...names: VariableName[]) => namesOf(providerProblems('hashicorp', (name) => names.includes(name)));
  assert.equal(given('VAULT_ADDR', 'KMS_TRANSIT_KEY', 'VAULT_TOKEN'), []);
  assert.equal(given('VAULT_ADDR', 'KMS_TRANSIT_KEY', 'VAULT_ROLE_ID', 'VAULT_SECRET_ID'), []);
  assert.equal(given('VAULT_ADDR', 'KMS_TRANSIT_KEY', 'VAULT_ROLE_ID'), ['VAULT_TOKEN']);
});

test('what this release does not do is refused and said so, once', () => {
  for (const provider of KMS_PROVIDERS.filter((name) => name !== 'local')) {
    const problems = problemsOf('serve', { ...SERVE, KMS_PROVIDER: provider });
    assert.equal(namesOf(problems), ['KMS_PROVIDER']);
    assert.match(problems[0]!.problem, /not in this release/);
  }
  assert.equal(with_({ REDIS_URL: 'redis+sentinel://a:1,b:2/m/0' }), ['REDIS_URL']);
  assert.equal(with_({ REDIS_URL: 'rediss+cluster://u:p@a:1,[::1]:2' }), ['REDIS_URL']);
  assert.equal(with_({ KMS_KEY_ID_SECONDARY: 'k', KMS_PROVIDER_SECONDARY: 'aws' }), ['KMS_PROVIDER_SECONDARY']);
  assert.equal(with_({ TLS_CLIENT_CA_FILE: '/ca' }), ['TLS_CLIENT_CA_FILE']);
});

test('an object store is told where it is', () => {
  assert.equal(with_({ OBJECT_STORAGE_PROVIDER: 's3' }), ['OBJECT_STORAGE_BUCKET']);
  assert.equal(with_({ OBJECT_STORAGE_BUCKET: 'b' }), ['OBJECT_STORAGE_PROVIDER']);
  assert.equal(with_({ OBJECT_STORAGE_PROVIDER: 'minio', OBJECT_STORAGE_BUCKET: 'b' }), ['OBJECT_STORAGE_ENDPOINT']);
  assert.equal(with_({ OBJECT_STORAGE_PROVIDER: 'azure_blob', OBJECT_STORAGE_BUCKET: 'b' }), [
    'OBJECT_STORAGE_ENDPOINT',
  ]);
  assert.equal(with_({ OBJECT_STORAGE_ACCESS_KEY_ID: 'a' }), ['OBJECT_STORAGE_SECRET_ACCESS_KEY']);
});

test('a variable without effect in this release is warned about only when it is given', () => {
  assert.equal(serveWith({}).warnings, []);
  assert.equal(serveWith({ AUDIT_RETENTION: '900d' }).warnings, ['AUDIT_RETENTION has no effect in this release.']);
});

test('a misspelt variable is warned about with the nearest name', () => {
  const { warnings } = examine('serve', {
    ...SERVE,
    KMS_PROVDIER: 'aws',
    DATABASE_PASSWORD: 'x',
    RATE_LIMIT_SECRET_READ: '1/min',
    SCAIKEY_CLIENT_SECRETFILE: '/x',
    KMS_EMPTY: '',
    OTHER_THING: 'x',
    'KMS_\u001b[31m': 'x',
  });
  assert.equal(warnings, [
    'DATABASE_PASSWORD is not a variable of ScaiVault. Did you mean DATABASE_URL?',
    'KMS_PROVDIER is not a variable of ScaiVault. Did you mean KMS_PROVIDER?',
    'RATE_LIMIT_SECRET_READ is not a variable of ScaiVault. Did you mean RATE_LIMIT_SECRETS_READ?',
    'SCAIKEY_CLIENT_SECRETFILE is not a variable of ScaiVault. Did you mean SCAIKEY_CLIENT_SECRET_FILE?',
  ]);
});

test('what Kubernetes sets for a Service of such a name is no misspelling', () => {
  const service = {
    SCAIKEY_SERVICE_HOST: '10.0.0.1',
    SCAIKEY_SERVICE_PORT_HTTPS: '443',
    SCAIKEY_PORT_443_TCP_ADDR: '10.0.0.1',
    SCAIKEY_PORT: 'tcp://10.0.0.1:443',
  };
  assert.equal(serveWith(service).warnings, []);
  assert.is(serveWith({ DATABASE_PORT: '5432' }).warnings.length, 1);
});

test('the configuration is frozen to its depth', () => {
  const config = serveWith({ TRUSTED_PROXIES: '10.0.0.0/8', SCAIKEY_SCOPE_MAP: '{"a":"admin"}' });
  for (const part of [
    config,
    config.BIND_ADDRESS,
    config.RATE_LIMITS,
    config.RATE_LIMITS.AUTH,
    config.TRUSTED_PROXIES,
    config.SCAIKEY_SCOPE_MAP?.a,
    config.sources,
    config.warnings,
    config.DATABASE_URL,
  ]) {
    assert.ok(Object.isFrozen(part));
  }
});

test('a later change of the environment changes nothing', () => {
  const env: Record<string, string | undefined> = { ...SERVE };
  const config = loadConfig('serve', env);
  env.BASE_URL = 'https://evil.example.com';
  assert.is(config.BASE_URL, 'https://vault.example.com');
});

test.run();
