import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { parseSecretPath, type SecretPath, type TenantId } from '../../src/contract/names.ts';
import { RefusedInParts } from '../../src/contract/refusal.ts';
import type { Judge, Standing } from '../../src/contract/route.ts';
import type { Database, Statement } from '../../src/postgres/database.ts';
import { createBatchRead } from '../../src/secrets/batch/read.ts';
import { suite } from '../support/suite.ts';

const test = suite('what a batch costs');
const tenant = { tenantId: 'tnt_a' as TenantId, partnerId: 'ptn_a' as never };
const NOW = { policy: 2, subject: 1 };

interface Asked {
  readonly statement: Statement;
  readonly values: readonly unknown[];
}

/** A database that has a secret at each path it is asked for, and says what it was asked. */
function house(allowed: (path: SecretPath) => boolean, afterConfirm = allowed) {
  const asked: Asked[] = [];
  const opened: string[] = [];
  const noted: string[] = [];
  let confirmed = 0;
  let judge = allowed;
  const db = {
    query: async (statement: Statement, values: readonly unknown[]) => {
      asked.push({ statement, values });
      const paths = values[1] as readonly SecretPath[];
      const epochs = { policy_epoch: NOW.policy, subject_epoch: NOW.subject, total_bytes: 0 };
      if (paths.length === 0) return [{ ...epochs, path: null, id: null }];
      return paths.map((path) => ({
        ...epochs,
        path,
        id: `sec_${path}`,
        secret_type: 'kv',
        current_version: 1,
        version: 1,
        created_at: new Date(0),
        updated_at: new Date(0),
        expires_at: null,
        last_accessed_at: null,
        expired: null,
        recoverable_until: null,
        ciphertext: Buffer.alloc(1),
        wrapped_key: Buffer.alloc(1),
        key_id: 'tk_a',
      }));
    },
  } as unknown as Database;
  const read = createBatchRead({
    db,
    retentionMs: 1_000,
    keyring: {
      open: async (_, place) => {
        opened.push(place.path);
        return Buffer.from(JSON.stringify({ at: place.path }));
      },
    },
    accessTimes: { note: (_, id) => void noted.push(id) },
  });
  const standing: Standing = {
    holds: () => confirmed > 0,
    confirm: async (epochs) => {
      assert.equal(epochs, NOW);
      confirmed++;
      judge = afterConfirm;
    },
  };
  const judging: Pick<Judge, 'path'> = {
    path: (_kind, path, permission) => {
      assert.is(permission, 'read');
      const decision = {} as never;
      if (judge(path)) return { allowed: true, decision };
      return {
        allowed: false,
        decision,
        error: new ApiError('access_denied', { details: { decision_id: 'log_all' } }),
      };
    },
  };
  const ask = (paths: readonly string[], failFast = false) =>
    read({ tenant, standing, judge: judging as Judge }, paths.map(parseSecretPath), { version: null, failFast });
  return { ask, asked, opened, noted, confirmed: () => confirmed };
}

const PATHS = Array.from({ length: 100 }, (_, n) => `app/s${n}`);

test('one statement, whatever is asked for and whatever is allowed', async () => {
  for (const allowed of [() => true, () => false, (path: SecretPath) => path.endsWith('7')]) {
    for (const paths of [PATHS, PATHS.slice(0, 1)]) {
      const { ask, asked, confirmed } = house(allowed);
      await ask(paths);
      assert.is(asked.length, 1);
      assert.is(confirmed(), 1);
    }
  }
});

test('nothing is looked up that is not allowed', async () => {
  const { ask, asked, opened, noted } = house((path) => path !== 'app/s3');
  const outcomes = await ask(PATHS.slice(0, 5));
  const looked = ['app/s0', 'app/s1', 'app/s2', 'app/s4'];
  assert.equal(asked[0]?.values[1], looked);
  assert.equal(opened, looked);
  assert.equal(
    noted,
    looked.map((path) => `sec_${path}`),
  );
  const refused = outcomes[3];
  assert.is(refused?.result.ok, false);
  if (refused?.result.ok === false) assert.is(refused.result.error.details?.decision_id, refused.id, 'its own entry');
});

test('what newer policies refuse is not opened, though it was found', async () => {
  const { ask, opened, noted } = house(
    () => true,
    (path) => path === 'app/s0',
  );
  const outcomes = await ask(PATHS.slice(0, 3));
  assert.equal(
    outcomes.map(({ result }) => result.ok),
    [true, false, false],
  );
  assert.equal(opened, ['app/s0']);
  assert.equal(noted, ['sec_app/s0']);
});

test('with fail_fast nothing is opened or noted before it is known that all of it can be given', async () => {
  const { ask, opened, noted } = house((path) => path !== 'app/s99');
  const error = await ask(PATHS, true).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.instance(error, RefusedInParts);
  assert.is((error as RefusedInParts).parts.length, 100);
  assert.equal([opened, noted], [[], []]);
});

test.run();
