import * as assert from 'uvu/assert';
import { ERRORS } from '../../src/contract/errors.ts';
import { readClaims } from '../../src/identity/claims.ts';
import { type IssuerKeys, openIssuerKeys } from '../../src/identity/issuer-keys.ts';
import { MAX_TOKEN_BYTES, verifyToken } from '../../src/identity/token.ts';
import type { IdentityConfig, TokenHolder } from '../../src/identity/types.ts';
import { startIssuer, type TestIssuerServer } from '../support/issuer.ts';
import { suite } from '../support/suite.ts';
import {
  base64url,
  type SigningKey,
  signCompact,
  signedWithPublicKey,
  signingKey,
  unsigned,
} from '../support/tokens.ts';
import { configFor, recordingLog, refusal, refusalCode, type SteeredClock, steeredClock } from './fixtures.ts';

const test = suite('bad tokens');
const clock: SteeredClock = steeredClock();
let issuer: TestIssuerServer;
let keys: IssuerKeys;

test.before(async () => {
  issuer = await startIssuer();
  keys = openIssuerKeys({ issuer: issuer.issuer, caBundle: issuer.ca, clock, log: recordingLog().log });
});
test.after(async () => {
  await keys.close();
  await issuer.close();
});

async function authenticate(token: string, changes: Partial<IdentityConfig> = {}): Promise<TokenHolder> {
  const config = configFor(issuer.issuer, changes);
  const knowsTenant = async (id: string) => id === 'tnt_a' || id === 'tnt_b';
  const verified = await verifyToken(token, { ...config, keySource: keys, clock, knowsTenant });
  return readClaims(verified, config, clock.nowMs());
}

/** Every refusal looks the same from outside; the operator reads why. */
async function refused(token: string, why: RegExp, changes?: Partial<IdentityConfig>): Promise<void> {
  const error = await refusal(authenticate(token, changes));
  assert.is(error.code, 'token_invalid');
  assert.is(error.message, ERRORS.token_invalid.message);
  assert.match(error.operator ?? '', why);
  assert.is(error.details, undefined);
}

const seconds = () => Math.floor(clock.nowMs() / 1000);

test('a good token is accepted, with each accepted algorithm', async () => {
  for (const alg of ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA'] as const) {
    issuer.rotate(alg);
    clock.advance(31_000);
    const holder = await authenticate(issuer.mint({ iat: seconds(), exp: seconds() + 60 }));
    assert.is(holder.identityId, 'user:alice@example.com');
  }
});

test('what is no JWT is refused', async () => {
  const token = issuer.mint();
  const [header = '', payload = '', signature = ''] = token.split('.');
  for (const bad of [
    'x',
    '..',
    'eyJ',
    `${header}.${payload}`,
    `${header}.${payload}.`,
    `${token}.x`,
    `${token}=`,
    ` ${token}`,
    `${header}.${payload}.${signature}\n`,
  ]) {
    await refused(bad, /not a signed JWT/);
  }
  await refused(`${base64url('[]')}.${payload}.${signature}`, /header: not a JSON object/);
  await refused(`${base64url('{')}.${payload}.${signature}`, /header: not JSON/);
  await refused(`${header}.${base64url('"x"')}.${signature}`, /claims: not a JSON object/);
  await refused(`${header}.${Buffer.from([0x7b, 0xff, 0x7d]).toString('base64url')}.${signature}`, /claims: not UTF-8/);
  await refused(`${header}.${base64url('\ufeff{}')}.${signature}`, /claims: not JSON/);
});

test('a token larger than 16 KiB is refused unread', async () => {
  await refused(issuer.mint({ padding: 'x'.repeat(MAX_TOKEN_BYTES) }), /longer than/);
});

test('a claim changed after signing is refused', async () => {
  const [header, payload = '', signature] = issuer.mint().split('.');
  const claims = JSON.parse(Buffer.from(payload, 'base64url').toString());
  const forged = base64url(JSON.stringify({ ...claims, sub: 'usr_bob' }));
  await refused(`${header}.${forged}.${signature}`, /signature verification failed/);
});

test('an expired token says so, after a minute of grace for clocks', async () => {
  const now = seconds();
  assert.is(await refusalCode(authenticate(issuer.mint({ exp: now - 61 }))), 'token_expired');
  assert.is((await authenticate(issuer.mint({ exp: now - 58 }))).sub, 'usr_alice');
});

test('only a token with a right signature is told that it expired', async () => {
  const stranger = { ...signingKey('ES256'), kid: issuer.keys[0]!.kid };
  await refused(issuer.mint({ exp: 1 }, { key: stranger }), /signature/);
});

