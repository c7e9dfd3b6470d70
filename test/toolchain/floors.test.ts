import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** The rules that a house made of the given files breaks, as `rule: from`. */
function violations(files: Readonly<Record<string, string>>): string[] {
  const house = mkdtempSync(join(tmpdir(), 'scaivault-floors-'));
  try {
    for (const file of ['package.json', 'tsconfig.json', '.dependency-cruiser.cjs']) {
      cpSync(join(ROOT, file), join(house, file));
    }
    symlinkSync(join(ROOT, 'node_modules'), join(house, 'node_modules'));
    for (const [path, source] of Object.entries(files)) {
      mkdirSync(dirname(join(house, path)), { recursive: true });
      writeFileSync(join(house, path), source);
    }
    const cruiser = join(ROOT, 'node_modules/.bin/depcruise');
    const run = spawnSync(process.execPath, [cruiser, '--config', '.dependency-cruiser.cjs', '-T', 'json', '.'], {
      cwd: house,
      encoding: 'utf8',
    });
    const found: { from: string; rule: { name: string } }[] = JSON.parse(run.stdout).summary.violations;
    return found.map(({ from, rule }) => `${rule.name}: ${from}`).sort();
  } finally {
    rmSync(house, { recursive: true, force: true });
  }
}

const VALUE = 'export const value = 1;\n';
const uses = (...paths: string[]) => `${paths.map((path) => `import '${path}';`).join('\n')}\n${VALUE}`;
const FOUNDATION = {
  'src/lib/a.ts': VALUE,
  'src/contract/a.ts': uses('../lib/a.ts'),
  'src/config/a.ts': uses('../contract/a.ts'),
  'src/postgres/a.ts': uses('../config/a.ts', 'pg'),
  'src/keys/a.ts': uses('../postgres/a.ts'),
  'src/audit/service.ts': uses('../keys/a.ts'),
  'src/audit/repository.ts': VALUE,
  'src/ratelimit/service.ts': uses('../contract/a.ts'),
  'src/policy/service.ts': uses('../audit/service.ts'),
  'src/policy/types.ts': VALUE,
  'src/secrets/service.ts': uses('../policy/service.ts', '../audit/service.ts'),
  'src/http/a.ts': uses('../secrets/service.ts', '../policy/types.ts', '../ratelimit/service.ts'),
  'commands/serve.ts': uses('../src/http/a.ts'),
  'bin/scaivault.ts': uses('../commands/serve.ts', 'commander'),
};

const test = suite('floors of the house', { timeoutMs: 60_000 });

test('a house in order breaks no rule', () => {
  assert.equal(violations(FOUNDATION), []);
});

test('each way to break the order is found', () => {
  const broken = {
    ...FOUNDATION,
    'src/lib/up.ts': uses('../contract/a.ts'),
    'src/contract/up.ts': uses('../config/a.ts'),
    'src/config/up.ts': uses('../postgres/a.ts'),
    'src/postgres/up.ts': uses('../keys/a.ts'),
    'src/keys/up.ts': uses('../audit/service.ts'),
    'src/audit/up.ts': uses('../http/a.ts'),
    'src/http/up.ts': uses('../../commands/serve.ts'),
    'commands/up.ts': uses('../bin/scaivault.ts'),
    'src/redis/across.ts': uses('../postgres/a.ts'),
    'src/audit/across.ts': uses('../policy/service.ts'),
    'src/secrets/across.ts': uses('../ratelimit/service.ts'),
    'src/secrets/repository-of-another.ts': uses('../audit/repository.ts'),
    'src/cellar/a.ts': VALUE,
    'src/http/cellar.ts': uses('../cellar/a.ts'),
    'src/http/pg.ts': uses('pg'),
    'src/http/redis.ts': uses('ioredis'),
    'src/policy/jose.ts': uses('jose'),
    'commands/pglite.ts': uses('@electric-sql/pglite'),
    'src/lib/one.ts': "import type { Two } from './two.ts';\nexport type One = Two;\n",
    'src/lib/two.ts': "import type { One } from './one.ts';\nexport type Two = One | 2;\n",
    'src/lib/lost.ts': uses('./nowhere.ts'),
    'src/lib/uvu.ts': uses('uvu'),
    'test/support/a.ts': VALUE,
    'src/lib/test.ts': uses('../../test/support/a.ts'),
  };
  assert.equal(violations(broken), [
    'known-rooms-only: src/http/cellar.ts',
    'no-circles: src/lib/one.ts',
    'no-development-packages: src/lib/uvu.ts',
    'no-test-code: src/lib/test.ts',
    'no-unresolvable: src/lib/lost.ts',
    'no-way-across-from-audit: src/audit/across.ts',
    'no-way-across-from-redis: src/redis/across.ts',
    'no-way-across-from-secrets: src/secrets/across.ts',
    'no-way-up-from-commands: commands/up.ts',
    'no-way-up-from-config: src/config/up.ts',
    'no-way-up-from-contract: src/contract/up.ts',
    'no-way-up-from-http: src/http/up.ts',
    'no-way-up-from-keys: src/keys/up.ts',
    'no-way-up-from-kms: src/postgres/up.ts',
    'no-way-up-from-lib: src/lib/up.ts',
    'no-way-up-from-secrets: src/audit/up.ts',
    'package-electric-sql-pglite: commands/pglite.ts',
    'package-ioredis: src/http/redis.ts',
    'package-jose: src/policy/jose.ts',
    'package-pg: src/http/pg.ts',
    'services-only: src/secrets/repository-of-another.ts',
  ]);
});

test.run();
