import * as assert from 'uvu/assert';
import { startTestServer, type TestServer } from '../support/server.ts';
import { suite } from '../support/suite.ts';

const test = suite('why a token was refused');
let server: TestServer;

test.before(async () => {
  server = await startTestServer({ RATE_LIMIT_AUTH_FAILURES: 'off' });
});
test.after(() => server.stop());

const refusals = () => server.log.filter((line) => line.message === 'refused');

test('stands in the log for the operator, and not in the answer', async () => {
  const token = server.token({ aud: 'somebody-else' });
  const answer = await server.ask('GET', '/v1/auth/whoami', { token, headers: { 'x-request-id': 'req-for-support' } });
  assert.is(answer.status, 401);
  assert.not.match(answer.text, /aud/i);
  const [line] = refusals();
  assert.is(line?.fields.request_id, 'req-for-support');
  assert.is(line?.fields.code, 'token_invalid');
  assert.match(String(line?.fields.operator), /aud/i);
  assert.not.match(JSON.stringify(line), new RegExp(token.slice(-20)));
});

test('and whatever else a request makes the server say, stands there under its id', async () => {
  const asked = (id: string, token: string) =>
    server.ask('GET', '/v1/auth/whoami', { token, headers: { 'x-request-id': id } });
  assert.is((await asked('req-first-admin', server.adminToken())).status, 200);
  assert.is((await asked('req-other-partner', server.token({ partner_id: 'ptn_other' }))).status, 403);
  const idOf = (message: string) => server.log.find((line) => line.message === message)?.fields.request_id;
  assert.is(idOf('the first super_admin was made'), 'req-first-admin');
  assert.is(idOf('a token claims another partner for a tenant'), 'req-other-partner');
});

test('does not fill the log when a stranger keeps trying', async () => {
  const token = server.token({ aud: 'somebody-else' });
  for (let tries = 0; tries < 30; tries++) await server.ask('GET', '/v1/auth/whoami', { token });
  // Ten a minute; the minute may turn while the test runs.
  assert.ok(refusals().length <= 20, `${refusals().length} lines`);
});

test.run();
