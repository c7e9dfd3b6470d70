import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configurationPage, isCurrent } from '../../scripts/build/configuration-docs.ts';
import { SECTIONS, VARIABLE_NAMES } from '../../src/config/variables.ts';

test('docs/configuration.md is what the table makes', () => {
  assert.ok(isCurrent(), 'stale: run node scripts/build/configuration-docs.ts');
});

test('the page has every variable exactly once', () => {
  const rows = configurationPage().match(/^\| `\w+` \|/gm) ?? [];
  assert.equal(rows.map((row) => row.slice(3, -3)).sort(), [...VARIABLE_NAMES].sort());
});

test('every row of the page has the same number of cells', () => {
  const rows = configurationPage()
    .split('\n')
    .filter((line) => line.startsWith('|'));
  for (const row of rows) assert.is(row.replaceAll('\\|', '').split('|').length, 8, row);
});

test('no variable stands in two sections', () => {
  const names = SECTIONS.flatMap(({ variables }) => Object.keys(variables));
  assert.equal(names, [...VARIABLE_NAMES]);
});

test.run();
