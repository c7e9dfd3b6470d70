import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import * as assert from 'uvu/assert';
import { type IssuerKeys, type IssuerKeysOptions, openIssuerKeys } from '../../src/identity/issuer-keys.ts';
import type { IssuerKey } from '../../src/identity/types.ts';
import { json, startIssuer, type TestIssuerServer } from '../support/issuer.ts';
import { suite } from '../support/suite.ts';
import { type SigningKey, signingKey } from '../support/tokens.ts';
import { recordingLog, refusal, type SteeredClock, steeredClock } from './fixtures.ts';

const test = suite('keys of the issuer');
let issuer: TestIssuerServer;
let clock: SteeredClock;
let opened: IssuerKeys[] = [];

test.before(async () => {
  issuer = await startIssuer();
});
test.beforeEach(async () => {
  clock = steeredClock();
  issuer.truth();
  await issuer.start();
});
test.afterEach(async () => {
  for (const keys of opened) await keys.close();
  opened = [];
});
test.after(() => issuer.close());

function open(options: Partial<IssuerKeysOptions> = {}) {
  const { log, lines } = recordingLog();
  const keys = openIssuerKeys({ issuer: issuer.issuer, caBundle: issuer.ca, clock, log, ...options });
  opened.push(keys);
  const find = (key: SigningKey, iss = issuer.issuer): Promise<IssuerKey | null> =>
    keys.find(iss, { alg: key.alg, kid: key.kid });
  return { keys, lines, find };
}

/** The issuer cannot be asked: 503 with Retry-After, never 401. */
async function cannotTell(promise: Promise<unknown>): Promise<void> {
  const error = await refusal(promise);
  assert.is(error.code, 'service_unavailable');
  assert.ok((error.retryAfter ?? 0) >= 1);
}

const fetches = () => issuer.asked(issuer.jwksPath);
const newest = () => issuer.keys.at(-1)!;

test('keys are fetched once and then remembered', async () => {
  const { find } = open();
  const before = fetches();
  await Promise.all(Array.from({ length: 20 }, () => find(newest())));
  assert.ok(await find(newest()));
  assert.is(fetches() - before, 1);
});

test('an unknown kid looks again, at most once in 30 s', async () => {
  const { find } = open();
  await find(newest());
  const before = fetches();
  const rotated = issuer.rotate();
  assert.ok(await find(rotated), 'a new key is found at once');
  assert.is(fetches() - before, 1);
  const stranger = signingKey('ES256');
  for (let i = 0; i < 50; i++) assert.is(await find({ ...stranger, kid: `${i}` }), null);
  assert.is(fetches() - before, 1);
  clock.advance(29_999);
  const later = issuer.rotate();
  assert.is(await find(later), null);
  clock.advance(1);
  assert.ok(await find(later));
  assert.is(fetches() - before, 2);
});

test('many unknown kids at once look once', async () => {
  const { find } = open();
  await find(newest());
  const before = fetches();
  await Promise.all(Array.from({ length: 50 }, (_, i) => find({ ...newest(), kid: `other-${i}` })));
  assert.is(fetches() - before, 1);
});

test('the first look of all does not look twice for a kid that is not there', async () => {
  const { find } = open();
  const before = fetches();
  assert.is(await find(signingKey('ES256')), null);
  assert.is(fetches() - before, 1);
});

test('keys are refreshed every ten minutes, so that a withdrawn one stops counting', async () => {
  const { keys, find } = open();
  const withdrawn = issuer.rotate();
  issuer.rotate();
  await find(withdrawn);
  issuer.withdraw(withdrawn);
  clock.advance(599_000);
  await keys.refreshDue();
  assert.ok(await find(withdrawn));
  clock.advance(1_000);
  await keys.refreshDue();
  clock.advance(-40_000);
  assert.is(await find(withdrawn), null);
});

test('while the issuer is down its cached keys stay valid', async () => {
  const { keys, find } = open();
  await find(newest());
  await issuer.stop();
  for (let hour = 0; hour < 24; hour++) {
    clock.advance(3_600_000);
    await keys.refreshDue();
    assert.ok(await find(newest()));
  }
  await cannotTell(find(signingKey('ES256')));
  await issuer.start();
  clock.advance(30_000);
  assert.is(await find(signingKey('ES256')), null);
});