test('a token without a usable expiry is refused', async () => {
  await refused(issuer.mint({ exp: undefined }), /missing required "exp"/);
  for (const exp of ['soon', null, {}, [1], true]) await refused(issuer.mint({ exp }), /exp/);
  await refused(issuer.mint({ exp: 1e300 }), /not a time/);
});

test('a token that is not valid yet is refused, with a minute of grace', async () => {
  await refused(issuer.mint({ nbf: seconds() + 90 }), /nbf/);
  await refused(issuer.mint({ nbf: 'now' }), /nbf/);
  assert.is((await authenticate(issuer.mint({ nbf: seconds() + 50 }))).sub, 'usr_alice');
});

test('a token of another issuer is refused, byte for byte', async () => {
  for (const iss of [
    'https://evil.example',
    `${issuer.issuer}/`,
    issuer.issuer.toUpperCase(),
    issuer.issuer.replace('localhost', 'localhost.'),
    undefined,
    null,
    7,
    [issuer.issuer],
  ]) {
    await refused(issuer.mint({ iss }), /"iss"/);
  }
});

test('the audience must be named, as a text or in a list', async () => {
  assert.is((await authenticate(issuer.mint({ aud: ['other', 'scaivault'] }))).sub, 'usr_alice');
  for (const aud of ['other', ['other'], [], 'scaivault2', 'SCAIVAULT', undefined]) {
    await refused(issuer.mint({ aud }), /aud/);
  }
  for (const aud of [7, { scaivault: true }, ['scaivault', 7], [['scaivault']], null, '']) {
    await refused(issuer.mint({ aud }), /aud/);
  }
});

test('with * any audience is accepted, but still none of a wrong type', async () => {
  assert.is((await authenticate(issuer.mint({ aud: 'other' }), { audience: 'any' })).sub, 'usr_alice');
  assert.is((await authenticate(issuer.mint({ aud: undefined }), { audience: 'any' })).sub, 'usr_alice');
  await refused(issuer.mint({ aud: 7 }), /"aud"/, { audience: 'any' });
});

test('an unsigned token is refused', async () => {
  const claims = { iss: issuer.issuer, sub: 'usr_alice', aud: 'scaivault', exp: seconds() + 60 };
  await refused(unsigned(claims), /not a signed JWT/);
  await refused(unsigned(claims, 'AA'), /"alg"/);
  for (const alg of ['None', 'NONE', 'nOnE', '', undefined, ['ES256'], 'RS512', 'HS256', 'ES256K']) {
    await refused(issuer.mint({}, { header: { alg } }), /"alg"/);
  }
});

test('an HMAC made with the public key is refused', async () => {
  const rsa = issuer.rotate('RS256');
  const claims = { iss: issuer.issuer, sub: 'usr_alice', aud: 'scaivault', exp: seconds() + 60 };
  await refused(signedWithPublicKey(claims, rsa), /"alg"/);
});

test('a key serves only the algorithm that it was published for', async () => {
  const rsa = issuer.rotate('RS256');
  clock.advance(31_000);
  assert.is((await authenticate(issuer.mint({ exp: seconds() + 60 }, { key: rsa }))).sub, 'usr_alice');
  const asPss: SigningKey = { ...rsa, alg: 'PS256' };
  await refused(issuer.mint({}, { key: asPss }), /no key/);
});

test('a key of somebody else is refused, whatever the header says about it', async () => {
  const stranger = signingKey('ES256');
  await refused(issuer.mint({}, { key: stranger }), /no key/);
  const published = issuer.keys.at(-1)!.kid;
  for (const header of [
    { kid: published },
    { kid: published, jku: `${issuer.issuer}/evil.json` },
    { kid: published, jwk: stranger.jwk },
    { kid: published, x5u: `${issuer.issuer}/evil.pem`, x5c: ['MIIB'] },
  ]) {
    await refused(issuer.mint({}, { key: stranger, header }), /signature|no key/);
  }
  assert.is(issuer.asked('/evil.json') + issuer.asked('/evil.pem'), 0);
});

test('a kid is a name and nothing else', async () => {
  for (const kid of [
    '../../etc/passwd',
    "' OR 1=1 --",
    '__proto__',
    'constructor',
    'x'.repeat(300),
    7,
    null,
    ['a'],
    '',
  ]) {
    await refused(issuer.mint({}, { header: { kid } }), /no key|"kid"/);
  }
});

test('a token without kid is refused where several keys would fit', async () => {
  const claims = { exp: seconds() + 3600 };
  const only = issuer.keys.find((key) => key.alg === 'ES384')!;
  assert.is((await authenticate(issuer.mint(claims, { key: only, header: { kid: undefined } }))).sub, 'usr_alice');
  const second = issuer.rotate('ES384');
  clock.advance(31_000);
  await authenticate(issuer.mint(claims));
  await refused(issuer.mint(claims, { key: second, header: { kid: undefined } }), /no key/);
});

