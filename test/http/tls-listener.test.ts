import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type TLSSocket } from 'node:tls';
import * as assert from 'uvu/assert';
import { Gate } from '../../src/http/gate.ts';
import { type Listener, openListener } from '../../src/http/listener.ts';
import { FileUnusable } from '../../src/http/startup-files.ts';
import { tlsSettings } from '../../src/http/tls.ts';
import { systemClock } from '../../src/lib/clock.ts';
import { type ServerCertificate, serverCertificate } from '../support/certificates.ts';
import { run } from '../support/scaivault.ts';
import { type LogLine, testEnvironment } from '../support/server.ts';
import { suite } from '../support/suite.ts';
import { assertError } from './house.ts';
import { speak } from './raw.ts';

const test = suite('the TLS listener', { timeoutMs: 30_000 });
const POLL_MS = 50;
const GET = 'GET /v1/health HTTP/1.1\r\nHost: v\r\n\r\n';

let directory: string;
let first: ServerCertificate;
let second: ServerCertificate;
let listener: Listener;
const log: LogLine[] = [];
const at = (level: string) => (fields: LogLine['fields'], message: string) => void log.push({ level, fields, message });
const recording = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };

const file = (name: string) => join(directory, name);
const files = () => ({ certFile: file('tls.crt'), keyFile: file('tls.key') });

async function install({ cert, key }: ServerCertificate): Promise<void> {
  await writeFile(file('tls.key'), key);
  await writeFile(file('tls.crt'), cert);
}

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'scaivault-tls-'));
  [first, second] = await Promise.all([serverCertificate(), serverCertificate()]);
  await install(first);
  const gate = new Gate(systemClock());
  const tls = tlsSettings(files(), recording, POLL_MS);
  listener = await openListener({ host: '127.0.0.1', port: 0, maxConnections: 100, tls }, gate.handle);
});
test.after(async () => {
  await listener.stop(0);
  await rm(directory, { recursive: true });
});

async function connected(ca: string, options: { minVersion?: 'TLSv1.3'; maxVersion?: 'TLSv1.2' | 'TLSv1.1' } = {}) {
  const socket = connect({ port: listener.address.port, host: '127.0.0.1', servername: 'localhost', ca, ...options });
  await once(socket, 'secureConnect');
  return socket;
}

async function trusts(ca: string): Promise<boolean> {
  try {
    (await connected(ca)).destroy();
    return true;
  } catch {
    return false;
  }
}

async function ask(socket: TLSSocket): Promise<number | undefined> {
  return (await speak(0, GET, { socket })).answers[0]?.status;
}