test('an issuer never reached is a 503, and found as soon as it is there', async () => {
  await issuer.stop();
  const { find, lines } = open();
  for (let i = 0; i < 5; i++) await cannotTell(find(newest()));
  assert.is(lines.filter(({ level }) => level === 'warn').length, 1, 'said once, not at each request');
  await issuer.start();
  clock.advance(2_000);
  assert.ok(await find(newest()));
});

test('a clock that was set back does not stop refreshing', async () => {
  const { find } = open();
  await find(newest());
  await find(signingKey('ES256'));
  clock.advance(-86_400_000);
  assert.ok(await find(issuer.rotate()));
});

const answers: Record<string, (response: ServerResponse) => void> = {
  'larger than 256 KiB': (response) => json(response, { keys: [], padding: 'x'.repeat(256 * 1024) }),
  endless: (response) => {
    const more = setInterval(() => response.write('x'.repeat(65_536)), 1);
    response.on('close', () => clearInterval(more));
  },
  'with 101 keys': (response) =>
    json(response, { keys: Array.from({ length: 101 }, (_, i) => ({ ...newest().jwk, kid: `${i}` })) }),
  'no JSON': (response) => void response.end('<html>'),
  'no key set': (response) => json(response, []),
  'a list that is none': (response) => json(response, { keys: { 0: newest().jwk } }),
  'a redirect': (response) => void response.writeHead(302, { location: '/elsewhere' }).end(),
  'an error': (response) => void response.writeHead(500).end('{"keys":[]}'),
  compressed: (response) => void response.writeHead(200, { 'content-encoding': 'gzip' }).end(Buffer.from([0x1f, 0x8b])),
  'cut off': (response) => {
    response.writeHead(200, { 'content-length': '1000' }).write('{"keys":[');
    setTimeout(() => response.destroy(), 20);
  },
};

for (const [name, answer] of Object.entries(answers)) {
  test(`a JWKS document is not believed that is ${name}`, async () => {
    issuer.lie(issuer.jwksPath, (_, response) => answer(response));
    const { find, lines } = open();
    await cannotTell(find(newest()));
    assert.is(lines[0]?.message, 'cannot read the issuer keys');
    assert.is(issuer.asked('/elsewhere'), 0);
  });
}

test('a slow issuer is given up after the time-out', async () => {
  issuer.lie(issuer.jwksPath, () => undefined);
  const { find } = open({ timeoutMs: 150 });
  const started = performance.now();
  await cannotTell(find(newest()));
  assert.ok(performance.now() - started < 2_000);
});

test('weak, private and foreign keys of a set are not used', async () => {
  const good = signingKey('RS256');
  const weak = signingKey('RS256', { bits: 1024 });
  const wide = signingKey('ES256');
  const forEncryption = signingKey('ES256');
  const secret = { kty: 'oct', k: Buffer.alloc(32).toString('base64url'), kid: 'hmac', alg: 'HS256' };
  const keys = [
    weak.jwk,
    secret,
    { ...forEncryption.jwk, use: 'enc' },
    { ...wide.jwk, x: 'AA' },
    null,
    'key',
    { kty: 'RSA' },
    good.jwk,
  ];
  issuer.lie(issuer.jwksPath, (_, response) => json(response, { keys }));
  const { keys: source, find } = open();
  assert.ok(await find(good));
  for (const key of [weak, wide, forEncryption]) assert.is(await find(key), null);
  assert.is(await source.find(issuer.issuer, { alg: 'HS256', kid: 'hmac' }), null);
});

test('two keys with one kid are as good as none', async () => {
  const [one, two] = [signingKey('ES256', { kid: 'same' }), signingKey('ES256', { kid: 'same' })];
  issuer.lie(issuer.jwksPath, (_, response) => json(response, { keys: [one.jwk, two.jwk] }));
  assert.is(await open().find(one), null);
});

test('discovery that speaks for another issuer is not believed, and the log says which', async () => {
  const document = { issuer: 'https://other.example', jwks_uri: issuer.issuer + issuer.jwksPath };
  issuer.lie(issuer.discoveryPath, (_, response) => json(response, document));
  const { find, lines } = open();
  const before = fetches();
  await cannotTell(find(newest()));
  assert.is(fetches(), before);
  assert.match(String(lines[0]?.fields.reason), /names the issuer "https:\/\/other.example"/);
});

