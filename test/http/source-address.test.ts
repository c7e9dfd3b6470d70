import * as fc from 'fast-check';
import * as assert from 'uvu/assert';
import { networkOf, type SourceAddress, sourceAddress, trustedProxies } from '../../src/http/source-address.ts';
import { canonicalIp } from '../../src/lib/ip-addresses.ts';
import { suite } from '../support/suite.ts';
import { type House, requestId, startHouse } from './house.ts';
import { rawRequest } from './raw.ts';

const test = suite('source addresses');

const PROXIES = trustedProxies(['10.0.0.0/8', '192.0.2.7', 'fd00::/8']);
const NOBODY = trustedProxies([]);
const CLIENT = '203.0.113.5';

interface Case {
  readonly what: string;
  readonly peer: string;
  readonly forwarded?: string;
  readonly other?: boolean;
  readonly trusted?: typeof PROXIES;
  readonly ip: string | null;
  readonly untrusted?: boolean;
}

const CASES: readonly Case[] = [
  { what: 'no proxy', peer: CLIENT, ip: CLIENT },
  { what: 'no proxy, version 6', peer: '2001:DB8::1', ip: '2001:db8::1' },
  { what: 'version 4 in version 6', peer: `::ffff:${CLIENT}`, ip: CLIENT },
  { what: 'version 4 in version 6, hexadecimal', peer: '::ffff:cb00:7105', ip: CLIENT },
  { what: 'one proxy', peer: '10.0.0.1', forwarded: CLIENT, ip: CLIENT },
  { what: 'one proxy, itself seen as version 6', peer: '::ffff:10.0.0.1', forwarded: CLIENT, ip: CLIENT },
  { what: 'one proxy of version 6', peer: 'fd00::1', forwarded: CLIENT, ip: CLIENT },
  { what: 'one proxy named alone', peer: '192.0.2.7', forwarded: CLIENT, ip: CLIENT },
  { what: 'two proxies', peer: '10.0.0.1', forwarded: `${CLIENT}, 10.0.0.2`, ip: CLIENT },
  { what: 'three proxies', peer: '10.0.0.1', forwarded: `${CLIENT},10.0.0.3 ,\t192.0.2.7`, ip: CLIENT },
  { what: 'what the client wrote before', peer: '10.0.0.1', forwarded: `198.51.100.1, ${CLIENT}`, ip: CLIENT },
  { what: 'a proxy’s name in what the client wrote', peer: '10.0.0.1', forwarded: `10.9.9.9, ${CLIENT}`, ip: CLIENT },
  { what: 'nonsense in what the client wrote', peer: '10.0.0.1', forwarded: `<x>, ${CLIENT}`, ip: CLIENT },
  { what: 'a hop of version 6', peer: '10.0.0.1', forwarded: '2001:DB8:0:0::1', ip: '2001:db8::1' },
  { what: 'a mapped hop', peer: '10.0.0.1', forwarded: `::FFFF:${CLIENT}`, ip: CLIENT },
  { what: 'a mapped proxy among the hops', peer: '10.0.0.1', forwarded: `${CLIENT}, ::ffff:10.0.0.2`, ip: CLIENT },
  { what: 'a malformed last hop', peer: '10.0.0.1', forwarded: `${CLIENT}, unknown`, ip: null },
  { what: 'a malformed hop before a proxy', peer: '10.0.0.1', forwarded: `${CLIENT}, ?, 10.0.0.2`, ip: null },
  { what: 'a hop with a port', peer: '10.0.0.1', forwarded: `${CLIENT}:4711`, ip: null },
  { what: 'a hop in brackets', peer: '10.0.0.1', forwarded: '[2001:db8::1]', ip: null },
  { what: 'a hop with leading zeros', peer: '10.0.0.1', forwarded: '203.0.113.005', ip: null },
  { what: 'a short hop', peer: '10.0.0.1', forwarded: '203.0.113', ip: null },
  { what: 'an empty hop', peer: '10.0.0.1', forwarded: `${CLIENT},`, ip: null },
  { what: 'an empty header', peer: '10.0.0.1', forwarded: '', ip: null },
  { what: 'proxies only', peer: '10.0.0.1', forwarded: '10.0.0.2, 10.0.0.3', ip: null },
  { what: 'a trusted peer that says nothing', peer: '10.0.0.1', ip: '10.0.0.1' },
  { what: 'a trusted peer with a header that we do not read', peer: '10.0.0.1', other: true, ip: null },
  { what: 'a stranger that says something', peer: CLIENT, forwarded: '10.0.0.1', ip: null, untrusted: true },
  { what: 'a stranger that uses another header', peer: CLIENT, other: true, ip: null, untrusted: true },
  { what: 'a stranger next to a proxy', peer: '192.0.2.8', forwarded: CLIENT, ip: null, untrusted: true },
  { what: 'nobody is trusted', peer: '10.0.0.1', forwarded: CLIENT, trusted: NOBODY, ip: null, untrusted: true },
  {
    what: 'loopback is nobody special',
    peer: '127.0.0.1',
    forwarded: CLIENT,
    trusted: NOBODY,
    ip: null,
    untrusted: true,
  },
  { what: 'a peer that is gone already', peer: '', ip: null },
];