test('speaks TLS 1.2 and 1.3, and nothing older', async () => {
  const newest = await connected(first.ca);
  assert.is(newest.getProtocol(), 'TLSv1.3');
  assert.is(await ask(newest), 200);
  const older = await connected(first.ca, { maxVersion: 'TLSv1.2' });
  assert.is(older.getProtocol(), 'TLSv1.2');
  assert.match(older.getCipher().name, /GCM|CHACHA20/);
  assert.is(await ask(older), 200);
  const oldest = connect({
    port: listener.address.port,
    host: '127.0.0.1',
    ca: first.ca,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  const [error] = await once(oldest, 'error');
  assert.ok(error instanceof Error);
});

test('plain HTTP is told so in our shape, and TLS goes on', async () => {
  const { answers, closed } = await speak(listener.address.port, GET, { answers: 2 });
  assert.is(answers[0]?.status, 400);
  assertError(answers[0]?.body, 'invalid_request');
  assert.match(answers[0]?.body.error.message, /https/);
  assert.ok(closed);
  assert.is(await ask(await connected(first.ca)), 200);
});

test('what is neither TLS nor HTTP is dropped, and TLS goes on', async () => {
  for (const bytes of ['\0\0\0\0\0\0\0\0', 'SSH-2.0-x\r\n', '\x16\x03\x01\x00\x05hello', '']) {
    const socket = connectPlain(listener.address.port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, 'connect');
    socket.end(bytes, 'latin1');
    socket.resume();
    await once(socket, 'close');
  }
  assert.is(await ask(await connected(first.ca)), 200);
});

test('a new certificate is served without a restart, and connections that there are stay', async () => {
  const old = await connected(first.ca);
  await install(second);
  for (let tries = 0; tries < 100 && !(await trusts(second.ca)); tries++) await sleep(POLL_MS);
  assert.ok(await trusts(second.ca), 'the new one is served');
  assert.not(await trusts(first.ca), 'and the former is not');
  assert.is(await ask(old), 200, 'the old connection is served on');
});

test('files that cannot be used leave the former certificate in service, until there are good ones', async () => {
  const quiet = log.filter(({ level }) => level === 'error').length;
  await writeFile(file('tls.crt'), 'half of a');
  for (let tries = 0; tries < 100 && log.filter(({ level }) => level === 'error').length === quiet; tries++) {
    await sleep(POLL_MS);
  }
  const said = log.filter(({ level }) => level === 'error').at(-1);
  assert.match(said?.message ?? '', /former ones stay in use/);
  assert.not.match(JSON.stringify(log), /PRIVATE KEY-----\w/);
  assert.ok(await trusts(second.ca));
  await rm(file('tls.crt'));
  await sleep(3 * POLL_MS);
  assert.ok(await trusts(second.ca));
  await install(first);
  for (let tries = 0; tries < 100 && !(await trusts(first.ca)); tries++) await sleep(POLL_MS);
  assert.ok(await trusts(first.ca));
});

test('files that cannot be used at start are named', async () => {
  const problems: readonly (readonly [string, string, RegExp])[] = [
    [file('none.crt'), file('tls.key'), /TLS_CERT_FILE: .*none\.crt .*ENOENT/],
    [file('tls.crt'), file('none.key'), /TLS_KEY_FILE: .*none\.key .*ENOENT/],
    [directory, file('tls.key'), /TLS_CERT_FILE: .*EISDIR/],
    [file('tls.key'), file('tls.key'), /TLS_CERT_FILE and TLS_KEY_FILE/],
  ];
  for (const [certFile, keyFile, message] of problems) {
    assert.throws(
      () => tlsSettings({ certFile, keyFile }, recording).options(),
      (error: Error) => error instanceof FileUnusable && message.test(error.message),
    );
  }
  await copyFile(file('tls.key'), file('other.key'));
  await writeFile(file('other.key'), second.key);
  assert.throws(
    () => tlsSettings({ certFile: file('tls.crt'), keyFile: file('other.key') }, recording).options(),
    (error: Error) => error instanceof FileUnusable,
  );
});

test('serve refuses to start with such files: one line, exit 78, nothing left open', async () => {
  const environment = await testEnvironment();
  try {
    const certificate = { TLS_CERT_FILE: file('tls.crt'), TLS_KEY_FILE: file('tls.key') };
    const refusals = [
      { ...certificate, TLS_CERT_FILE: file('none.crt') },
      { ...certificate, TLS_KEY_FILE: file('other.key') },
      { CA_BUNDLE_FILE: file('none.pem') },
    ];
    const ended = await Promise.all(refusals.map((files) => run(['serve'], { ...environment.env, ...files })));
    for (const [index, { code, stderr, stdout }] of ended.entries()) {
      assert.is(code, 78, `${JSON.stringify(refusals[index])} ${stderr}${stdout}`);
      assert.match(stderr, /TLS_|CA_BUNDLE_FILE/);
      assert.not.match(stderr + stdout, /\n\s+at /, 'no stack trace');
      assert.is(stderr.trim().split('\n').length, 1);
    }
  } finally {
    await environment.remove();
  }
});

test('limits for those who are slow are set, and the parser is the strict one', () => {
  const { server } = listener;
  assert.ok(server.headersTimeout > 0 && server.headersTimeout <= 15_000);
  assert.ok(server.requestTimeout > 0 && server.requestTimeout <= 60_000);
  assert.ok(server.keepAliveTimeout > 0 && server.keepAliveTimeout <= 75_000);
  assert.is(server.maxConnections, 100);
  assert.not(process.execArgv.some((flag) => flag.includes('insecure-http-parser')));
});

test.run();
