import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';
import { ask, develop, developing, killAll, workingDirectory } from './developing.ts';

const test = suite('a first start of serve --dev that is cut short', { timeoutMs: 70_000 });
let home: Awaited<ReturnType<typeof workingDirectory>>;
const at = (...names: string[]) => join(home.path, ...names);

test.before(async () => {
  home = await workingDirectory();
});
test.after(async () => {
  await killAll();
  await home.remove();
});

test('leaves nothing that hinders the next one, at whatever moment Ctrl-C comes', async () => {
  for (const delay of [300, 900, 2_000]) {
    const server = await develop(['--data', 'early'], { cwd: home.path });
    await sleep(delay);
    server.kill('SIGINT');
    const end = await server.finished;
    // Before Node.js has our first line, the signal ends it as any program.
    assert.ok(end.code === 0 || end.signal === 'SIGINT', `${end.code} ${end.stderr}`);
    assert.is(end.stderr, '');
    assert.not.ok(existsSync(at('early/lock')));
  }
});

test('leaves half a database when it is killed, which the next one makes anew', async () => {
  const killed = await develop(['--data', 'early'], { cwd: home.path });
  await killed.says('making the embedded database');
  for (const deadline = Date.now() + 10_000; !existsSync(at('early/database.unfinished')) && Date.now() < deadline; ) {
    await sleep(20);
  }
  killed.kill('SIGKILL');
  await killed.finished;
  assert.ok(existsSync(at('early/database.unfinished')));
  // As a kill some seconds later would have left it.
  await mkdir(at('early/database/base'), { recursive: true });
  await writeFile(at('early/database/PG_VERSION'), '17\n');
  const server = await developing(['--data', 'early'], { cwd: home.path });
  assert.not.ok(existsSync(at('early/database.unfinished')));
  assert.is((await ask(at('early/dev.env'), 'PUT', '/v1/secrets/a/b', { data: { a: '1' } })).status, 201);
  await server.stop();
});

test.run();