for (const { what, peer, forwarded, other = false, trusted = PROXIES, ip, untrusted = false } of CASES) {
  test(what, () => {
    const source: SourceAddress = sourceAddress(peer, forwarded, other, trusted);
    assert.is(source.ip, ip);
    assert.is(source.forwardedUntrusted, untrusted);
  });
}

test('an address has one spelling, and the spelling is stable', () => {
  fc.assert(
    fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) => {
      const once = canonicalIp(text);
      assert.ok(once !== null, text);
      assert.is(canonicalIp(once), once);
      assert.is(canonicalIp(text.toUpperCase()), once);
    }),
    { numRuns: 1_000 },
  );
});

test('whatever is sent as an address ends no process', () => {
  const odd = fc.oneof(fc.string(), fc.constantFrom('fe80::1%eth0', '::', '%', '1.2.3.4%x', '::ffff:1.2.3.4%lo', '\0'));
  fc.assert(
    fc.property(odd, odd, (peer, forwarded) => void sourceAddress(peer, forwarded, false, PROXIES)),
    { numRuns: 1_000 },
  );
});

test('limits count by address, and by /64 where one customer has more than anybody can count', () => {
  assert.is(networkOf('203.0.113.5'), '203.0.113.5');
  assert.is(networkOf('2001:db8:1:2:3:4:5:6'), '2001:db8:1:2::/64');
  assert.is(networkOf('2001:db8:1:2::9'), '2001:db8:1:2::/64');
  assert.is(networkOf('2001:db8::9'), '2001:db8:0:0::/64');
  assert.is(networkOf('::1'), '0:0:0:0::/64');
  assert.is(networkOf('1::'), '1:0:0:0::/64');
  assert.is(networkOf('::1.2.3.4'), '0:0:0:0::/64');
  assert.is(networkOf('unknown'), 'unknown');
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const ip = canonicalIp(text)!;
      if (ip.includes(':')) assert.match(networkOf(ip), /^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){3}::\/64$/);
    }),
  );
});

let trusting: House;
let strict: House;
test.before(async () => {
  [trusting, strict] = await Promise.all([startHouse({ TRUSTED_PROXIES: '127.0.0.0/8' }), startHouse()]);
});
test.after(async () => {
  await Promise.all([trusting.stop(), strict.stop()]);
});

async function audited(house: House, lines: readonly string[]) {
  const id = requestId();
  const headers = [`Authorization: Bearer ${house.token()}`, `X-Request-ID: ${id}`, ...lines];
  await rawRequest(house.port, 'GET', '/v1/auth/whoami', { headers });
  const [row] = await house.audited(id);
  return { ip: row?.source_ip, extra: row?.extra_data };
}

test('the audit log has the client behind a trusted proxy', async () => {
  assert.equal(await audited(trusting, [`X-Forwarded-For: ${CLIENT}`]), { ip: CLIENT, extra: {} });
  assert.equal(await audited(trusting, ['X-Forwarded-For: 1.1.1.1', `X-Forwarded-For: ${CLIENT}`]), {
    ip: CLIENT,
    extra: {},
  });
  assert.equal(await audited(trusting, []), { ip: '127.0.0.1', extra: {} });
  assert.equal(await audited(trusting, ['X-Forwarded-For: nonsense']), { ip: null, extra: {} });
  assert.equal(await audited(trusting, ['Forwarded: for=1.1.1.1']), { ip: null, extra: {} });
});

test('the audit log has an unknown address, and the peer, where a stranger claims one', async () => {
  const unknown = { ip: null, extra: { peer: '127.0.0.1', forwarded_untrusted: true } };
  for (const line of [`X-Forwarded-For: ${CLIENT}`, 'Forwarded: for=1.1.1.1', 'X-Real-IP: 1.1.1.1']) {
    assert.equal(await audited(strict, [line]), unknown, line);
  }
  assert.equal(await audited(strict, []), { ip: '127.0.0.1', extra: {} });
});

test('a header cannot be pushed out of sight by many others', async () => {
  const many = Array.from({ length: 110 }, (_, n) => `X-${n}: y`);
  const answer = await rawRequest(trusting.port, 'GET', '/v1/auth/whoami', {
    headers: [`Authorization: Bearer ${trusting.token()}`, ...many, `X-Forwarded-For: ${CLIENT}`],
  });
  assert.is(answer.status, 400);
});

test.run();
