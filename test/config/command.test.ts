import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { configCommand } from '../../commands/config.ts';
import { failure, reportConfigError, withConfigErrors } from '../../commands/output.ts';
import type { Environment } from '../../src/config/environment.ts';
import { ConfigError, problemWith } from '../../src/config/problems.ts';
import { VARIABLE_NAMES } from '../../src/config/variables.ts';
import { VERSION } from '../../src/lib/version.ts';
import { recorder, SERVE } from './support.ts';

async function run(env: Environment, ...args: string[]) {
  const { seen, output } = recorder();
  await configCommand(env, output).parseAsync(args, { from: 'user' });
  return seen;
}

/** The columns of the line of one variable. */
function line(out: string, name: string): readonly string[] | undefined {
  const columns = out.split('\n').map((text) => text.split(/ {2,}/));
  return columns.find(([first]) => first === name);
}

test('shows each value and where it came from, and exits 0 when serve could start', async () => {
  const { out, err, exitCode } = await run(SERVE, '--log-level', 'debug');
  assert.equal(line(out, 'DATABASE_URL'), ['DATABASE_URL', '********', 'environment']);
  assert.equal(line(out, 'BASE_URL'), ['BASE_URL', 'https://vault.example.com', 'environment']);
  assert.equal(line(out, 'LOG_LEVEL'), ['LOG_LEVEL', 'debug', 'flag']);
  assert.equal(line(out, 'MAX_BODY'), ['MAX_BODY', '1MiB', 'default']);
  assert.is(line(out, 'TRUSTED_PROXIES'), undefined);
  assert.is(err, '');
  assert.is(exitCode, 0);
});

test('--all lists every variable', async () => {
  const { out } = await run(SERVE, '--all');
  assert.equal(line(out, 'TRUSTED_PROXIES'), ['TRUSTED_PROXIES', '-', 'unset']);
  assert.is(out.trimEnd().split('\n').length, VARIABLE_NAMES.length + 1);
});

test('prints every problem, one a line with an example, and exits 78', async () => {
  const { out, err, exitCode } = await run({ LOG_LEVEL: 'loud', KMS_PROVDIER: 'aws' });
  assert.equal(line(out, 'LOG_LEVEL'), ['LOG_LEVEL', '(not valid)', 'environment']);
  assert.match(err, /^ {2}LOG_LEVEL: must be one of info, debug, warn, error\. Example: LOG_LEVEL=info$/m);
  assert.match(err, /^ {2}DATABASE_URL: is not set, and serve needs it\. Example: DATABASE_URL=postgresql:/m);
  assert.match(err, /Did you mean KMS_PROVIDER\?/);
  assert.is(exitCode, 78);
});

test('--json prints one document with the common members', async () => {
  const { out, err, exitCode } = await run(SERVE, '--json');
  const { values, ...rest } = JSON.parse(out);
  assert.equal(rest, {
    command: 'config',
    ok: true,
    status: 'passed',
    exit_code: 0,
    started_at: '2023-11-14T22:13:20.000Z',
    duration_ms: 0,
    version: VERSION,
    problems: [],
    warnings: [],
  });
  assert.equal(values.DATABASE_URL, { value: '********', source: 'environment' });
  assert.is(values.TRUSTED_PROXIES, undefined);
  assert.is(err, '');
  assert.is(exitCode, 0);
});

test('--json tells problems and warnings as data', async () => {
  const { out, exitCode } = await run({ ...SERVE, BASE_URL: 'x', KMS_FOO: '1' }, '--json', '--all');
  const document = JSON.parse(out);
  assert.is(document.status, 'failed');
  assert.is(document.ok, false);
  assert.equal(document.values.BASE_URL, { value: null, source: 'environment' });
  assert.equal(document.problems, [
    {
      variable: 'BASE_URL',
      problem: 'must be a URL that begins with https:// or http://',
      example: 'https://vault.example.com',
    },
  ]);
  assert.is(document.warnings.length, 1);
  assert.is(exitCode, 78);
  assert.is(JSON.parse((await run({ ...SERVE, KMS_FOO: '1' }, '--json')).out).status, 'warnings');
});

test('a value with line breaks stays on one line', async () => {
  const { out } = await run({ ...SERVE, SCAIKEY_SCOPE_MAP: '{\n  "a":\t"admin"\n}' });
  assert.equal(line(out, 'SCAIKEY_SCOPE_MAP'), ['SCAIKEY_SCOPE_MAP', '{ "a": "admin" }', 'environment']);
});

test('help has examples and exit codes, and not a hundred flags', () => {
  const command = configCommand({}, recorder().output);
  let help = '';
  command.configureOutput({ writeOut: (text) => (help += text) });
  command.outputHelp();
  assert.match(help, /Examples:\n {2}scaivault config\n/);
  assert.match(help, /78/);
  assert.not.match(help, /--database-pool-max/);
});

test('any command reports a bad configuration alike: one problem a line, exit 78', async () => {
  const error = new ConfigError([problemWith('BASE_URL', 'is not set'), problemWith('LOG_LEVEL', 'is loud')]);
  const { seen, output } = recorder();
  await withConfigErrors(output, false, () => {
    throw error;
  });
  assert.is(
    seen.err,
    'BASE_URL: is not set. Example: BASE_URL=https://vault.example.com\nLOG_LEVEL: is loud. Example: LOG_LEVEL=info\n',
  );
  assert.is(seen.out, '');
  assert.is(seen.exitCode, 78);
  reportConfigError(error, output, true);
  const hint = 'Correct the variables, then look at the result with: scaivault config';
  assert.equal(JSON.parse(seen.out), failure('configuration', error.message, hint));
});

test('what is not a bad configuration is thrown on', async () => {
  try {
    await withConfigErrors(recorder().output, true, () => Promise.reject(new Error('else')));
    assert.unreachable();
  } catch (error) {
    assert.is((error as Error).message, 'else');
  }
});

test('as a process it reads its own environment and writes plain text', () => {
  const script = `const { configCommand } = await import(${JSON.stringify(new URL('../../commands/config.ts', import.meta.url).href)});
    await configCommand().parseAsync(['--json'], { from: 'user' });`;
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...SERVE, BASE_URL: '', NO_COLOR: '1' },
    encoding: 'utf8',
  });
  assert.is(status, 78, stderr);
  assert.equal(
    JSON.parse(stdout).problems.map((problem: { variable: string }) => problem.variable),
    ['BASE_URL'],
  );
  assert.not.ok(stdout.includes('\u001b'));
});

test.run();
