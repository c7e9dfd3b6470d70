import { spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { stripElf } from '../../scripts/build/strip.ts';
import { suite } from '../support/suite.ts';

const test = suite('stripping');

test('a stripped Node.js is smaller and runs as before', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-strip-'));
  try {
    const whole = await readFile(process.execPath);
    const stripped = stripElf(whole);
    assert.ok(stripped.length < whole.length, `${whole.length} -> ${stripped.length}`);
    const path = join(directory, 'node');
    await writeFile(path, stripped, { mode: 0o755 });
    const { stdout } = spawnSync(path, ['-p', 'process.version'], { encoding: 'utf8' });
    assert.is(stdout.trim(), process.version);
    assert.ok(stripElf(stripped).equals(stripped), 'and there is nothing more to strip');
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('what is no such file is refused', () => {
  for (const bytes of ['#!/bin/sh\necho'.padEnd(64), '\u007fELF\u0001\u0001'.padEnd(64)]) {
    assert.throws(() => stripElf(Buffer.from(bytes)), 'not a 64-bit ELF file');
  }
});

test.run();
