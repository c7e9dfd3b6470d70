import * as assert from 'uvu/assert';
import { type TestEnvironment, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { killAll, launch, logLines, type Serving, serving } from './serving.ts';

const test = suite('the log', { timeoutMs: 30_000 });
const NOWHERE = 'postgresql://postgres@127.0.0.1:1/none';
const CANARY = 'canary-9f3b1c';
let environment: TestEnvironment;

test.before(async () => {
  environment = await testEnvironment();
});
test.after(async () => {
  await killAll();
  await environment.remove();
});

/** Requests of every ending, with a canary wherever a caller may put a value. */
async function work(server: Serving, secret: string): Promise<string[]> {
  const path = `/v1/secrets/app/${secret}`;
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
  const answers = [
    await server.ask('PUT', path, { body: { data: { password: CANARY } } }),
    await server.ask('GET', path),
    await server.ask('PUT', '/v1/secrets/other/canary', { body: { data: { password: CANARY } } }),
    await server.ask('PUT', path, { body: { data: { password: CANARY }, [CANARY]: CANARY } }),
    await server.ask('PUT', path, { raw: `{"data": {"password": "${CANARY}"` }),
    await server.ask('GET', `${path}?${CANARY}=${CANARY}`),
    await server.ask('GET', path, { token: `${CANARY}.${CANARY}.${CANARY}` }),
    await server.ask('GET', path, { token: null, headers: { authorization: `Basic ${CANARY}` } }),
  ];
  assert.equal(
    answers.map(({ status }) => status),
    [201, 200, 403, 422, 400, 422, 401, 401],
    answers.map(({ text }) => text).join('\n'),
  );
  return answers.map(({ headers }) => headers.get('x-request-id') ?? '');
}

test('with LOG_LEVEL=debug has a JSON line a request, with its id, and never a value', async () => {
  const server = await serving(environment, { LOG_LEVEL: 'debug' });
  const requestIds = await work(server, 'first');
  const end = await server.stop();
  const lines = logLines(end.stdout);
  assert.is(lines.length, end.stdout.trimEnd().split('\n').length, 'every line is a log line');
  for (const line of lines) {
    assert.match(String(line.time), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(line.instance_id);
    assert.ok(['debug', 'info', 'warn', 'error'].includes(String(line.level)), `${line.level}`);
  }
  for (const requestId of requestIds) {
    const [line, ...others] = lines.filter((each) => each.request_id === requestId && each.msg === 'request');
    assert.ok(line !== undefined && others.length === 0, `one line for ${requestId}`);
    assert.type(line.status, 'number');
    assert.type(line.duration_ms, 'number');
    assert.is(line.route, '/v1/secrets/{path}');
  }
  assert.not.match(end.stdout + end.stderr, CANARY);
  assert.not.match(end.stdout, server.token().split('.')[0]!);
});

test('has no line for requests that go well or badly at LOG_LEVEL=info', async () => {
  const server = await serving(environment);
  await work(server, 'second');
  const end = await server.stop();
  assert.not.match(end.stdout, '"msg":"request"');
  assert.not.match(end.stdout + end.stderr, CANARY);
});

test('has trouble only at LOG_LEVEL=warn, and a flag beats the variable', async () => {
  const end = await launch(environment, { DATABASE_URL: NOWHERE, LOG_LEVEL: 'debug' }, [
    '--log-level',
    'warn',
    '--start-timeout',
    '1s',
  ]).finished;
  assert.is(end.code, 69);
  const levels = logLines(end.stdout).map((line) => line.level);
  assert.ok(levels.length > 0 && levels.every((level) => level === 'warn' || level === 'error'), `${levels}`);
});

test('with LOG_FORMAT=text has one readable line an entry', async () => {
  const process = launch(environment, { LOG_FORMAT: 'text' });
  await process.says(/ {2}INFO {2}ready {2}address="127\.0\.0\.1:\d+"/, 20_000);
  process.kill();
  const end = await process.finished;
  assert.is(end.code, 0);
  for (const line of end.stdout.trimEnd().split('\n')) {
    assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z {2}(INFO|WARN) {2}\S.*$/);
  }
});

test('says at every start that KMS_PROVIDER=local is a file', async () => {
  const server = await serving(environment);
  const end = await server.stop();
  const warning = logLines(end.stdout).find((line) => String(line.msg).startsWith('KMS_PROVIDER=local'));
  assert.is(warning?.level, 'warn');
});

test('that nobody reads any more does not end the server', async () => {
  const server = await serving(environment, { LOG_LEVEL: 'debug' });
  server.process.process.stdout?.destroy();
  for (let n = 0; n < 5; n++) assert.is((await server.ask('GET', '/v1/auth/whoami')).status, 200);
  const end = await server.stop();
  assert.is(end.code, 0, end.stderr);
});

test.run();