test('only https is fetched', async () => {
  for (const jwks_uri of [
    'http://localhost/jwks.json',
    'file:///etc/passwd',
    'data:application/json,{}',
    '//x',
    7,
    null,
  ]) {
    issuer.lie(issuer.discoveryPath, (_, response) => json(response, { issuer: issuer.issuer, jwks_uri }));
    await cannotTell(open().find(newest()));
  }
  await cannotTell(open({ issuer: issuer.issuer.replace('https', 'http') }).keys.find('x', { alg: 'ES256' }));
});

test('a server that no known authority vouches for is not believed', async () => {
  const { find, lines } = open({ caBundle: undefined });
  await cannotTell(find(newest()));
  assert.match(String(lines[0]?.fields.reason), /certificate/i);
});

test('SCAIKEY_JWKS_URL comes before discovery', async () => {
  issuer.lie(issuer.discoveryPath, (_, response) => void response.writeHead(500).end());
  const { find } = open({ jwksUrl: issuer.issuer + issuer.jwksPath });
  assert.is((await find(newest()))?.scaiKey, false);
});

/** A CONNECT proxy that leads every name to the test's issuer, and notes the names. */
async function startProxy(): Promise<{ url: string; asked: string[]; close(): void }> {
  const asked: string[] = [];
  const proxy = createServer((_, response) => void response.writeHead(405).end());
  proxy.on('connect', (request, client) => {
    asked.push(request.url ?? '');
    const upstream = connect(Number(new URL(issuer.issuer).port), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 OK\r\n\r\n');
      upstream.pipe(client).pipe(upstream);
    });
    upstream.on('error', () => client.destroy());
    client.on('error', () => upstream.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return { url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`, asked, close: () => proxy.close() };
}

test('an issuer outside is asked through HTTPS_PROXY, end to end encrypted, unless NO_PROXY names it', async () => {
  const proxy = await startProxy();
  try {
    const far = { jwksUrl: `https://issuer.test:8443${issuer.jwksPath}`, httpsProxy: proxy.url };
    assert.ok(await open(far).find(newest()));
    assert.equal(proxy.asked, ['issuer.test:8443']);
    await cannotTell(open({ ...far, caBundle: undefined }).find(newest()));
    await cannotTell(open({ ...far, noProxy: '.test' }).find(newest()));
    assert.is(proxy.asked.length, 2);
  } finally {
    proxy.close();
  }
});

test('a key in the query of SCAIKEY_JWKS_URL does not reach the log', async () => {
  const { find, lines } = open({ jwksUrl: `${issuer.issuer}/none?key=hidden-in-query` });
  await cannotTell(find(newest()));
  assert.not.match(JSON.stringify(lines), /hidden-in-query/);
});

test('a loopback issuer is not asked through a proxy', async () => {
  const { find } = open({ httpsProxy: 'http://127.0.0.1:9' });
  assert.ok(await find(newest()));
});

test('each issuer has its own keys, and tenants are fetched apart', async () => {
  const { keys, find } = open();
  const own = issuer.tenant('tnt_b');
  assert.ok(await find(own.keys[0]!, own.issuer));
  assert.is(await find(own.keys[0]!), null);
  assert.is(await find(newest(), own.issuer), null);
  const [platform, tenant] = [fetches(), issuer.asked(own.jwksPath)];
  clock.advance(600_000);
  await keys.refreshDue();
  assert.is(fetches() - platform, 1);
  assert.is(issuer.asked(own.jwksPath) - tenant, 1);
});

test('ScaiKey is known by where its discovery lies', async () => {
  const scaiKey = await startIssuer({ scaiKey: true });
  try {
    const { find } = open({ issuer: scaiKey.issuer, caBundle: scaiKey.ca });
    assert.is((await find(scaiKey.keys[0]!, scaiKey.issuer))?.scaiKey, true);
    assert.is((await open().find(newest()))?.scaiKey, false);
  } finally {
    await scaiKey.close();
  }
});

test.run();
