import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const RUNNER = join(import.meta.dirname, '../../scripts/test/run.ts');

/** Runs the runner on fixtures of this folder and returns its exit code, its output and the last line of it. */
async function run(fixtures: string[], { ci = false, args = [] as string[] } = {}) {
  const files = fixtures.map((name) => join(import.meta.dirname, 'fixtures', `${name}.fixture.ts`));
  const env = { PATH: process.env.PATH, CI: String(ci) };
  const child = spawn(process.execPath, [RUNNER, '--no-servers', ...args, ...files], { env });
  const [output, code] = await Promise.all([
    text(child.stdout),
    new Promise<number | null>((resolve) => child.on('close', resolve)),
  ]);
  return { code, output, lastLine: output.trimEnd().split('\n').at(-1) };
}

const test = suite('test runner');

test('tests that pass give exit code 0 and the closing line', async () => {
  const { code, lastLine } = await run(['pass']);
  assert.is(lastLine, '2 passed, 0 failed, 0 skipped');
  assert.is(code, 0);
});

test('a failing test is shown with its output, and the other files still run', async () => {
  const { code, output, lastLine } = await run(['fail', 'pass']);
  assert.match(output, 'does not hold');
  assert.match(output, 'FAIL test/toolchain/fixtures/fail.fixture.ts');
  assert.is(lastLine, '3 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a file without tests is a failure', async () => {
  const { code, output, lastLine } = await run(['empty']);
  assert.match(output, 'empty.fixture.ts: holds no tests');
  assert.is(lastLine, '0 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a file that forgot to run its suite is a failure', async () => {
  const { code, output, lastLine } = await run(['forgotten']);
  assert.match(output, 'is `test.run()` missing?');
  assert.is(lastLine, '0 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a test that never ends is named, and the tests after it run', async () => {
  const { code, output, lastLine } = await run(['slow-test']);
  assert.match(output, 'waits for ever');
  assert.match(output, 'test timed out after 100 ms');
  assert.is(lastLine, '1 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a file that hangs is killed and named', async () => {
  const { code, output, lastLine } = await run(['blocked'], { args: ['--timeout', '2'] });
  assert.match(output, 'blocked.fixture.ts: timed out after 2 s');
  assert.is(lastLine, '0 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a handle left open is a failure of the file', async () => {
  const { code, output, lastLine } = await run(['leak'], { args: ['--exit-timeout', '1'] });
  assert.match(output, 'leak.fixture.ts: did not end within 1 s of its last test');
  assert.is(lastLine, '1 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a crash is a failure of the file', async () => {
  const { code, output, lastLine } = await run(['crash']);
  assert.match(output, 'uncaught');
  assert.is(lastLine, '0 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a failing hook is shown', async () => {
  const { code, output, lastLine } = await run(['before-hook']);
  assert.match(output, 'hooked: before hook failed: Error: no table');
  assert.is(lastLine, '0 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
});

test('a skipped test is counted, and is a failure in CI', async () => {
  const here = await run(['skip']);
  assert.is(here.lastLine, '1 passed, 0 failed, 1 skipped');
  assert.is(here.code, 0);
  const ci = await run(['skip'], { ci: true });
  assert.match(ci.output, 'skipping: cannot run here: no such device');
  assert.is(ci.lastLine, '1 passed, 1 failed, 0 skipped');
  assert.is(ci.code, 1);
});

test('a name that matches no file is refused', async () => {
  const { code, output } = await run(['no-such-file']);
  assert.match(output, 'no test file matches');
  assert.is(code, 1);
});

test.run();
