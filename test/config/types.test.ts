import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { ConfigFor } from '../../src/config/load.ts';
import type { TenantId } from '../../src/contract/names.ts';
import type { Secret } from '../../src/lib/secret.ts';
import { serveWith } from './support.ts';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** The compiler is the test: a wrong type does not compile. */
function promise<_Holds extends true>(): void {}

type Serve = ConfigFor<'serve'>;
type Migrate = ConfigFor<'migrate'>;

test('a command gets what it requires without a question mark, and the rest with one', () => {
  promise<Same<Serve['DATABASE_URL'], Secret<string>>>();
  promise<Same<Serve['REDIS_URL'], Secret<string>>>();
  promise<Same<Serve['SCAIKEY_URL'], string>>();
  promise<Same<Serve['KMS_PROVIDER'], 'aws' | 'gcp' | 'azure' | 'hashicorp' | 'pkcs11' | 'local'>>();
  promise<Same<Migrate['DATABASE_URL'], Secret<string>>>();
  promise<Same<Migrate['REDIS_URL'], Secret<string> | undefined>>();
  promise<Same<ConfigFor<'config'>['DATABASE_URL'], Secret<string> | undefined>>();
});

test('a default makes a value certain for every command', () => {
  promise<Same<Migrate['DATABASE_POOL_MAX'], number>>();
  promise<Same<Migrate['IDENTITY_SYNC_INTERVAL'], number | 'off'>>();
  promise<Same<Migrate['LOG_LEVEL'], 'info' | 'debug' | 'warn' | 'error'>>();
});

test('names from outside are branded and lists of secrets wrapped as a whole', () => {
  promise<Same<Serve['DEFAULT_TENANT_ID'], TenantId | undefined>>();
  promise<Same<Serve['DATABASE_URL_READ'], Secret<readonly string[]> | undefined>>();
  promise<Same<Serve['TRUSTED_PROXIES'], readonly string[] | undefined>>();
  promise<Same<Serve['VAULT_TOKEN_SECONDARY'], Secret<string> | undefined>>();
  promise<Same<Serve['KMS_TRANSIT_MOUNT'], string>>();
  promise<Same<Serve['KMS_TRANSIT_MOUNT_SECONDARY'], string | undefined>>();
});

test('nothing can be assigned', () => {
  const config = serveWith({});
  assert.throws(() => {
    // @ts-expect-error read-only
    config.BASE_URL = 'https://other.example.com';
  });
});

test.run();
