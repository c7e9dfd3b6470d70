import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { assertChainsHold, killAll, launch, logLines, refusal, type Serving, serving, sql } from './serving.ts';

const test = suite('SERVE_PROCESSES', { timeoutMs: 60_000 });
const TWO = { SERVE_PROCESSES: '2' };
const PATH = '/v1/secrets/app/shared';
let environment: TestEnvironment;

test.beforeEach(async () => {
  environment = await testEnvironment();
});
test.afterEach(async () => {
  await killAll();
  await environment.remove();
});

const readyLines = ({ process }: Serving) => logLines(process.stdout()).filter(({ msg }) => msg === 'ready');

async function untilReady(server: Serving, workers: number): Promise<void> {
  for (const deadline = Date.now() + 30_000; readyLines(server).length < workers; await sleep(20)) {
    assert.ok(Date.now() < deadline, server.process.stdout());
  }
}

function workersOf({ process: { pid } }: Serving): readonly number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return children === '' ? [] : children.split(' ').map(Number);
}

async function untilGone(pids: readonly number[]): Promise<void> {
  const lives = (pid: number) => {
    try {
      return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
    } catch {
      return false;
    }
  };
  for (const deadline = Date.now() + 20_000; pids.some(lives); await sleep(20)) {
    assert.ok(Date.now() < deadline, `still there: ${pids.filter(lives)}`);
  }
}

async function twoWorkers(): Promise<Serving> {
  const server = await serving(environment, TWO);
  await untilReady(server, 2);
  return server;
}

test('lets as many processes as asked for answer on one port, and all of them stop in order', async () => {
  const server = await twoWorkers();
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  assert.is(new Set(readyLines(server).map(({ address }) => address)).size, 1);
  const versions: number[] = [];
  for (let asked = 0; asked < 12; asked++) {
    const written = await server.ask('PUT', PATH, {
      body: { data: { asked } },
      headers: { connection: 'close' },
    });
    versions.push(written.body.version);
  }
  assert.equal(
    versions,
    versions.map((_, index) => index + 1),
  );
  const pids = workersOf(server);
  assert.is(pids.length, 2);
  assert.is((await server.stop()).code, 0);
  await untilGone(pids);
  const writers = await sql(
    environment.databaseUrl,
    `SELECT DISTINCT instance_id FROM audit_log WHERE action = 'write'`,
  );
  assert.is(writers.length, 2, 'connections are spread over the processes');
  await assertChainsHold(environment.databaseUrl);
});

test('replaces a process that was killed', async () => {
  const server = await twoWorkers();
  const [first = 0] = workersOf(server);
  process.kill(first, 'SIGKILL');
  await untilReady(server, 3);
  assert.is((await server.ask('GET', '/v1/health', { token: null })).status, 200);
  const ends = logLines(server.process.stdout()).filter(({ msg }) => String(msg).startsWith('a worker process ended'));
  assert.is(ends.length, 1);
  assert.is((await server.stop()).code, 0);
});

test('takes a Ctrl-C, which reaches every process at once, for one order to stop', async () => {
  const server = await twoWorkers();
  for (const pid of [server.process.pid, ...workersOf(server)]) process.kill(pid, 'SIGINT');
  const { code, stdout } = await server.process.finished;
  assert.is(code, 0, stdout);
  assert.not.match(stdout, 'a second signal');
});

test('leaves nobody behind when the process that looks after them is killed', async () => {
  const server = await twoWorkers();
  const pids = workersOf(server);
  server.process.kill('SIGKILL');
  await untilGone(pids);
});

test('tells once why it cannot start', async () => {
  const taken = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => taken.once('listening', resolve));
  const { port } = taken.address() as { port: number };
  const end = await launch(environment, { ...TWO, BIND_ADDRESS: `127.0.0.1:${port}` }).finished;
  taken.close();
  assert.is(end.code, 69);
  assert.is(refusal(end).code, 'address_unusable');
});

test.run();
