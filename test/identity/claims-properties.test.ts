import fc from 'fast-check';
import * as assert from 'uvu/assert';
import { ApiError } from '../../src/contract/errors.ts';
import { isPathSegment } from '../../src/contract/names.ts';
import { ROLES } from '../../src/contract/principal.ts';
import { isScope } from '../../src/contract/scopes.ts';
import { readClaims } from '../../src/identity/claims.ts';
import { toPrincipal } from '../../src/identity/principal.ts';
import type { TokenHolder } from '../../src/identity/types.ts';
import { suite } from '../support/suite.ts';
import { configFor, partnerId, tenantId } from './fixtures.ts';

const test = suite('claims, whatever they are');
const ISSUER = 'https://login.example.com';
const NAMES = [
  ...['sub', 'email', 'email_verified', 'tenant_id', 'partner_id', 'role', 'roles', 'groups', 'scope', 'token_type'],
  ...['client_id', 'azp', 'act', 'mfa_verified_at', 'amr', 'auth_time', 'name', '__proto__', 'constructor'],
];
const TELLING = ['secrets:read', 'admin', 'super_admin', 'client_credentials', 'x@clients', 'mfa', 'a@b.c', 'tnt_a'];

const value = fc.oneof(
  fc.jsonValue({ maxDepth: 3 }),
  fc.constantFrom(...TELLING),
  fc.array(fc.constantFrom(...TELLING)),
);
const anyClaims = fc.dictionary(fc.oneof(fc.constantFrom(...NAMES), fc.string()), value, { noNullPrototype: true });

function read(claims: Record<string, unknown>, audience: 'any' | 'unset' = 'any'): TokenHolder | null {
  try {
    const token = { issuer: { issuer: ISSUER, tenantId: null }, scaiKey: true, claims, exp: 2_000_000_000 };
    return readClaims(token, configFor(ISSUER, { audience }), 1_900_000_000_000);
  } catch (error) {
    assert.instance(error, ApiError);
    assert.is((error as ApiError).code, 'token_invalid');
    return null;
  }
}

/** Every text that stands anywhere in a JSON value, and the words of it. */
function wordsIn(json: unknown): Set<string> {
  const texts = JSON.stringify(json).match(/"(?:[^"\\]|\\.)*"/g) ?? [];
  return new Set(texts.flatMap((text) => [JSON.parse(text), ...JSON.parse(text).split(' ')]));
}

test('no claims crash the server, and none gives a scope or role that it does not list', () => {
  fc.assert(
    fc.property(anyClaims, (claims) => {
      const holder = read(claims);
      if (holder === null) return;
      const words = wordsIn([claims.scope]);
      for (const scope of holder.scopes) assert.ok(isScope(scope) && words.has(scope));
      const roleWords = wordsIn([claims.role, claims.roles]);
      for (const role of holder.claimedRoles) assert.ok(ROLES.includes(role) && roleWords.has(role));
      if (Object.hasOwn(claims, 'act')) assert.is.not(holder.onBehalfOf, null);
    }),
    { numRuns: 2_000 },
  );
});

test('without an audience nobody has a role, and somebody has a scope', () => {
  fc.assert(
    fc.property(anyClaims, (claims) => {
      const holder = read({ sub: 'x', ...claims }, 'unset');
      if (holder === null) return;
      assert.is(holder.claimedRoles.size, 0);
      assert.ok(holder.scopes.size > 0);
    }),
    { numRuns: 1_000 },
  );
});

test('an identity key is one path segment, and two subjects never share one', () => {
  const home = { tenantId: tenantId('tnt_a'), partnerId: partnerId('ptn_a') };
  const sub = fc.oneof(
    fc.string({ minLength: 1, maxLength: 40, unit: 'grapheme' }),
    fc.stringMatching(/^[A-Ca-c.-]{1,3}$/),
    fc.stringMatching(/^h-[a-z2-7]{26}$/),
  );
  const keyOf = (id: string): string | null => {
    const holder = read({ sub: id });
    return holder === null ? null : toPrincipal(holder, home, ISSUER).key;
  };
  fc.assert(
    fc.property(sub, sub, (one, two) => {
      const [a, b] = [keyOf(one), keyOf(two)];
      if (a === null || b === null || one.endsWith('@clients') || two.endsWith('@clients')) return;
      assert.ok(isPathSegment(a));
      assert.is(a === b, one === two);
    }),
    { numRuns: 2_000 },
  );
});

test.run();
