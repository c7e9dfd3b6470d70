import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { refusal } from '../serve/serving.ts';
import { suite } from '../support/suite.ts';
import { ask, type Developing, develop, developing, exported, killAll, workingDirectory } from './developing.ts';

const test = suite('the lock of serve --dev', { timeoutMs: 70_000 });
let home: Awaited<ReturnType<typeof workingDirectory>>;
const at = (...names: string[]) => join(home.path, ...names);

test.before(async () => {
  home = await workingDirectory();
});
test.after(async () => {
  await killAll();
  await home.remove();
});

async function kept(): Promise<Developing> {
  return developing(['--data', 'kept'], { cwd: home.path });
}

test('is refused to a second process, which says whose it is', async () => {
  const server = await kept();
  const second = await (await develop(['--data', 'kept'], { cwd: home.path })).finished;
  assert.is(second.code, 75);
  const { line, code } = refusal(second);
  assert.is(code, 'directory_busy');
  assert.match(
    line,
    `kept is in use by process ${server.process.pid}. Stop it, or choose another directory with --data DIR.`,
  );
  assert.is((await ask(at('kept/dev.env'), 'PUT', '/v1/secrets/a/b', { data: { a: '1' } })).status, 201);
  assert.is((await server.stop()).code, 0);
  assert.not.ok(existsSync(at('kept/lock')));
});

test('is given to one of two that start at once', async () => {
  const both = [
    await develop(['--data', 'kept'], { cwd: home.path }),
    await develop(['--data', 'kept'], { cwd: home.path }),
  ];
  const loser = await Promise.race(both.map((each) => each.finished));
  assert.is(loser.code, 75, loser.stderr);
  const winner = both.find((each) => each.process.exitCode === null)!;
  await winner.ready(60_000);
  winner.kill('SIGINT');
  assert.is((await winner.finished).code, 0);
});

test('is taken over from a process that was killed, with everything it had acknowledged', async () => {
  const server = await kept();
  const { token } = await exported(at('kept/dev.env'));
  for (let n = 1; n <= 5; n++) {
    const written = await ask(at('kept/dev.env'), 'PUT', '/v1/secrets/a/killed', { data: { n } });
    assert.is(written.body.version, n, JSON.stringify(written.body));
  }
  await server.stop('SIGKILL');
  assert.ok(existsSync(at('kept/lock')));
  const next = await kept();
  const read = await ask(at('kept/dev.env'), 'GET', '/v1/secrets/a/killed');
  assert.is(read.body.version, 5);
  assert.equal(read.body.data, { n: 5 });
  // The issuer's key is kept, so a token of before is still good.
  const response = await fetch(`${next.url}/v1/auth/whoami`, { headers: { authorization: `Bearer ${token}` } });
  assert.is(response.status, 200);
  await next.stop();
});

test('is taken over where the lock names nobody', async () => {
  const gone = spawn(process.execPath, ['-e', '']);
  await once(gone, 'exit');
  for (const content of [`${gone.pid}\n`, '', 'nonsense', '-1']) {
    await writeFile(at('kept/lock'), content);
    const server = await develop(['--data', 'kept'], { cwd: home.path });
    await server.says('started  step="listener"');
    assert.is(await readFile(at('kept/lock'), 'utf8'), `${server.pid}\n`);
    server.kill('SIGINT');
    assert.is((await server.finished).code, 0, content);
    assert.not.ok(existsSync(at('kept/lock')), 'released though it was never ready');
  }
});

test('is released when the port is in use', async () => {
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  const end = await (await develop(['--data', 'kept', '--bind', `127.0.0.1:${port}`], { cwd: home.path })).finished;
  squatter.close();
  assert.is(end.code, 69);
  assert.match(refusal(end).line, 'is in use by another process. Choose another address with BIND_ADDRESS or --bind.');
  assert.not.ok(existsSync(at('kept/lock')));
});

test('may be given with production variables that are empty', async () => {
  const server = await develop(['--data', 'kept'], { cwd: home.path, env: { DATABASE_URL: '', KMS_PROVIDER: '' } });
  await server.says('started  step="listener"');
  server.kill('SIGINT');
  assert.is((await server.finished).code, 0);
});

test.run();
