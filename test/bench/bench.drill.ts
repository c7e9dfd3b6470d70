/** The whole bench in small: it measures everything there is, and leaves nothing behind, interrupted or not. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as assert from 'uvu/assert';
import { MEASURES } from '../../scripts/bench/measures.ts';
import { suite } from '../support/suite.ts';

const test = suite('make bench', { timeoutMs: 240_000 });
const SMALL = ['--rounds', '1', '--seconds', '0.2', '--scale', '0.01', '--connections', '4'];
let out: string;

test.beforeEach(async () => {
  out = await mkdtemp(join(process.env.TEST_TEMP_DIR ?? tmpdir(), 'bench-'));
});
test.afterEach(() => rm(out, { recursive: true }));

/** Starts it from the sources, with a directory of its own for all that is temporary. */
async function bench(...args: string[]) {
  const temporary = join(out, 'tmp');
  await mkdir(temporary, { mode: 0o711 });
  const script = join(import.meta.dirname, '../../scripts/bench/bench.ts');
  const program = ['--program', 'bin/scaivault.ts', '--out', join(out, 'results')];
  const child = spawn(process.execPath, [script, ...SMALL, ...program, ...args], {
    env: { PATH: process.env.PATH, TMPDIR: temporary, TEST_TEMP_DIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const said = { out: '', err: '' };
  child.stdout.on('data', (chunk) => {
    said.out += chunk;
  });
  child.stderr.on('data', (chunk) => {
    said.err += chunk;
  });
  return { child, said, temporary, closed: once(child, 'close') };
}

test('measures everything, and writes a table, a document and a picture', async () => {
  const { child, said, temporary, closed } = await bench('--json');
  await closed;
  assert.is(child.exitCode, 0, said.err);
  const document = JSON.parse(said.out);
  assert.equal(
    document.measures.map(({ name }: { name: string }) => name),
    MEASURES.map(({ name }) => name),
  );
  for (const { name, results } of document.measures) {
    assert.ok(results.now.median > 0, name);
    assert.is(results.now.samples.length, 1, name);
  }
  assert.is(document.machine.fsync, 'on');
  assert.equal(JSON.parse(await readFile(join(out, 'results/bench.json'), 'utf8')), document);
  assert.match(await readFile(join(out, 'results/bench.svg'), 'utf8'), /^<svg /);
  assert.equal(await readdir(temporary), [], 'nothing is left');
});

test('counts what a read costs', async () => {
  const { child, said, closed } = await bench('--only', 'budget', '--json');
  await closed;
  assert.is(child.exitCode, 0, said.err);
  const [alone, together] = JSON.parse(said.out).budget;
  assert.equal([alone.connections, together.connections], [1, 4]);
  assert.is(Math.round(alone.perRead['Redis scripts']), 1, JSON.stringify(alone));
  assert.ok(alone.perRead.createDecipheriv >= 1 && alone.perRead['bytes allocated'] > 0);
});

test('interrupted ends with 130 and leaves nothing', async () => {
  const { child, said, temporary, closed } = await bench('--rounds', '1000');
  while (!said.err.includes('round 1 ') && child.exitCode === null) await sleep(20);
  child.kill('SIGINT');
  await closed;
  assert.is(child.exitCode, 130, said.err);
  assert.equal(await readdir(temporary), []);
});

test.run();
