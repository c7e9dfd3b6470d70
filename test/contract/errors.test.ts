import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { errorsPage, isCurrent } from '../../scripts/build/errors-docs.ts';
import { ApiError, ERRORS, type ErrorCode, validationError } from '../../src/contract/errors.ts';

const CODES = Object.keys(ERRORS) as ErrorCode[];

/** The codes that spec 00 and its rulings promise: a client programs against them. */
const PROMISED: Readonly<Record<number, string>> = {
  400: 'invalid_request invalid_path invalid_secret_type invalid_duration invalid_cursor invalid_policy invalid_glob invalid_role invalid_config',
  401: 'authentication_required token_expired token_invalid token_revoked client_certificate_required',
  403: 'access_denied insufficient_scope mfa_required ip_not_allowed time_window_violation tenant_access_denied forbidden',
  404: 'route_not_found secret_not_found version_not_found policy_not_found binding_not_found tenant_not_found partner_not_found identity_not_found',
  405: 'method_not_allowed',
  409: 'secret_exists version_conflict policy_in_use name_taken read_only_path idempotency_conflict idempotency_in_progress idempotency_replayed',
  413: 'payload_too_large',
  415: 'unsupported_media_type',
  422: 'validation_error',
  429: 'rate_limited',
  500: 'internal_error',
  503: 'service_unavailable sealed',
};

test('the catalogue has the promised codes with their statuses', () => {
  for (const [status, codes] of Object.entries(PROMISED)) {
    for (const code of codes.split(' ')) assert.is(ERRORS[code as ErrorCode]?.status, Number(status), code);
  }
});

test('docs/errors.md has exactly the codes of the catalogue, each under its status', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/errors.md'), 'utf8');
  const documented = new Map<string, number>();
  for (const section of page.split(/^## /m).slice(1)) {
    const status = Number(section.slice(0, 3));
    for (const [, code] of section.matchAll(/^\| `(\w+)` \|/gm)) {
      assert.not(documented.has(code!), `${code} stands twice`);
      documented.set(code!, status);
    }
  }
  assert.equal([...documented.keys()].sort(), [...CODES].sort());
  for (const [code, status] of documented) assert.is(status, ERRORS[code as ErrorCode].status, code);
});

test('docs/errors.md is what the catalogue makes', () => {
  assert.ok(isCurrent(), 'stale: run node scripts/build/errors-docs.ts');
  assert.not.match(errorsPage(), 'undefined');
});

test('every code is a stable word and every message a sentence without a place for a value', () => {
  for (const code of CODES) {
    const { message } = ERRORS[code];
    assert.match(code, /^[a-z]+(?:_[a-z]+)*$/);
    assert.match(message, /^[A-Z].*\.?$/, code);
    assert.not.match(message, /\$\{|%s|undefined/, code);
    assert.ok(message.length <= 200, code);
  }
});

test('a 404 has one code for each resource', () => {
  for (const code of CODES) assert.is(code.endsWith('_not_found'), ERRORS[code].status === 404, code);
});

test('an error takes its status and text from the catalogue, and says more where there is more to say', () => {
  const plain = new ApiError('secret_not_found');
  assert.is(plain.status, 404);
  assert.is(plain.message, ERRORS.secret_not_found.message);
  assert.is(plain.details, undefined);
  const cause = new Error('why');
  const told = new ApiError('rate_limited', {
    message: 'Slower.',
    retryAfter: 3,
    details: { category: 'LIST' },
    cause,
  });
  assert.is(told.message, 'Slower.');
  assert.is(told.retryAfter, 3);
  assert.is(told.cause, cause);
  assert.equal(validationError({ a: 'required' }).details, { fields: { a: 'required' } });
  assert.is(validationError({}).status, 422);
});

test.run();
