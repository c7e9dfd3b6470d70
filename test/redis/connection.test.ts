import { randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Redis } from 'ioredis';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { connectRedis, type RedisClient, RedisUnavailable } from '../../src/redis/client.ts';
import { type PrivateServer, startPrivateRedis } from '../support/servers.ts';
import { suite } from '../support/suite.ts';
import { type LogLines, logLines } from './log-lines.ts';

const test = suite('the connection to Redis');
let server: PrivateServer;
let client: RedisClient;
let logged: LogLines;

test.beforeEach(async () => {
  server = await startPrivateRedis();
  logged = logLines();
  client = await connectRedis({ url: new Secret(server.url), log: logged.log });
});
test.afterEach(async () => {
  client.close();
  await server.remove();
});

async function until(what: () => boolean | Promise<boolean>, limitMs = 8_000): Promise<void> {
  const end = performance.now() + limitMs;
  while (!(await what())) {
    if (performance.now() > end) throw new Error('did not happen in time');
    await sleep(20);
  }
}

async function failure(work: () => Promise<unknown>): Promise<{ error: unknown; ms: number }> {
  const start = performance.now();
  const error = await work().then(
    () => assert.unreachable('did not fail'),
    (reason: unknown) => reason,
  );
  return { error, ms: performance.now() - start };
}

test('is ok while the server answers', async () => {
  assert.is(client.status, 'ok');
  await client.ping();
  assert.is(logged.lines.length, 0);
});

test('runs a script, also after the server forgot it', async () => {
  const sum = client.script('sumOfTwo', 'return ARGV[1] + ARGV[2] + #KEYS');
  assert.is(await sum(['a'], [1, 2]), 4);
  assert.is(await sum(['a'], [1, 2]), 4);
  const administrator = new Redis(server.url);
  await administrator.script('FLUSH');
  administrator.disconnect();
  assert.is(await sum(['a'], [3, 4]), 8);
});

test('a lost server fails commands at once, is logged once, and is found again', async () => {
  await server.kill();
  await until(() => client.status === 'down');
  for (let i = 0; i < 20; i++) {
    const { error, ms } = await failure(() => client.ping());
    assert.instance(error, RedisUnavailable);
    assert.ok(ms < 100, `${ms} ms`);
    await sleep(20);
  }
  await server.start();
  await until(() => client.status === 'ok');
  await client.ping();
  assert.equal(
    logged.lines.map((line) => line.msg),
    ['Redis is not reachable; going on without it', 'Redis is reachable again'],
  );
});

test('a command under way when the server dies fails and is not sent again', async () => {
  const key = `sv:{test}:${randomUUID()}`;
  const increment = client.script('increment', `return redis.call('INCR', KEYS[1])`);
  await server.freeze();
  const pending = failure(() => increment([key], []));
  await sleep(50);
  await server.kill();
  const { error, ms } = await pending;
  assert.instance(error, RedisUnavailable);
  assert.ok(ms < 450, `${ms} ms`);
  await server.start();
  await until(() => client.status === 'ok');
  assert.is(await increment([key], []), 1);
});

test('a frozen server costs a command its time-out, then everything works again', async () => {
  await server.freeze();
  const { error, ms } = await failure(() => client.ping());
  assert.instance(error, RedisUnavailable);
  assert.match(String(error), 'timed out');
  assert.ok(ms > 400 && ms < 900, `${ms} ms`);
  await server.thaw();
  await until(() =>
    client.ping().then(
      () => true,
      () => false,
    ),
  );
});

test('starts without a server and finds it when it comes', async () => {
  await server.kill();
  const { log, lines } = logLines();
  const client = await connectRedis({ url: new Secret(server.url), log });
  assert.is(client.status, 'down');
  assert.is(lines[0]?.reason, 'ECONNREFUSED');
  await server.start();
  await until(() => client.status === 'ok');
  client.close();
});

test('a server that accepts and never answers does not hold up the start', async () => {
  await server.freeze();
  const { log } = logLines();
  const start = performance.now();
  const client = await connectRedis({ url: new Secret(server.url), log });
  assert.ok(performance.now() - start < 2_500);
  assert.is(client.status, 'down');
  await server.thaw();
  await until(() => client.status === 'ok');
  client.close();
});

test('a wrong password is in no log and no error, and does not end the attempts', async () => {
  const direct = new Redis(server.url);
  const username = `test-${randomUUID()}`;
  await direct.acl('SETUSER', username, 'on', '>right-horse', '~*', '+@all');
  const address = (password: string) => new Secret(Object.assign(new URL(server.url), { username, password }).href);
  const { log, lines, text } = logLines();
  const refused = await connectRedis({ url: address('wrong-horse'), log });
  assert.is(refused.status, 'down');
  const { error } = await failure(() => refused.ping());
  await sleep(300);
  assert.is(lines.length, 1);
  assert.is(lines[0]?.reason, 'WRONGPASS');
  const shown = text() + inspect(error, { showHidden: true, depth: 9 }) + inspect(refused, { showHidden: true });
  assert.not.match(shown, 'horse');

  await direct.acl('SETUSER', username, '>wrong-horse');
  await until(() => refused.status === 'ok');
  refused.close();
  await direct.acl('DELUSER', username);
  direct.disconnect();
});

test('a script that the server refuses is named by its code only', async () => {
  const wrong = client.script('wrong', `return redis.error_reply('WRONGTYPE about ' .. ARGV[1])`);
  const { error } = await failure(() => wrong([], ['confidential']));
  assert.instance(error, RedisUnavailable);
  assert.match(String(error), 'WRONGTYPE');
  assert.not.match(inspect(error, { showHidden: true, depth: 9 }), 'confidential');
});

test('closing while nothing is there leaves nothing running', async () => {
  await server.kill();
  const lonely = await connectRedis({ url: new Secret(server.url), log: logLines().log });
  lonely.close();
  assert.is(lonely.status, 'down');
});

test.run();
