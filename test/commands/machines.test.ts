/** What a program sees that runs the program: one JSON document, exit codes, pipes. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Command } from 'commander';
import * as assert from 'uvu/assert';
import { runProgram } from '../../commands/run.ts';
import type { ExitCode } from '../../src/contract/exit-codes.ts';
import { run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';

const test = suite('for a machine');
const ENTRY = join(import.meta.dirname, '../../bin/scaivault.ts');
const NOWHERE = 'postgresql://scaivault:canary-password@127.0.0.1:1/none';

/** The one document on stdout. */
function document(stdout: string) {
  assert.match(stdout, /^\{.*\}\n$/, 'one line, one document');
  return JSON.parse(stdout);
}

test('--json gives one document, also for a failure', async () => {
  for (const [args, env, code, error] of [
    [['config', '--json'], {}, 78, null],
    [['migrate', '--json'], {}, 78, 'configuration'],
    [['migrate', '--json'], { DATABASE_URL: NOWHERE }, 69, 'database_unavailable'],
    [['migrate', '--status', '--json'], { DATABASE_URL: NOWHERE }, 69, 'database_unavailable'],
    [['migrate', '--json', '--nope'], {}, 64, 'usage'],
    [['config', '--json', 'extra'], {}, 64, 'usage'],
  ] as const) {
    const end = await run(args, env);
    assert.is(end.code, code, args.join(' '));
    const { ok, error: told } = document(end.stdout);
    assert.is(ok, false);
    if (error === null) continue;
    assert.is(told.code, error);
    assert.type(told.message, 'string');
    assert.ok(told.hint !== '', 'with a hint');
    assert.not.match(end.stdout + end.stderr, 'canary');
    assert.ok(end.stderr !== '', 'and for people on stderr');
  }
});

/** Runs the program with a reader that goes away, or a disk that is full. */
async function into(shell: string) {
  const child = spawn('sh', ['-c', shell.replaceAll('SCAIVAULT', `"${process.execPath}" "${ENTRY}"`)], {
    env: { PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'close');
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  await ended;
  return { stdout, stderr };
}

test('a reader that goes away is met without a word', async () => {
  for (const command of ['config --all', 'config --json --all', '--help', '--version']) {
    const { stderr } = await into(`(SCAIVAULT ${command}; echo "code $?" >&2) | true`);
    assert.not.match(stderr, /EPIPE|\n\s+at /);
    assert.match(stderr, /code (0|78)\n$/);
  }
  const { stdout } = await into('SCAIVAULT config --all 2>/dev/null | head -1');
  assert.match(stdout, /^VARIABLE +VALUE +SOURCE\n$/);
});

test('a full disk is told in one line', async () => {
  if (!existsSync('/dev/full')) return;
  const { stderr } = await into('SCAIVAULT config --json >/dev/full; echo "code $?" >&2');
  assert.match(stderr, /^scaivault: cannot write its output: ENOSPC.*\ncode 1\n$/);
});

/** Runs a command that has a defect. */
async function defective(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const seen = { out: '', err: '', code: 0 as ExitCode };
  const output = {
    out: (written: string) => {
      seen.out += written;
    },
    err: (written: string) => {
      seen.err += written;
    },
    exit: (code: ExitCode) => {
      seen.code = code;
    },
    nowMs: () => 0,
  };
  const command = new Command('break').option('--json').action(() => {
    throw new TypeError('x is not\na function');
  });
  const before = { argv: process.argv, level: process.env.LOG_LEVEL };
  process.argv = [process.execPath, 'scaivault', 'break', ...args];
  Object.assign(process.env, env);
  try {
    await runProgram(new Command('scaivault').addCommand(command), output);
  } finally {
    process.argv = before.argv;
    if (before.level === undefined) delete process.env.LOG_LEVEL;
    else process.env.LOG_LEVEL = before.level;
  }
  return seen;
}

test('a defect is one readable line and what to do with it, exit 1', async () => {
  const { err, out, code } = await defective([]);
  assert.is(code, 1);
  assert.is(out, '');
  const [line, hint, ...rest] = err.trimEnd().split('\n');
  assert.is(line, 'scaivault: unexpected error: TypeError: x is not a function');
  assert.match(hint!, /^This is a defect of ScaiVault \d+\.\d+\.\d+\. Please report it .* LOG_LEVEL=debug shows where/);
  assert.equal(rest, []);
});

test('a defect shows its stack with LOG_LEVEL=debug only', async () => {
  assert.match((await defective([], { LOG_LEVEL: 'debug' })).err, /\n\s+at .*machines\.test\.ts/);
  assert.not.match((await defective([])).err, /\n\s+at /);
});

test('a defect under --json is one document', async () => {
  const { out, code } = await defective(['--json']);
  assert.is(code, 1);
  const { ok, error } = document(out);
  assert.is(ok, false);
  assert.is(error.code, 'internal_error');
});

test.run();
