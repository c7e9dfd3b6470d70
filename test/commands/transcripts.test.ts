/** What a person sees who tries the program: one test a transcript. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { run } from '../support/scaivault.ts';
import { suite } from '../support/suite.ts';

const test = suite('scaivault');
// Colours are for terminals, and here is none; NO_COLOR and FORCE_COLOR change nothing.
const COLOUR = '\u001b[';

test('--version', async () => {
  const { version } = JSON.parse(await readFile(join(import.meta.dirname, '../../package.json'), 'utf8'));
  for (const flag of ['--version', '-V']) {
    assert.equal(await run([flag]), { code: 0, signal: null, stdout: `${version}\n`, stderr: '' });
  }
});

test('--version --json says what it was built with', async () => {
  const { code, stdout } = await run(['--version', '--json']);
  assert.is(code, 0);
  const { version, packaging, node, pkcs11, ...more } = JSON.parse(stdout);
  assert.match(version, /^\d+\.\d+\.\d+$/);
  assert.equal({ packaging, node, more }, { packaging: 'sources', node: process.versions.node, more: {} });
  assert.type(pkcs11, 'boolean');
});

test('--help lists the commands, with examples', async () => {
  for (const args of [['--help'], ['-h'], ['help']]) {
    const { code, stdout, stderr } = await run(args, { FORCE_COLOR: '1' });
    assert.is(code, 0);
    assert.is(stderr, '');
    for (const command of ['serve', 'migrate', 'config', 'healthcheck']) {
      assert.match(stdout, new RegExp(`^ {2}${command} `, 'm'));
    }
    assert.match(stdout, '\nExamples:\n  scaivault serve --dev ');
    assert.not.match(stdout, COLOUR);
  }
});

test('without arguments shows the same, as a mistake', async () => {
  const { code, stdout, stderr } = await run([]);
  assert.is(code, 64);
  assert.is(stdout, '');
  assert.match(stderr, /^Usage: scaivault /);
});

test('every command has a help with its exit codes and examples', async () => {
  for (const command of ['serve', 'migrate', 'config', 'healthcheck', 'selftest']) {
    const long = await run([command, '--help']);
    assert.is(long.code, 0);
    assert.is(long.stderr, '');
    assert.match(long.stdout, `Usage: scaivault ${command} [options]`);
    assert.match(long.stdout, /\nExit codes:\n {2}0 {3}\S/);
    assert.match(long.stdout, new RegExp(`\\nExamples:\\n {2}.*scaivault ${command}`));
    assert.not.match(long.stdout, '(default: false)');
    assert.equal(await run(['help', command]), long);
  }
});

test('an unknown command or flag is a mistake, with the way on', async () => {
  for (const [args, said] of [
    [['serv'], /unknown command 'serv'\n\(Did you mean serve\?\)\nscaivault --help lists the commands\.\n$/],
    [['bootstrap'], /unknown command 'bootstrap'\nscaivault --help lists the commands\.\n$/],
    [['--verbose'], /unknown option '--verbose'\nscaivault --help lists the commands\.\n$/],
    [['serve', '--nope'], /unknown option '--nope'\nscaivault serve --help shows how\.\n$/],
    [['serve', 'extra'], /too many arguments.*\nscaivault serve --help shows how\.\n$/],
    [['serve', '--bind'], /'--bind, --bind-address <value>' argument missing\nscaivault serve --help shows how\.\n$/],
    [
      ['migrate', '--stauts'],
      /unknown option '--stauts'\n\(Did you mean --status\?\)\nscaivault migrate --help shows how\.\n$/,
    ],
    [['config', '--database-url-read', 'x'], /unknown option '--database-url-read'/],
    [['help', 'nope'], /Usage: scaivault/],
  ] as const) {
    const { code, stdout, stderr } = await run(args);
    assert.is(code, 64, args.join(' '));
    assert.is(stdout, '');
    assert.match(stderr, said);
    assert.not.match(stderr, COLOUR);
  }
});

test('serve takes flags of --dev with --dev only', async () => {
  for (const flags of [['--ephemeral'], ['--data', 'somewhere'], ['--data', 'somewhere', '--ephemeral']]) {
    const { code, stderr } = await run(['serve', ...flags]);
    assert.is(code, 64, flags.join(' '));
    assert.match(stderr, /--(data|ephemeral).* means something together with --dev only\. A production server keeps/);
  }
});

test('nothing waits for an answer', async () => {
  // Standard input is closed; each of these ends by itself.
  for (const args of [
    ['config'],
    ['migrate'],
    ['serve'],
    ['migrate', '--database-url', 'postgresql://a@127.0.0.1:1/b'],
  ]) {
    assert.ok([69, 78].includes((await run(args)).code ?? 0), args.join(' '));
  }
});

test.run();
