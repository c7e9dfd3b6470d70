import { tmpdir } from 'node:os';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { examine } from '../../src/config/load.ts';
import type { VariableName } from '../../src/config/variables.ts';
import { namesOf, problemsOf, SECRETS, SERVE, serveWith, withFile } from './support.ts';

const URL_TEXT = 'postgresql://vault:pw@db/vault';
const { DATABASE_URL: _, ...WITHOUT_DATABASE } = SERVE;

function databaseFrom(content: string | Uint8Array): string {
  return withFile(content, (path) => {
    const config = serveWith({ DATABASE_URL: '', DATABASE_URL_FILE: path });
    assert.is(config.sources.DATABASE_URL, 'file');
    return config.DATABASE_URL.reveal();
  });
}

function problemWithFile(path: string): string {
  const problems = problemsOf('serve', { ...WITHOUT_DATABASE, DATABASE_URL_FILE: path });
  assert.equal(namesOf(problems), ['DATABASE_URL']);
  return problems[0]!.problem;
}

test('a secret may come from a file; one newline at its end is dropped', () => {
  assert.is(databaseFrom(URL_TEXT), URL_TEXT);
  assert.is(databaseFrom(`${URL_TEXT}\n`), URL_TEXT);
  assert.is(databaseFrom(`${URL_TEXT}\r\n`), URL_TEXT);
  assert.match(withFile(`${URL_TEXT}\n\n`, problemWithFile), /line break/);
});

test('a password may begin and end with spaces', () => {
  withFile(' pw \n', (path) => {
    const config = serveWith({ REDIS_SENTINEL_PASSWORD_FILE: path });
    assert.is(config.REDIS_SENTINEL_PASSWORD?.reveal(), ' pw ');
  });
});

test('the variable and its file together are an error', () => {
  withFile(URL_TEXT, (path) => {
    const problems = problemsOf('serve', { ...SERVE, DATABASE_URL_FILE: path });
    assert.equal(namesOf(problems), ['DATABASE_URL']);
    assert.match(problems[0]!.problem, /so is DATABASE_URL_FILE/);
  });
});

test('every secret has a file form, and nothing else has', () => {
  withFile('x', (path) => {
    for (const name of SECRETS) {
      const { settings } = examine('config', { [`${name}_FILE`]: path });
      assert.ok(settings.all.find((setting) => setting.name === name)?.source, name);
    }
    const other: VariableName = 'KMS_KEY_ID';
    const { settings, warnings } = examine('config', { [`${other}_FILE`]: path });
    assert.is(settings.given(other), false);
    assert.equal(warnings, ['KMS_KEY_ID_FILE has no effect: only secrets may come from a file. Set KMS_KEY_ID.']);
  });
});

test('an empty file counts as unset and is mentioned', () => {
  withFile('\n', (path) => {
    assert.match(problemWithFile(path), /DATABASE_URL_FILE names an empty file/);
    const { warnings } = examine('serve', { ...SERVE, REDIS_SENTINEL_PASSWORD_FILE: path });
    assert.equal(warnings, [
      'REDIS_SENTINEL_PASSWORD counts as unset: REDIS_SENTINEL_PASSWORD_FILE names an empty file.',
    ]);
  });
});

test('a file that cannot be used is refused with the reason', () => {
  assert.match(problemWithFile('/nowhere/at/all'), /cannot be read \(ENOENT\)/);
  assert.match(problemWithFile(tmpdir()), /cannot be read \(EISDIR\)/);
  assert.match(problemWithFile('/nul\u0000'), /cannot be read/);
  assert.match(withFile(Uint8Array.of(0xff, 0xfe), problemWithFile), /not UTF-8/);
  assert.match(withFile('x'.repeat(65_537), problemWithFile), /more than 65536 bytes/);
});

test('a file without an end is not read to its end', () => {
  assert.match(problemWithFile('/dev/zero'), /more than 65536 bytes/);
});

test('a flag beats the file', () => {
  withFile('postgresql://file/db', (path) => {
    const config = serveWith({ DATABASE_URL: '', DATABASE_URL_FILE: path }, { DATABASE_URL: 'postgresql://flag/db' });
    assert.is(config.DATABASE_URL.reveal(), 'postgresql://flag/db');
    assert.is(config.sources.DATABASE_URL, 'flag');
  });
});

test.run();
