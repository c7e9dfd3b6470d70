import * as assert from 'uvu/assert';
import { startTestServer, type TestServer } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('a secret');
let server: TestServer;

test.before(async () => {
  server = await startTestServer();
  await server.allow([{ path_pattern: 'app/**', permissions: ['read', 'write'] }]);
});
test.after(() => server.stop());

test('is written, read, and written again', async () => {
  const first = await server.ask('PUT', '/v1/secrets/app/first', { body: { data: { password: 'one' } } });
  assert.is(first.status, 201, first.text);
  assert.is(first.body.created, true);
  assert.is(first.body.version, 1);
  assert.is(first.headers.get('etag'), '"1"');
  assert.not('data' in first.body);
  const second = await server.ask('PUT', '/v1/secrets/app/first', { body: { data: { password: 'two' } } });
  assert.is(second.status, 200);
  assert.is(second.body.version, 2);
  const current = await server.ask('GET', '/v1/secrets/app/first');
  assert.equal(current.body.data, { password: 'two' });
  const former = await server.ask('GET', '/v1/secrets/app/first?version=1');
  assert.equal(former.body.data, { password: 'one' });
  assert.is(former.headers.get('etag'), '"1"');
});

test.run();
