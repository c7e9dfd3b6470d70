/**
 * Does what the README says, in a copy of the repository as a clone would give it: its first block starts the server,
 * the blocks after it are run in one shell, Ctrl-C ends the server.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { runProgram, startProgram, untilEnd, untilReady } from './program.ts';
import { testedBlocks } from './readme-blocks.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FIRST_COMMAND = 'make run';
const URL_OF_README = 'http://127.0.0.1:8443';
const READY_LIMIT_MS = 60_000;

const [first, ...others] = testedBlocks(await readFile(join(ROOT, 'README.md'), 'utf8'));
assert.equal(first?.trim(), FIRST_COMMAND, `README.md: the first tested block is \`${FIRST_COMMAND}\` alone`);
assert.ok(others.length > 0, 'README.md: after the first tested block come those that use the server');
const taken = await fetch(`${URL_OF_README}/v1/health`).then(
  () => true,
  () => false,
);
assert.ok(!taken, `${URL_OF_README} is in use: stop the server there and try again`);

const directory = await mkdtemp(join(tmpdir(), 'scaivault-readme-'));
const env = { PATH: process.env.PATH, HOME: process.env.HOME, LANG: process.env.LANG };
try {
  await copyRepository(directory);
  const server = startProgram('make', ['run'], directory, env);
  await untilReady(server, URL_OF_README, READY_LIMIT_MS);
  const script = others.join('\n');
  const { code, output } = await runProgram('sh', ['-euc', script], directory, env);
  assert.equal(code, 0, `README.md: a command failed:\n${output}`);
  assert.doesNotMatch(output, /"error":/, `README.md: a request was refused:\n${output}`);
  server.signal('SIGINT');
  const end = await untilEnd(server, 10_000);
  assert.doesNotMatch(end.output, /\*\*\*/, `\`make run\` did not end cleanly:\n${end.output}`);
  process.stdout.write(`readme: ok, ${others.length + 1} blocks\n`);
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

/** The files that a commit of the present state would hold. The packages are lent, to save their installation. */
async function copyRepository(target: string): Promise<void> {
  const list = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: ROOT });
  for (const path of list.toString().split('\0')) {
    if (path === '' || !existsSync(join(ROOT, path))) continue;
    // With their times, or make would take the lent packages for outdated.
    await cp(join(ROOT, path), join(target, path), { preserveTimestamps: true });
  }
  await symlink(join(ROOT, 'node_modules'), join(target, 'node_modules'));
}
