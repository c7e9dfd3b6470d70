import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { KmsError, type KmsErrorKind, type KmsProvider } from '../../src/kms/provider.ts';
import { withRetry } from '../../src/kms/retry.ts';
import { suite } from '../support/suite.ts';

const test = suite('calls to a key management service');
const CONTEXT = { installationId: 'ins_a', rootKeyId: 'rk_a', version: 1 };

/** A provider whose `unwrap` answers by the n-th of `answers`. */
function scripted(...answers: (() => Promise<Buffer>)[]): { kms: KmsProvider; calls: () => number } {
  let calls = 0;
  const kms: KmsProvider = {
    name: 'scripted',
    wrap: async () => ({ ciphertext: Buffer.alloc(1), keyRef: 'k' }),
    unwrap: () => answers[calls++]!(),
    describe: async () => ({ status: 'enabled', keyRef: 'k' }),
    close: async () => undefined,
  };
  return { kms, calls: () => calls };
}

const fails = (kind: KmsErrorKind) => () => Promise.reject(new KmsError(kind, 'failed', 'try'));
const good = async () => Buffer.from('good');
const unwrap = (kms: KmsProvider) => kms.unwrap(Buffer.alloc(1), CONTEXT, 'k');

test('what may pass by itself is tried again', async () => {
  const { kms, calls } = scripted(fails('unreachable'), fails('throttled'), good);
  const answer = await unwrap(withRetry(kms, { timeoutMs: 1000, backoffMs: 2 }));
  assert.is(answer.toString(), 'good');
  assert.is(calls(), 3);
});

test('not for ever', async () => {
  const { kms, calls } = scripted(fails('throttled'), fails('throttled'), good);
  const error = await unwrap(withRetry(kms, { timeoutMs: 1000, attempts: 2, backoffMs: 2 })).catch((e) => e);
  assert.is(error.kind, 'throttled');
  assert.is(calls(), 2);
});

test('nothing else is', async () => {
  for (const kind of ['credentials', 'denied', 'key_state', 'bad_ciphertext'] as const) {
    const { kms, calls } = scripted(fails(kind), good);
    const error = await unwrap(withRetry(kms, { timeoutMs: 1000, backoffMs: 2 })).catch((e) => e);
    assert.is(error.kind, kind);
    assert.is(calls(), 1);
  }
  const defect = scripted(() => Promise.reject(new TypeError('defect')), good);
  assert.instance(await unwrap(withRetry(defect.kms, { timeoutMs: 1000 })).catch((e) => e), TypeError);
  assert.is(defect.calls(), 1);
});

test('a call that hangs is unreachable, and a key that comes too late is zero-filled', async () => {
  const late = Buffer.from('a key, too late');
  const { kms } = scripted(() => sleep(60, late));
  const error = await unwrap(withRetry(kms, { timeoutMs: 20, attempts: 1 })).catch((e) => e);
  assert.is(error.kind, 'unreachable');
  assert.match(error.message, '20 ms');
  assert.match(error.hint, 'KMS_TIMEOUT');
  await sleep(80);
  assert.equal(late, Buffer.alloc(late.length));
});

test.run();
