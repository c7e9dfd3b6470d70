import { inspect } from 'node:util';
import * as assert from 'uvu/assert';
import { Secret } from '../../src/lib/secret.ts';
import { parseRedisUrl, RedisUrlError } from '../../src/redis/url.ts';
import { suite } from '../support/suite.ts';

const test = suite('the address in REDIS_URL');
const parse = (url: string) => parseRedisUrl(new Secret(url));

test('host alone: the usual port, database 0, no sign-in, no TLS', () => {
  assert.equal(parse('redis://cache.example'), {
    host: 'cache.example',
    port: 6379,
    tls: false,
    db: 0,
    username: null,
    password: null,
  });
});

test('everything given, user and password percent-encoded', () => {
  const address = parse('rediss://us%40er:p%3Aa%2Fs%23s@10.0.0.1:7000/12');
  assert.is(address.host, '10.0.0.1');
  assert.is(address.port, 7000);
  assert.is(address.tls, true);
  assert.is(address.db, 12);
  assert.is(address.username, 'us@er');
  assert.is(address.password?.reveal(), 'p:a/s#s');
});

test('a password without a user, and an IPv6 host', () => {
  const address = parse('redis://:pw@[::1]:6380');
  assert.is(address.host, '::1');
  assert.is(address.username, null);
  assert.is(address.password?.reveal(), 'pw');
});

const REFUSED = {
  'no URL': 'hunter2 at nowhere',
  'a port beyond 65535': 'redis://:hunter2@h:70000',
  'another scheme': 'http://:hunter2@h:6379',
  'no host': 'redis:///hunter2',
  Sentinel: 'redis+sentinel://:hunter2@h1:26379/mymaster/0',
  Cluster: 'redis+cluster://:hunter2@h1:6379',
  'a database that is no number': 'redis://:hunter2@h/main',
  parameters: 'redis://:hunter2@h/0?family=6',
  'a bare hash sign in the password': 'redis://:hunter2#x@h/0',
  'a bare per cent sign in the password': 'redis://:hunter2%@h/0',
};
for (const [what, url] of Object.entries(REFUSED)) {
  test(`refused without repeating the password: ${what}`, () => {
    try {
      parse(url);
    } catch (error) {
      assert.instance(error, RedisUrlError);
      assert.not.match(inspect(error, { showHidden: true, depth: 9 }), 'hunter2');
      return;
    }
    assert.unreachable('accepted');
  });
}

test.run();
