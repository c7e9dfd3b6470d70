import { inspect } from 'node:util';
import fc from 'fast-check';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configCommand } from '../../commands/config.ts';
import { reportConfigError } from '../../commands/output.ts';
import { examine, loadConfig } from '../../src/config/load.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { VARIABLE_NAMES, type VariableName } from '../../src/config/variables.ts';
import { recorder, SECRETS, SERVE, serveWith, withFile } from './support.ts';

const CANARY = 'canary7f3a';

/** Spellings in which a secret may reach us, right and wrong ones. */
const SHAPES = [
  CANARY,
  ` ${CANARY}`,
  `${CANARY}\n${CANARY}`,
  `${CANARY}-long-enough-for-everything`,
  `postgresql://u:${CANARY}@h/db`,
  `postgresql://u:${CANARY}@h/db?sslmode=${CANARY}`,
  `postgresql://u:${CANARY}#@h/db`,
  `postgresql://u:${CANARY}%zz@h/db`,
  `postgresql://h:${CANARY}/db`,
  `postgresql://h/db?password=${CANARY}`,
  `redis://u:${CANARY}@h:6379/0`,
  `redis://u:${CANARY}/x@h:6379/0`,
  `redis+sentinel://u:${CANARY}@h:1,h:2/m/0`,
  `redis+sentinel://u:${CANARY}@h:1`,
  `https://u:${CANARY}@h`,
  `https://u:${CANARY}@h:99999`,
  `{"a": ${CANARY}`,
  `{"a": "${CANARY}"}`,
  `10.0.0.0/8,${CANARY}`,
];

/** All that can be seen of a configuration from outside. */
async function everythingShown(env: Record<string, string | undefined>): Promise<string> {
  const { seen, output } = recorder();
  await configCommand(env, output).parseAsync(['--all'], { from: 'user' });
  await configCommand(env, output).parseAsync(['--all', '--json'], { from: 'user' });
  const examination = examine('serve', env);
  const parts: unknown[] = [examination, ...examination.settings.all];
  try {
    const config = loadConfig('serve', env);
    parts.push(config, `${config.DATABASE_URL} ${config.REDIS_URL}`);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    parts.push(error, error.stack, error.message);
    reportConfigError(error, output, true);
  }
  const texts = parts.map((part) => inspect(part, { depth: 20, showHidden: true }) + JSON.stringify(part));
  return texts.join() + seen.out + seen.err;
}

test('no secret is seen, whatever its shape', async () => {
  for (const shape of SHAPES) {
    for (const name of SECRETS) {
      const shown = await everythingShown({ ...SERVE, [name]: shape });
      assert.not.ok(shown.includes(CANARY), `${name} as ${shape}`);
    }
  }
});

test('no secret from a file is seen, and neither is one given where the path belongs', async () => {
  for (const name of SECRETS) {
    const { [name]: _, ...env } = SERVE;
    const fromFile = withFile(`${CANARY}\n`, (path) => everythingShown({ ...env, [`${name}_FILE`]: path }));
    assert.not.ok((await fromFile).includes(CANARY), name);
    assert.not.ok((await everythingShown({ ...env, [`${name}_FILE`]: CANARY })).includes(CANARY), name);
  }
});

test('no problem quotes the value of any variable: a secret is easily pasted into the wrong one', () => {
  for (const name of VARIABLE_NAMES) {
    for (const shape of SHAPES) {
      const { problems, warnings } = examine('serve', { ...SERVE, [name]: shape });
      assert.not.ok(JSON.stringify([problems, warnings]).includes(CANARY), `${name} as ${shape}`);
    }
  }
});

test('the password of a URL is not seen in a variable that is not secret', async () => {
  const urls: VariableName[] = VARIABLE_NAMES.filter(
    (name) => !SECRETS.includes(name) && /_URL$|_ENDPOINT$|_ADDR$/.test(name),
  );
  assert.ok(urls.length > 5);
  for (const name of urls) {
    const shown = await everythingShown({ ...SERVE, [name]: `https://u:${CANARY}@h` });
    assert.not.ok(shown.includes(CANARY), name);
  }
});

test('no part of a random wrong secret stands in a problem', () => {
  // Long enough not to stand in our own sentences by chance; blanks alone might.
  const text = fc.string({ minLength: 12, unit: 'grapheme-ascii' }).filter((secret) => secret.trim().length > 6);
  fc.assert(
    fc.property(
      fc.constantFrom(...SECRETS),
      text,
      fc.constantFrom('', 'postgresql://u:', 'redis://:'),
      (name, secret, before) => {
        const { problems } = examine('config', { [name]: before + secret });
        return problems.every(({ problem, example }) => !problem.includes(secret) && !example.includes(secret));
      },
    ),
    { numRuns: 300 },
  );
});

test('the secrets are those of the specification, and the proxy, whose URL may hold a password', () => {
  const bare = SECRETS.filter((name) => !name.endsWith('_SECONDARY')).sort();
  assert.equal(bare, [
    'DATABASE_MIGRATE_URL',
    'DATABASE_URL',
    'DATABASE_URL_READ',
    'HTTPS_PROXY',
    'OBJECT_STORAGE_SECRET_ACCESS_KEY',
    'PKCS11_PIN',
    'REDIS_SENTINEL_PASSWORD',
    'REDIS_URL',
    'SCAIKEY_CLIENT_SECRET',
    'SCAIKEY_WEBHOOK_SECRET',
    'SCAIVAULT_TOKEN',
    'VAULT_SECRET_ID',
    'VAULT_TOKEN',
  ]);
});

test('who needs a secret gets it by asking', () => {
  const config = serveWith({ DATABASE_URL_READ: 'postgresql://a/db, postgresql://b/db' });
  assert.is(config.DATABASE_URL.reveal(), SERVE.DATABASE_URL);
  assert.equal(config.DATABASE_URL_READ?.reveal(), ['postgresql://a/db', 'postgresql://b/db']);
});

test.run();
