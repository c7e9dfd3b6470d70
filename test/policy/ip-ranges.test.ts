import { BlockList } from 'node:net';
import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { canonicalIp } from '../../src/lib/ip-addresses.ts';
import { addressNumber, IpRanges } from '../../src/policy/conditions/ip-ranges.ts';
import { suite } from '../support/suite.ts';

const test = suite('address ranges of a rule');

const includes = (range: string, ip: string) =>
  new IpRanges([range]).includes(addressNumber(canonicalIp(ip) ?? (assert.unreachable(ip) as never)));
const covers = (outer: readonly string[], inner: readonly string[]) =>
  new IpRanges(outer).covers(new IpRanges(inner), { steps: 0 });

const IN: readonly (readonly [range: string, ip: string])[] = [
  ['10.0.0.0/8', '10.255.255.255'],
  ['10.0.0.0/8', '::ffff:10.1.2.3'],
  ['10.0.0.0/8', '::ffff:a01:203'],
  ['::ffff:10.0.0.0/104', '10.1.2.3'],
  ['::ffff:a00:0/104', '10.1.2.3'],
  ['::FFFF:0:0/96', '203.0.113.5'],
  ['0.0.0.0/0', '203.0.113.5'],
  ['0.0.0.0/0', '::ffff:203.0.113.5'],
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['192.0.2.6/31', '192.0.2.7'],
  ['2001:db8::/32', '2001:DB8:ffff::1'],
  ['2001:0db8:0:0:0:0:0:1', '2001:db8::1'],
  ['::/0', '2001:db8::1'],
  ['::1', '::1'],
];
const OUT: readonly (readonly [range: string, ip: string])[] = [
  ['10.0.0.0/8', '11.0.0.0'],
  ['10.0.0.0/8', '2001:db8::a00:1'],
  ['0.0.0.0/0', '2001:db8::1'],
  ['0.0.0.0/0', '::1'],
  ['::/0', '203.0.113.5'],
  ['::/0', '::ffff:203.0.113.5'],
  ['::ffff:0:0/96', '2001:db8::1'],
  ['::/96', '203.0.113.5'],
  // An IPv4 address in another wrapping is an IPv6 address: a translator's address says nothing about who is behind it.
  ['203.0.113.5', '64:ff9b::203.0.113.5'],
  ['203.0.113.5', '::203.0.113.5'],
  ['192.0.2.7', '192.0.2.6'],
];

for (const [range, ip] of IN) test(`${range} has ${ip}`, () => assert.ok(includes(range, ip)));
for (const [range, ip] of OUT) test(`${range} does not have ${ip}`, () => assert.not(includes(range, ip)));

test('what is no range is refused, and the message repeats it', () => {
  for (const text of [
    '',
    ' ',
    'localhost',
    '10.0.0.0/33',
    '10.0.0.0/-1',
    '10.0.0.0/+8',
    '10.0.0.0/08',
    '10.0.0.0/8.0',
    '10.0.0.0/',
    '10.0.0.0/8/8',
    '10.0.0.0/255.0.0.0',
    ' 10.0.0.0/8',
    '10.0.0.0 /8',
    '10.0.0/8',
    '010.0.0.0/8',
    '0x0a.0.0.0/8',
    '10.0.0.256',
    '167772160',
    '::/129',
    ':::/8',
    '[::1]',
    'fe80::1%eth0',
    'fe80::%/10',
    '::ffff:10.0.0.0/129',
    '10.0.0.0-10.0.0.9',
    '*',
    '１0.0.0.0/8',
  ]) {
    assert.throws(
      () => new IpRanges([text]),
      (error: Error) => error instanceof RangeError && error.message.includes(`"${text}" is no address range`),
      text,
    );
  }
});

test('a range begins with its first address, and does not cut IPv4 in two families', () => {
  for (const text of ['10.1.2.3/8', '0.0.0.1/0', '2001:db8::1/32', '::1/0', '::ffff:10.1.2.3/104']) {
    assert.throws(() => new IpRanges([text]), /not the first address of its network/, text);
  }
  assert.throws(() => new IpRanges(['::ffff:0:0/95']), /IPv4 addresses and others/);
});

