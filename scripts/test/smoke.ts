/** Tries what `make build` made as a user would: from another directory, with nothing but `dist/` and a Node.js. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cp, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { runProgram, startProgram, untilEnd, untilReady } from './program.ts';
import { freePort } from './servers/instance.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const SYSTEM_NODES = ['/usr/bin/node', '/usr/local/bin/node'];
const READY_LIMIT_MS = 60_000;

const directory = await mkdtemp(join(tmpdir(), 'scaivault-smoke-'));
const env = { PATH: process.env.PATH, HOME: directory };
// Away from the repository, so that nothing in `node_modules/` can stand in for something missing from the bundle.
const program = join(directory, 'dist/scaivault.js');
const scaivault = (...args: string[]) => runProgram(process.execPath, [program, ...args], directory, env);

const checks: Readonly<Record<string, () => Promise<unknown>>> = {
  async '--version prints the version'() {
    const { version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    const started = performance.now();
    const { code, output } = await scaivault('--version');
    assert.equal(code, 0, output);
    assert.match(output, new RegExp(`^(scaivault )?${version.replaceAll('.', '\\.')}\n$`));
    // Shown and not judged: a busy machine is no defect.
    return `${(performance.now() - started).toFixed(0)} ms`;
  },
  async '--help lists the commands'() {
    const { code, output } = await scaivault('--help');
    assert.equal(code, 0, output);
    for (const command of ['serve', 'migrate', 'config']) assert.match(output, new RegExp(`\\b${command}\\b`));
  },
  async 'an unknown command is a usage error'() {
    const { code, output } = await scaivault('no-such-command');
    assert.equal(code, 64, output);
    assert.match(output, /no-such-command/);
  },
  async 'config answers without any configuration'() {
    const { output } = await scaivault('config');
    assert.match(output, /DATABASE_URL/);
  },
  async 'serve without configuration lists all that is missing'() {
    const { code, output } = await scaivault('serve');
    assert.equal(code, 78, output);
    for (const variable of ['DATABASE_URL', 'SCAIKEY_URL', 'BASE_URL']) assert.match(output, new RegExp(variable));
  },
  async 'serve --dev keeps a secret, and ends on SIGTERM'() {
    const url = `http://127.0.0.1:${await freePort()}`;
    const args = [program, 'serve', '--dev', '--ephemeral', '--bind', new URL(url).host];
    const server = startProgram(process.execPath, args, directory, env);
    const started = performance.now();
    await untilReady(server, url, READY_LIMIT_MS);
    const ready = performance.now() - started;
    // The banner names the file with the token, never the token itself.
    const file = /\S*dev\.env/.exec(server.output())?.[0];
    assert.ok(file !== undefined, `the banner names no dev.env:\n${server.output()}`);
    const lines = await readFile(resolve(directory, file), 'utf8');
    const token = /SCAIVAULT_TOKEN=['"]?([^'"\s]+)/.exec(lines)?.[1];
    assert.match(lines, new RegExp(`SCAIVAULT_URL=['"]?${url}`));
    assert.ok(token !== undefined && !server.output().includes(token));
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const address = `${url}/v1/secrets/smoke/first`;
    const put = await fetch(address, { method: 'PUT', headers, body: '{"data":{"password":"kept"}}' });
    assert.equal(put.status, 201, await put.text());
    const got = await fetch(address, { headers });
    const answer = await got.text();
    assert.equal(got.status, 200, answer);
    assert.deepEqual(JSON.parse(answer).data, { password: 'kept' });
    server.signal('SIGTERM');
    const { code, output } = await untilEnd(server, 10_000);
    assert.equal(code, 0, output);
    return `ready after ${ready.toFixed(0)} ms`;
  },
  async 'an old Node.js is told what is needed'() {
    const old = SYSTEM_NODES.find(isTooOld);
    if (old === undefined) return 'no old Node.js here to try it with';
    const { code, output } = await runProgram(old, [program, '--version'], directory, env);
    assert.equal(code, 78, output);
    assert.match(output, /needs Node\.js 24\.11 or newer/);
    return old;
  },
};

try {
  await cp(join(ROOT, 'dist'), join(directory, 'dist'), { recursive: true });
  for (const [name, check] of Object.entries(checks)) {
    const remark = await check().catch((error) => {
      process.stdout.write(`smoke: FAIL ${name}\n`);
      throw error;
    });
    process.stdout.write(`smoke: ok ${name}${remark === undefined ? '' : ` (${remark})`}\n`);
  }
} finally {
  await rm(directory, { recursive: true, force: true, maxRetries: 5 });
}

function isTooOld(node: string): boolean {
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const [major = 0, minor = 0] = (stdout ?? '').slice(1).split('.').map(Number);
  return status === 0 && (major < 24 || (major === 24 && minor < 11));
}
