import { Command } from 'commander';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addVariableFlags, variableFlags } from '../../commands/flags.ts';
import { FLAG_NAMES, type FlagName, flagOf } from '../../src/config/flags.ts';
import { namesOf, problemsOf, SECRETS, SERVE, serveWith } from './support.ts';

function parse(names: readonly FlagName[], ...args: string[]) {
  const command = addVariableFlags(new Command('serve'), names)
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse(args, { from: 'user' });
  return variableFlags(command, names);
}

test('the flag of a variable is its name in kebab case', () => {
  assert.is(flagOf('DATABASE_POOL_MAX'), '--database-pool-max');
  assert.equal(parse(['DATABASE_POOL_MAX', 'LOG_LEVEL'], '--database-pool-max', '7'), { DATABASE_POOL_MAX: '7' });
});

test('the short forms are --bind and --no-migrate', () => {
  const names = ['BIND_ADDRESS', 'MIGRATE_ON_START'] as const;
  const expected = { BIND_ADDRESS: '[::1]:1', MIGRATE_ON_START: 'false' };
  assert.equal(parse(names, '--bind', '[::1]:1', '--no-migrate'), expected);
  assert.equal(parse(names, '--bind-address', '[::1]:1', '--migrate-on-start', 'false'), expected);
  assert.equal(parse(names), {});
});

test('every flag can be given at once, and each reaches its variable', () => {
  const args = FLAG_NAMES.flatMap((name) => [flagOf(name), name]);
  assert.equal(parse(FLAG_NAMES, ...args), Object.fromEntries(FLAG_NAMES.map((name) => [name, name])));
});

test('secrets have no flag, but for DATABASE_URL', () => {
  const secretFlags = FLAG_NAMES.filter((name) => SECRETS.includes(name));
  assert.equal(secretFlags, ['DATABASE_URL']);
  assert.throws(() => parse(FLAG_NAMES, '--redis-url', 'redis://h'));
});

test('a flag overrides the variable that it names', () => {
  const config = serveWith({ LOG_LEVEL: 'warn' }, { LOG_LEVEL: 'debug', MAX_BODY: '' });
  assert.is(config.LOG_LEVEL, 'debug');
  assert.is(config.sources.LOG_LEVEL, 'flag');
  assert.is(config.sources.MAX_BODY, 'default', 'an empty flag counts as unset');
});

test('a bad flag is a problem like a bad variable', () => {
  assert.equal(namesOf(problemsOf('serve', SERVE, { LOG_LEVEL: 'loud' })), ['LOG_LEVEL']);
});

test('--database-url takes no password, wherever it stands in it', () => {
  const { DATABASE_URL: _, ...env } = SERVE;
  for (const url of ['postgresql://u:pw@h/db', 'postgresql://u@h/db?password=pw', 'postgresql://u:p#w@h:x/db']) {
    const problems = problemsOf('serve', env, { DATABASE_URL: url });
    assert.equal(namesOf(problems), ['DATABASE_URL']);
    assert.match(problems[0]!.problem, /password/);
    assert.not.ok(problems[0]!.problem.includes('pw'));
  }
  assert.equal(problemsOf('serve', env, { DATABASE_URL: 'postgresql://u@h/db' }), []);
});

test.run();
