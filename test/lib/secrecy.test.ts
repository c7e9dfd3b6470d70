import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { format, inspect } from 'node:util';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { Secret } from '../../src/lib/secret.ts';
import { createLog, errorFields, type Log, type LogFields } from '../../src/telemetry/log.ts';
import { suite } from '../support/suite.ts';

const test = suite('what must not leak');
const VALUE = 'hunter2';

/** What a log of this format writes while `use` uses it. */
async function logged(format: 'json' | 'text', use: (log: Log) => void): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'log-'));
  const file = join(directory, 'log');
  const handle = await open(file, 'w');
  use(createLog({ level: 'debug', format, instanceId: 'test', fd: handle.fd }));
  await handle.close();
  const text = await readFile(file, 'utf8');
  await rm(directory, { recursive: true });
  return text;
}

test('is shown by no way of printing a secret', () => {
  for (const secret of [new Secret(VALUE), new Secret({ password: VALUE }), new Secret(Buffer.from(VALUE))]) {
    const nested = { secret, list: [secret], map: new Map([['a', secret]]) };
    const error = new Error('failed', { cause: secret });
    const shown = [
      `${secret}`,
      String(secret),
      JSON.stringify(secret),
      JSON.stringify(nested),
      inspect(secret),
      inspect(nested, { depth: 9, showHidden: true, getters: true }),
      format('%s %o %O %j', secret, secret, secret, secret),
      inspect(error, { depth: 9, showHidden: true }),
      JSON.stringify(Object.entries(secret)),
      JSON.stringify({ ...secret }),
      JSON.stringify(structuredClone({ ...secret })),
      inspect(Object.getOwnPropertyDescriptors(secret)),
      [secret].join(),
      `${Object.assign({}, secret)}`,
    ].join('\n');
    assert.not.match(shown, VALUE);
    assert.not.match(shown, Buffer.from(VALUE).toString('hex'));
    assert.not.match(shown, '104, 117'); // a buffer's bytes
  }
  assert.is(new Secret(VALUE).reveal(), VALUE);
  assert.match(`${new Secret(VALUE)}`, '[secret]');
});

test('is written by no log, whatever it is given', async () => {
  for (const form of ['json', 'text'] as const) {
    const text = await logged(form, (log) => {
      const fields = {
        code: 'fine',
        password: VALUE,
        value: VALUE,
        authorization: VALUE,
        data: { password: VALUE },
        err: new Error(VALUE),
        secret: new Secret(VALUE),
        error: new Secret(VALUE),
        toJSON: () => VALUE,
      } as unknown as LogFields;
      log.info(fields, 'first');
      log.error({ ...fields, operator: null }, 'second');
      log.warn(new ApiError('forbidden', { details: { token: VALUE } }) as unknown as LogFields, 'third');
    });
    assert.not.match(text, VALUE);
    assert.match(text, 'fine');
    assert.is(text.trim().split('\n').length, 3, text);
  }
});

test('does not come with an error’s other properties, but its message and cause do', async () => {
  const error = Object.assign(new Error('outer', { cause: new Error('inner') }), {
    detail: VALUE,
    parameters: [VALUE],
  });
  const text = await logged('json', (log) => log.error(errorFields(error), 'failed'));
  assert.not.match(text, VALUE);
  assert.match(text, 'Error: outer (inner)');
  const thrown = await logged('json', (log) => log.error(errorFields(VALUE), 'failed'));
  assert.not.match(thrown, VALUE);
});

test('is one line an entry, whatever the texts hold', async () => {
  for (const form of ['json', 'text'] as const) {
    const text = await logged(form, (log) => {
      log.info({ error: 'a\nFAKE  b\r\n\u2028{"level":60}', route: '\u001b[31m' }, 'first');
    });
    assert.is(text.trimEnd().split('\n').length, 1);
    assert.not.match(text, '\u001b');
  }
});

test.run();
