import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'acorn';
import * as assert from 'uvu/assert';
import { suite } from '../support/suite.ts';

const LAUNCHER = join(import.meta.dirname, '../../scripts/build/launcher.cjs');

/** Starts the launcher under a Node.js that says it is the given version. */
function launchUnder(version: string) {
  const disguise = `Object.defineProperty(process, 'versions', { value: { node: '${version}' } });`;
  const run = spawnSync(process.execPath, ['--import', `data:text/javascript,${disguise}`, LAUNCHER], {
    encoding: 'utf8',
  });
  return { code: run.status, stderr: run.stderr };
}

const test = suite('launcher');

test('it keeps to the syntax that an old Node.js can parse', () => {
  parse(readFileSync(LAUNCHER, 'utf8'), { ecmaVersion: 5, allowHashBang: true });
});

test('an old Node.js is told what is needed and where to get it', () => {
  for (const version of ['12.22.12', '20.20.2', '24.10.9', '23.99.0']) {
    const { code, stderr } = launchUnder(version);
    assert.is(code, 78, version);
    assert.match(stderr, `scaivault needs Node.js 24.11 or newer; this is ${version}`);
    assert.match(stderr, 'nodejs.org');
  }
});

test('a new one goes on to the program', () => {
  for (const version of ['24.11.0', '24.21.0', '25.0.0', '26.1.3']) {
    const { code, stderr } = launchUnder(version);
    // There is no bundle beside the source of the launcher: that it is looked for is what shows the way on.
    assert.is(code, 1, version);
    assert.match(stderr, "Cannot find module './assets/main.js'");
  }
});

test.run();