test('ranges cover what lies within them, in their own family', () => {
  assert.ok(covers(['10.0.0.0/9', '10.128.0.0/9'], ['10.0.0.0/8']));
  assert.ok(covers(['0.0.0.0/1', '128.0.0.0/1', '::/1', '8000::/1'], ['0.0.0.0/0', '::/0']));
  assert.ok(covers(['10.0.0.0/8'], ['10.2.0.0/16', '10.1.2.3']));
  assert.ok(covers(['10.0.0.0/8', '2001:db8::/32'], ['2001:db8:1::/48', '10.0.0.0/8']));
  assert.ok(covers(['::ffff:10.0.0.0/104'], ['10.0.0.0/9']));
  assert.ok(covers(['0.0.0.0/0'], ['::ffff:1.2.3.4']));
  for (const all of [
    ['0.0.0.0/1', '0.0.0.0/0'],
    ['0.0.0.0/0', '0.0.0.0/1'],
    ['::/0', '0.0.0.0/0', '0.0.0.0/32', '::/128'],
  ]) {
    assert.ok(covers(all, ['0.0.0.0/0']), String(all));
  }
  assert.not(covers(['10.0.0.0/9'], ['10.0.0.0/8']));
  assert.not(covers(['10.0.0.0/9', '10.128.0.0/10'], ['10.0.0.0/8']));
  assert.not(covers(['::/0'], ['8000::/1', '0.0.0.0/32']));
  assert.not(covers(['10.0.0.0/8'], ['10.0.0.0/8', '192.0.2.1']));
  assert.not(covers(['0.0.0.0/0'], ['::/0']));
  assert.not(covers(['::/0'], ['10.0.0.0/8']));
});

/** Prefixes that share much, so that ranges meet. */
const address = fc.oneof(
  fc
    .tuple(fc.constantFrom(10, 11), fc.constantFrom(0, 128, 255), fc.nat(255), fc.nat(3))
    .map((parts) => parts.join('.')),
  fc
    .tuple(fc.constantFrom('2001:db8', '2001:db9'), fc.nat(0xffff), fc.nat(3))
    .map(([a, b, c]) => `${a}:${b.toString(16)}::${c}`),
);
const bitsOf = (ip: string) =>
  ip.includes(':')
    ? ip
        .replace('::', `:${'0:'.repeat(9 - ip.split(':').length)}`)
        .split(':')
        .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
        .join('')
    : ip
        .split('.')
        .map((part) => Number(part).toString(2).padStart(8, '0'))
        .join('');

test('many ranges have what node:net finds in one of them', () => {
  const range = address.chain((ip) => fc.nat(bitsOf(ip).length).map((bits) => rangeOf(ip, bits)));
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 8 }), address, (texts, ip) => {
      const family = ip.includes(':') ? 'ipv6' : 'ipv4';
      const list = new BlockList();
      for (const text of texts) {
        const [first = '', bits] = text.split('/');
        if (first.includes(':') === ip.includes(':')) list.addSubnet(first, Number(bits), family);
      }
      assert.is(
        new IpRanges(texts).includes(addressNumber(canonicalIp(ip)!)),
        list.check(ip, family),
        `${texts} ${ip}`,
      );
    }),
    { numRuns: 2_000 },
  );
});

test('a range has the addresses that begin with its bits, and covers no range that has others', () => {
  const withBits = address.chain((ip) => fc.tuple(fc.constant(ip), fc.nat(bitsOf(ip).length)));
  fc.assert(
    fc.property(withBits, withBits, address, ([first, bits], [other, otherBits], ip) => {
      const range = rangeOf(first, bits);
      const sameFamily = ip.includes(':') === first.includes(':');
      const within = sameFamily && bitsOf(ip).startsWith(bitsOf(first).slice(0, bits));
      assert.is(includes(range, ip), within, `${range} ${ip}`);
      const inner = rangeOf(other, otherBits);
      if (covers([range], [inner]) && includes(inner, ip)) assert.ok(within, `${range} ${inner} ${ip}`);
    }),
    { numRuns: 3_000 },
  );
});

/** The range of so many bits that an address lies in. */
function rangeOf(ip: string, bits: number): string {
  const all = bitsOf(ip).slice(0, bits).padEnd(bitsOf(ip).length, '0');
  const size = ip.includes(':') ? 16 : 8;
  const parts = all.match(new RegExp(`.{${size}}`, 'g'))!.map((part) => Number.parseInt(part, 2));
  return `${ip.includes(':') ? parts.map((part) => part.toString(16)).join(':') : parts.join('.')}/${bits}`;
}

test.run();
