/** Variables of Node.js and OpenSSL, which our configuration does not know and what we are made of obeys. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { examine } from '../../src/config/load.ts';
import { problemLine } from '../../src/config/problems.ts';
import { namesOf, problemsOf, SERVE } from './support.ts';

const MIGRATE = { DATABASE_URL: 'postgresql://vault:pw@db:5432/vault' };
const REFUSED = {
  NODE_TLS_REJECT_UNAUTHORIZED: '0',
  NODE_DEBUG: 'http',
  NODE_DEBUG_NATIVE: 'tls',
  SSLKEYLOGFILE: '/tmp/canary',
  OPENSSL_CONF: '/tmp/canary.cnf',
  OPENSSL_MODULES: '/tmp/canary',
  OPENSSL_ENGINES: '/tmp/canary',
};

test('each is refused by the commands that talk to others, with the way on', () => {
  for (const [name, value] of Object.entries(REFUSED)) {
    for (const [command, env] of [
      ['serve', SERVE],
      ['migrate', MIGRATE],
    ] as const) {
      const [problem, ...more] = problemsOf(command, { ...env, [name]: value });
      assert.equal(more, []);
      assert.is(problem?.variable, name);
      assert.match(problemLine(problem!), new RegExp(`^${name}: .*unset it`));
      assert.not.match(problemLine(problem!), 'canary');
    }
  }
  const [unverified] = problemsOf('serve', { ...SERVE, NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  assert.match(unverified?.problem ?? '', 'CA_BUNDLE_FILE');
});

test('all are told at once, before the others', () => {
  const names = namesOf(problemsOf('serve', { ...SERVE, ...REFUSED, LOG_LEVEL: 'loud' }));
  assert.equal(names, [...Object.keys(REFUSED), 'LOG_LEVEL']);
});

test('authorities of the machine, which base images set for every program, are a warning', () => {
  for (const more of [{ NODE_EXTRA_CA_CERTS: '/etc/ssl/canary.pem' }, { NODE_USE_SYSTEM_CA: '1' }]) {
    const { problems, warnings } = examine('serve', { ...SERVE, ...more });
    assert.equal(problems, []);
    assert.is(warnings.length, 1);
    assert.match(warnings[0]!, new RegExp(`^${Object.keys(more)[0]} .*CA_BUNDLE_FILE`));
    assert.not.match(warnings[0]!, 'canary');
    assert.equal(examine('dev', more).warnings, []);
  }
});

test('what changes nothing is let be', () => {
  for (const harmless of [
    { NODE_TLS_REJECT_UNAUTHORIZED: '1' },
    { NODE_USE_SYSTEM_CA: '0' },
    { NODE_EXTRA_CA_CERTS: '' },
    { NODE_ENV: 'development', UV_THREADPOOL_SIZE: '8', NODE_OPTIONS: '--max-old-space-size=512' },
  ]) {
    assert.equal(problemsOf('serve', { ...SERVE, ...harmless }), []);
  }
});

test('a development server, which talks to nobody, starts on a machine that has them', () => {
  assert.equal(problemsOf('dev', REFUSED), []);
});

test('config shows what serve would refuse', () => {
  const { problems } = examine('serve', { ...SERVE, NODE_DEBUG: 'net' });
  assert.equal(namesOf(problems), ['NODE_DEBUG']);
});

test.run();
