import * as assert from 'uvu/assert';
import { type House, startHouse } from '../http/house.ts';
import { suite } from '../support/suite.ts';

const test = suite('address ranges behind 0 to 3 proxies');

/** The request comes from 127.0.0.1, which is the last proxy; 10.1.1.1 and fd00::1 stand before it. */
const PROXIES = '127.0.0.1/32,10.1.1.1,fd00::/8';
const OFFICE = '203.0.113.7';
const ATTACKER = '198.51.100.66';

let behindProxies: House;
let alone: House;
test.before(async () => {
  [behindProxies, alone] = await Promise.all([startHouse({ TRUSTED_PROXIES: PROXIES }), startHouse()]);
  for (const house of [behindProxies, alone]) {
    await house.allow([
      {
        path_pattern: 'office/*',
        permissions: ['read'],
        conditions: { ip_ranges: ['203.0.113.0/24', '2001:db8::/32'] },
      },
      { path_pattern: 'anywhere/*', permissions: ['read'], conditions: { ip_ranges: ['0.0.0.0/0', '::/0'] } },
      { path_pattern: 'local/*', permissions: ['read'], conditions: { ip_ranges: ['::ffff:127.0.0.0/104'] } },
      { path_pattern: 'open/*', permissions: ['read'] },
      { path_pattern: 'open/*', permissions: ['read'], effect: 'deny', conditions: { ip_ranges: [`${ATTACKER}/32`] } },
    ]);
  }
});
test.after(async () => {
  await Promise.all([behindProxies.stop(), alone.stop()]);
});

/** What is allowed and not there is 404. */
async function reads(house: House, path: string, forwarded?: string, others: Readonly<Record<string, string>> = {}) {
  const headers = { ...(forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }), ...others };
  const answer = await house.ask('GET', `/v1/secrets/${path}`, { headers });
  return answer.status === 404 ? 'allowed' : answer.body.error.code;
}

test('without a proxy the peer counts, and whoever says to come from elsewhere comes from nowhere', async () => {
  assert.is(await reads(alone, 'local/x'), 'allowed');
  assert.is(await reads(alone, 'anywhere/x'), 'allowed');
  assert.is(await reads(alone, 'office/x'), 'ip_not_allowed');
  assert.is(await reads(alone, 'open/x'), 'allowed');
  for (const headers of [{ 'x-forwarded-for': OFFICE }, { forwarded: `for=${OFFICE}` }, { 'x-real-ip': OFFICE }]) {
    for (const path of ['office/x', 'anywhere/x', 'local/x']) {
      assert.is(await reads(alone, path, undefined, headers), 'ip_not_allowed', `${path} ${JSON.stringify(headers)}`);
    }
    assert.is(await reads(alone, 'open/x', undefined, headers), 'access_denied', 'a deny rule applies');
  }
});

const CHAINS: readonly (readonly [what: string, chain: string])[] = [
  ['one proxy', ''],
  ['two proxies', ', 10.1.1.1'],
  ['three proxies', ', fd00::1, 10.1.1.1'],
];
for (const [what, chain] of CHAINS) {
  test(`behind ${what} the last hop that is none counts, whatever the client wrote before it`, async () => {
    assert.is(await reads(behindProxies, 'office/x', `${OFFICE}${chain}`), 'allowed');
    assert.is(await reads(behindProxies, 'office/x', `2001:DB8::1${chain}`), 'allowed');
    assert.is(await reads(behindProxies, 'office/x', `::ffff:${OFFICE}${chain}`), 'allowed');
    assert.is(await reads(behindProxies, 'open/x', `${OFFICE}${chain}`), 'allowed');
    const outcome = (header: string) =>
      Promise.all(['office/x', 'anywhere/x', 'open/x'].map((path) => reads(behindProxies, path, header)));
    for (const spoofed of [OFFICE, `${OFFICE}, 10.1.1.1`, '127.0.0.1', `${OFFICE}, ${OFFICE}, fd00::2`]) {
      const header = `${spoofed}, ${ATTACKER}${chain}`;
      assert.equal(await outcome(header), ['ip_not_allowed', 'allowed', 'access_denied'], header);
    }
    for (const broken of [`${OFFICE}:443`, 'unknown', `[${OFFICE}]`, '', `${OFFICE};`, `for=${OFFICE}`]) {
      const header = `${OFFICE}, ${broken}${chain}`;
      assert.equal(await outcome(header), ['ip_not_allowed', 'ip_not_allowed', 'access_denied'], header);
    }
  });
}

test('a trusted proxy that says nothing, or in another header, is taken for itself or for nobody', async () => {
  assert.is(await reads(behindProxies, 'local/x'), 'allowed');
  assert.is(await reads(behindProxies, 'anywhere/x', undefined, { forwarded: `for=${OFFICE}` }), 'ip_not_allowed');
  assert.is(await reads(behindProxies, 'local/x', '10.1.1.1'), 'ip_not_allowed', 'proxies only');
});

test.run();
