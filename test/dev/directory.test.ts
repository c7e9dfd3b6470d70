import { existsSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { refusal } from '../serve/serving.ts';
import { suite } from '../support/suite.ts';
import { ask, develop, developing, killAll, workingDirectory } from './developing.ts';

const test = suite('the directory of serve --dev', { timeoutMs: 70_000 });
let home: Awaited<ReturnType<typeof workingDirectory>>;
const at = (...names: string[]) => join(home.path, ...names);
const temporary = async () =>
  (await readdir(tmpdir())).filter((name) => name.startsWith('scaivault-dev-') && !name.includes('test'));

test.before(async () => {
  home = await workingDirectory();
});
test.after(async () => {
  await killAll();
  await home.remove();
});

test('stays empty, and is not even left, with --ephemeral', async () => {
  const before = await temporary();
  const server = await developing(['--ephemeral', '--data', 'fleeting'], { cwd: home.path });
  assert.match(server.process.stdout(), 'in memory, gone when it stops');
  assert.equal((await readdir(at('fleeting'))).sort(), ['dev.env', 'lock']);
  assert.is((await ask(at('fleeting/dev.env'), 'PUT', '/v1/secrets/a/b', { data: { a: '1' } })).status, 201);
  assert.is((await server.stop()).code, 0);
  assert.not.ok(existsSync(at('fleeting')));
  assert.equal(await temporary(), before, 'nothing stays in the temporary directory');
});

test('that cannot be used is told in one line', async () => {
  await writeFile(at('file'), '');
  for (const path of ['/dev/null', '/proc/nothing', at('file/below')]) {
    const end = await (await develop(['--data', path], { cwd: home.path })).finished;
    assert.is(end.code, 1, path);
    const { line, code } = refusal(end);
    assert.is(code, 'directory_unusable');
    assert.match(
      line,
      new RegExp(`^${path} cannot be used for data \\(E[A-Z]+\\)\\. Choose one that this user may write`),
    );
  }
});

test('is not touched when --dev is refused', async () => {
  for (const name of ['DATABASE_URL', 'REDIS_URL', 'SCAIKEY_URL', 'KMS_PROVIDER', 'DATABASE_URL_FILE']) {
    const end = await (await develop(['--data', 'untouched'], { cwd: home.path, env: { [name]: 'canary-value' } }))
      .finished;
    assert.is(end.code, 64, name);
    assert.match(refusal(end).line, `--dev does not go together with ${name}. Unset them`);
    assert.not.match(end.stderr + end.stdout, 'canary-value');
  }
  for (const bind of ['0.0.0.0:8443', '[::]:8443', '192.0.2.1:8443', 'example.com:8443']) {
    const end = await (await develop(['--data', 'untouched', '--bind', bind], { cwd: home.path })).finished;
    assert.is(end.code, 64, bind);
    assert.match(refusal(end).line, '--dev listens on loopback only');
  }
  const end = await (await develop(['--data', 'untouched', '--metrics-bind-address', '0.0.0.0:0'], { cwd: home.path }))
    .finished;
  assert.is(end.code, 64);
  assert.match(refusal(end).line, 'not on 0.0.0.0. Try --metrics-bind-address 127.0.0.1:9464');
  assert.not.ok(existsSync(at('untouched')));
});

test.run();
