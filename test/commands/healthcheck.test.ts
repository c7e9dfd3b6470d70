/** `scaivault healthcheck` as Docker runs it, against servers that are well, ill, silent and strange. */
import { once } from 'node:events';
import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import * as assert from 'uvu/assert';
import { askHealth } from '../../src/http/ask-health.ts';
import { Gate } from '../../src/http/gate.ts';
import { type ReadinessCheck, readiness } from '../../src/http/health.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { serverCertificate } from '../support/certificates.ts';
import { run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';

const test = suite('healthcheck');
const servers: Server[] = [];
const sockets = new Set<Socket>();

test.after(() => {
  for (const server of servers) server.close();
  for (const socket of sockets) socket.destroy();
});

async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  servers.push(server);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

const answering = (status: number, body: string) =>
  ((_request, response) => {
    response.writeHead(status).end(body);
  }) satisfies RequestListener;
const strange = (handler: RequestListener) => listen(createHttpServer(handler));

/** The health routes of a real server, whose dependencies are as told. */
function gate(check: ReadinessCheck | null): RequestListener {
  const ours = new Gate(systemClock());
  if (check !== null) ours.setReadiness(() => readiness([check], false));
  return ours.handle;
}
const well: ReadinessCheck = { name: 'database', probe: async () => ({ state: 'ok' }) };
const ill: ReadinessCheck = { name: 'database', probe: async () => ({ state: 'failed', error: 'PostgreSQL is gone' }) };

const at = (port: number, ...more: readonly string[]) => ['healthcheck', '--bind', `127.0.0.1:${port}`, ...more];
const silent = { signal: null, stderr: '' };

test('a server that is ready is healthy', async () => {
  const port = await listen(createHttpServer(gate(well)));
  assert.equal(await run(at(port)), { ...silent, code: 0, stdout: 'ready\n' });
  assert.equal(await run(at(port, '--live')), { ...silent, code: 0, stdout: 'ok\n' });
  const everywhere = { BIND_ADDRESS: `0.0.0.0:${port}` };
  assert.equal(await run(['healthcheck'], everywhere), { ...silent, code: 0, stdout: 'ready\n' }, 'asked on loopback');
});

test('one that is not ready is alive, and says what is missing', async () => {
  for (const [check, said] of [
    [ill, 'not ready: database: PostgreSQL is gone\n'],
    [null, 'not ready: server: starting\n'],
  ] as const) {
    const port = await listen(createHttpServer(gate(check)));
    assert.equal(await run(at(port)), { signal: null, code: 1, stdout: '', stderr: said });
    assert.is((await run(at(port, '--live'))).code, 0);
  }
});

test('--json gives one document either way', async () => {
  const port = await listen(createHttpServer(gate(well)));
  const good = JSON.parse((await run(at(port, '--json'))).stdout);
  assert.is(good.command, 'healthcheck');
  assert.is(good.ok, true);
  assert.is(good.exit_code, 0);
  assert.is(good.http_status, 200);
  assert.is(good.said, 'ready');
  const bad = await run(at(await listen(createHttpServer(gate(ill))), '--json'));
  assert.is(bad.code, 1);
  const { ok, http_status: status, error } = JSON.parse(bad.stdout);
  assert.equal({ ok, status }, { ok: false, status: 503 });
  assert.is(error.code, 'unhealthy');
  assert.match(error.message, 'PostgreSQL is gone');
});

test('TLS is spoken where TLS_CERT_FILE is set; the certificate is not verified', async () => {
  // For another name than the address that is asked, and of an authority that nobody knows.
  const port = await listen(createHttpsServer(await serverCertificate(), gate(well)), '127.0.0.2');
  const env = { BIND_ADDRESS: `127.0.0.2:${port}`, TLS_CERT_FILE: '/not/read/by/this.crt' };
  assert.equal(await run(['healthcheck'], env), { ...silent, code: 0, stdout: 'ready\n' });
  const plain = await strange(answering(200, '{"status":"ready"}'));
  const { code, stderr } = await run(at(plain, '--tls-cert-file', '/x'));
  assert.is(code, 1);
  assert.match(stderr, /^https:\/\/127\.0\.0\.1:\d+: what listens there speaks no TLS/);
});

test('nobody there', async () => {
  const port = await listen(createServer());
  servers.pop()?.close();
  const { code, stdout, stderr } = await run(at(port));
  assert.is(code, 1);
  assert.is(stdout, '');
  assert.is(stderr, `http://127.0.0.1:${port}: nothing listens there\n`);
});

test('whoever hangs has two seconds, at whatever point it hangs', async () => {
  const mute = await listen(createServer(() => {}));
  const { code, stderr } = await run(at(mute));
  assert.is(code, 1);
  assert.match(stderr, /: no answer within 2 s\n$/);
  const half = await strange((_request, response) => {
    response.writeHead(200).write('{"status":');
  });
  for (const [port, tls] of [
    [mute, true],
    [half, false],
  ] as const) {
    const { healthy, said } = await askHealth({ host: '127.0.0.1', port, tls, path: '/v1/health' }, 100);
    assert.is(healthy, false);
    assert.match(said, /^https?:\/\/127\.0\.0\.1:\d+: no answer within 0\.1 s$/);
  }
});

test('somebody else on the port is not taken for a healthy server', async () => {
  for (const [handler, expected] of [
    [answering(200, '<html>'), /^answered 200 with something that is not of ScaiVault$/],
    [answering(200, '{"status":"up"}'), /^up$/],
    [answering(200, 'null'), /^answered 200$/],
    [answering(302, '{}'), /^answered 302$/],
    [answering(503, '{"status":"ready"}'), /^ready$/],
    [answering(500, '{"error":{"message":"no\\u001b[2Jsuch\\nthing"}}'), /^answered 500: no \[2Jsuch thing$/],
    [answering(200, `{"status":"${'x'.repeat(100_000)}"}`), /^answered 200 with something/],
  ] as const) {
    const port = await strange(handler);
    const { healthy, said } = await askHealth({ host: '127.0.0.1', port, tls: false, path: '/v1/health/ready' }, 5_000);
    assert.is(healthy, false, said);
    assert.match(said, expected);
  }
});

test('an address that cannot be asked is unhealthy, with what is wrong', async () => {
  for (const [bind, said] of [
    ['nonsense', /^BIND_ADDRESS: must be HOST:PORT/],
    ['127.0.0.1:0', /^BIND_ADDRESS: has port 0/],
  ] as const) {
    const { code, stderr } = await run(['healthcheck'], { BIND_ADDRESS: bind });
    assert.is(code, 1);
    assert.match(stderr, said);
  }
});

test('nothing else of the configuration matters', async () => {
  const port = await listen(createHttpServer(gate(well)));
  const env = { KMS_PROVIDER: 'nonsense', DATABASE_URL_FILE: '/no/such/file', NODE_EXTRA_CA_CERTS: '', MAX_BODY: 'x' };
  assert.is((await run(at(port), env)).code, 0);
});

test.run();
