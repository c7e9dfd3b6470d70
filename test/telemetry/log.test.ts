import { closeSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { ulid } from '../../src/lib/ids.ts';
import { createLog, errorFields, type Log, type LogFields, type LogFormat } from '../../src/telemetry/log.ts';
import { suite } from '../support/suite.ts';

const test = suite('a log line');

/** What a log writes, as it stands in the file. */
function written(format: LogFormat, write: (log: Log) => void): string {
  const file = join(tmpdir(), `scaivault-log-${ulid()}`);
  const fd = openSync(file, 'w');
  try {
    write(createLog({ level: 'debug', format, instanceId: 'host-1', fd }));
    return readFileSync(file, 'utf8');
  } finally {
    closeSync(fd);
    rmSync(file);
  }
}

test('says when, how bad, what, and of which process', () => {
  const fields = { request_id: 'req_1', status: 200, tenant_id: null };
  const json = JSON.parse(written('json', (log) => log.info(fields, 'request')));
  assert.match(json.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const { time: _, ...rest } = json;
  assert.equal(rest, { level: 'info', instance_id: 'host-1', ...fields, msg: 'request' });
  const text = written('text', (log) => log.warn(fields, 'request'));
  assert.match(text, /^\S+Z {2}WARN {2}request {2}request_id="req_1" {2}status=200 {2}instance_id="host-1"\n$/);
});

test('has the fields of the list and no other', () => {
  const fields = { request_id: 'r', password: 'hunter2', token: 't', headers: { authorization: 'x' } } as LogFields;
  for (const format of ['json', 'text'] as const) {
    const line = written(format, (log) => log.info(fields, 'm'));
    assert.match(line, 'request_id');
    assert.not.match(line, /hunter2|token|headers|authorization/);
  }
});

test('stays one line, and steers no terminal, whatever stands in a field', () => {
  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '\u001b[2J',
      'a\nERROR  forged',
      '\u009b31m',
      '\u202egpj.exe',
      '\u2028',
      '\u0085',
      '\u{e0001}',
      '\x7f',
    ),
  );
  fc.assert(
    fc.property(nasty, nasty, (address, reason) => {
      const text = written('text', (log) => log.info({ address, reason }, 'refused'));
      assert.is(text.split('\n').length, 2);
      assert.not.match(text.slice(0, -1), /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      const value = /address=("(?:[^"\\]|\\.)*") {2}reason=/.exec(text)?.[1];
      // As it was, but for halves of surrogate pairs, which are no text.
      assert.is(JSON.parse(value ?? 'null').toWellFormed(), address.toWellFormed(), text);
      const json = written('json', (log) => log.info({ address, reason }, 'refused'));
      assert.is(json.split('\n').length, 2);
      assert.is(JSON.parse(json).address.toWellFormed(), address.toWellFormed());
    }),
    { numRuns: 300 },
  );
});

test('of an error tells name, message, cause and where, and quotes no text that could not be read', () => {
  const failed = errorFields(new TypeError('no number', { cause: new Error('of that') }));
  assert.is(failed.error, 'TypeError: no number (of that)');
  assert.match(String(failed.stack), /^\s+at .*log\.test\.ts/);
  const unreadable = (() => {
    try {
      return JSON.parse('hunter2');
    } catch (error) {
      return error;
    }
  })();
  for (const error of [unreadable, new Error('outer', { cause: unreadable })]) {
    assert.not.match(JSON.stringify(errorFields(error)), 'hunter');
  }
  assert.equal(errorFields('hunter2'), { error: 'string' });
});

test.run();
