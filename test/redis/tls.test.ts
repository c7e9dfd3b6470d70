import { execFileSync, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { type AddressInfo, connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type Server } from 'node:tls';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { connectRedis } from '../../src/redis/client.ts';
import { redisUrl } from '../support/redis.ts';
import { skip, suite } from '../support/suite.ts';
import { logLines } from './log-lines.ts';

const test = suite('Redis over TLS');
const openssl = spawnSync('openssl', ['version']).status === 0;
let directory: string;
let certificate: string;
let server: Server;

/** Takes TLS off in front of the Redis of the run, whose certificate says "localhost". */
async function startTlsFront(key: string): Promise<void> {
  const target = new URL(redisUrl());
  server = createServer({ key, cert: certificate }, (client) => {
    const upstream = connectTcp(Number(target.port || 6379), target.hostname);
    client.pipe(upstream).pipe(client);
    client.on('error', () => upstream.destroy());
    upstream.on('error', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'scaivault-tls-'));
  if (!openssl) return;
  const [keyFile, certificateFile] = [join(directory, 'key.pem'), join(directory, 'certificate.pem')];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyFile];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-days', '2'];
  execFileSync('openssl', ['req', '-x509', ...key, ...subject, '-out', certificateFile], { stdio: 'ignore' });
  certificate = await readFile(certificateFile, 'utf8');
  await startTlsFront(await readFile(keyFile, 'utf8'));
});
test.after(async () => {
  server?.close();
  await rm(directory, { recursive: true });
});

async function attempt(host: string, trust: { caBundle?: string }): Promise<{ status: string; reason: unknown }> {
  if (!openssl) skip('the openssl command is missing; install it: apt-get install openssl');
  const { port } = server.address() as AddressInfo;
  const url = Object.assign(new URL(redisUrl()), { host: `${host}:${port}` }).href.replace('redis:', 'rediss:');
  const { log, lines } = logLines();
  const client = await connectRedis({ url: new Secret(url), log, ...trust });
  const { status } = client;
  client.close();
  return { status, reason: lines[0]?.reason };
}

test('a server that the CA bundle vouches for is trusted', async () => {
  assert.equal(await attempt('localhost', { caBundle: certificate }), { status: 'ok', reason: undefined });
});

test('without the bundle it is refused', async () => {
  assert.equal(await attempt('localhost', {}), { status: 'down', reason: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

test('a certificate of another name is refused', async () => {
  const { status, reason } = await attempt('127.0.0.1', { caBundle: certificate });
  assert.equal({ status, reason }, { status: 'down', reason: 'ERR_TLS_CERT_ALTNAME_INVALID' });
});

test.run();
