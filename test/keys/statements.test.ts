import { readFile } from 'node:fs/promises';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const test = suite('the statements about keys');
const TENANT_TABLE = /\b(?:tenant_keys|secrets|secret_versions)\b/;
const PARTNER_TABLE = /\bpartner_keys\b/;
// Asks whether anything at all is wrapped, before the first root key is made.
const WHOLE_INSTALLATION = ['key.anything_wrapped'];

async function statements(): Promise<[string, string][]> {
  const source = await readFile(new URL('../../src/keys/repository.ts', import.meta.url), 'utf8');
  const found = [...source.matchAll(/statement\(\s*'([^']+)',\s*(?:`([^`]+)`|'([^']+)')/g)];
  assert.is(found.length, source.match(/= statement\(/g)?.length);
  return found.map((match) => [match[1]!, match[2] ?? match[3]!]);
}

test('none reads or changes a tenant’s keys without naming the tenant', async () => {
  let checked = 0;
  for (const [name, text] of await statements()) {
    if (WHOLE_INSTALLATION.includes(name)) continue;
    if (TENANT_TABLE.test(text)) {
      const filtered = text.startsWith('INSERT') ? /\(tenant_id,/.test(text) : /WHERE tenant_id = \$1\b/.test(text);
      assert.ok(filtered, name);
      checked++;
    }
    if (PARTNER_TABLE.test(text)) {
      assert.match(text, /partner_id = \$\d|\(partner_id,/, name);
      checked++;
    }
  }
  assert.ok(checked >= 8, `${checked} checked`);
});

test.run();