test('only access tokens are accepted', async () => {
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', undefined]) {
    assert.is((await authenticate(issuer.mint({ exp: seconds() + 60 }, { header: { typ } }))).sub, 'usr_alice');
  }
  for (const typ of [
    'logout+jwt',
    'dpop+jwt',
    'secevent+jwt',
    'JWT ',
    'application/application/jwt',
    '',
    7,
    null,
    ['JWT'],
  ]) {
    await refused(issuer.mint({}, { header: { typ } }), /"typ"/);
  }
  await refused(issuer.mint({ nonce: 'n', exp: seconds() + 60 }), /"nonce"/);
  await refused(issuer.mint({ at_hash: 'h', exp: seconds() + 60 }), /"at_hash"/);
  await refused(issuer.mint({ events: {}, exp: seconds() + 60 }), /"events"/);
  await refused(issuer.mint({ nonce: null, exp: seconds() + 60 }), /"nonce"/);
});

test('critical extensions are refused', async () => {
  await refused(issuer.mint({}, { header: { crit: ['b64'], b64: false } }), /"crit"/);
  await refused(issuer.mint({}, { header: { crit: [] } }), /"crit"/);
});

test('a member that stands twice makes the token ambiguous, however it is spelt (CVE-2024-5798)', async () => {
  const key = issuer.keys.at(-1)!;
  const header = JSON.stringify({ alg: key.alg, kid: key.kid });
  const claims = JSON.stringify({ iss: issuer.issuer, aud: 'scaivault', exp: seconds() + 60 }).slice(0, -1);
  for (const twice of [
    ',"sub":"usr_alice","sub":"usr_bob"}',
    ',"sub":"usr_alice","\\u0073ub":"usr_bob"}',
    ',"sub":"usr_alice","aud":"other"}',
    ',"sub":"usr_alice","deep":[{"a":{"b":1,"b":2}}]}',
  ]) {
    await refused(signCompact(header, claims + twice, key), /stands twice/);
  }
  const doubleHeader = `{"alg":"${key.alg}","kid":"x","kid":"${key.kid}"}`;
  await refused(signCompact(doubleHeader, `${claims},"sub":"usr_alice"}`, key), /stands twice/);
  const honest = `${claims},"sub":"usr_alice","deep":[{"sub":1},{"sub":2}],"note":"\\"sub\\":1,{"}`;
  assert.is((await authenticate(signCompact(header, honest, key))).sub, 'usr_alice');
});

test('deep nesting is refused before it is built', async () => {
  const key = issuer.keys.at(-1)!;
  const header = JSON.stringify({ alg: key.alg, kid: key.kid });
  await refused(signCompact(header, '['.repeat(5000), key), /nested deeper/);
  await refused(signCompact(header, `{"a":${'['.repeat(20)}${']'.repeat(20)}}`, key), /nested deeper/);
});

test('the issuer of a tenant speaks for that tenant only', async () => {
  const own = issuer.tenant('tnt_b');
  const claims = { exp: seconds() + 60 };
  const holder = await authenticate(own.mint({ ...claims, tenant_id: 'tnt_b' }));
  assert.is(holder.issuer.tenantId, 'tnt_b');
  await refused(own.mint({ ...claims, tenant_id: 'tnt_a' }), /another tenant/);
  await refused(own.mint({ ...claims, tenant_id: undefined }), /another tenant/);
  await refused(issuer.tenant('tnt_x').mint({ ...claims, tenant_id: 'tnt_x' }), /"iss"/);
  for (const tenant of ['tnt_b/', 'tnt_b/../tnt_a', '%74nt_b', '_system', 'tnt_b?x']) {
    await refused(own.mint({ ...claims, iss: `${issuer.issuer}/tenants/${tenant}`, tenant_id: 'tnt_b' }), /"iss"/);
  }
});

test('a key never verifies the token of another issuer', async () => {
  const [a, b] = [issuer.tenant('tnt_a'), issuer.tenant('tnt_b')];
  const claims = { exp: seconds() + 60 };
  await refused(a.mint({ ...claims, iss: b.issuer, tenant_id: 'tnt_b' }), /no key/);
  await refused(a.mint({ ...claims, iss: issuer.issuer }), /no key/);
  await refused(issuer.mint({ ...claims, iss: a.issuer }), /no key/);
  // Not even when it calls itself like a key of that issuer.
  const disguised = { ...a.keys[0]!, kid: b.keys[0]!.kid };
  await refused(a.mint({ ...claims, iss: b.issuer, tenant_id: 'tnt_b' }, { key: disguised }), /signature/);
});

test.run();
