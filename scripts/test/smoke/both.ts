/** What both artefacts must be able to do. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { untilEnd, untilReady } from '../program.ts';
import { freePort } from '../servers/instance.ts';
import { type Artefact, type Check, run, start } from './artefact.ts';

const MANIFEST = resolve(import.meta.dirname, '../../../package.json');
const READY_LIMIT_MS = 60_000;

/** The time is shown and not judged: a busy machine is no defect. */
async function timed(artefact: Artefact, args: readonly string[]) {
  const started = performance.now();
  const end = await run(artefact, args);
  return { ...end, took: `${(performance.now() - started).toFixed(0)} ms` };
}

async function keepsASecret(url: string, token: string): Promise<void> {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const address = `${url}/v1/secrets/smoke/first`;
  const put = await fetch(address, { method: 'PUT', headers, body: '{"data":{"password":"kept"}}' });
  assert.equal(put.status, 201, await put.text());
  const got = await fetch(address, { headers });
  const answer = await got.text();
  assert.equal(got.status, 200, answer);
  assert.deepEqual(JSON.parse(answer).data, { password: 'kept' });
}

export const CHECKS: Readonly<Record<string, Check>> = {
  async '--version prints the version'(artefact) {
    const { version } = JSON.parse(await readFile(MANIFEST, 'utf8'));
    const { code, output, took } = await timed(artefact, ['--version']);
    assert.equal(code, 0, output);
    assert.equal(output, `${version}\n`);
    const { packaging, pkcs11 } = JSON.parse((await run(artefact, ['--version', '--json'])).output);
    assert.equal(packaging, artefact.before.length === 0 ? 'executable' : 'bundle');
    return pkcs11 ? took : `${took}, without PKCS#11`;
  },
  async '--help lists the commands'(artefact) {
    const { code, output } = await run(artefact, ['--help']);
    assert.equal(code, 0, output);
    for (const command of ['serve', 'migrate', 'config', 'healthcheck']) {
      assert.match(output, new RegExp(`^ {2}${command} `, 'm'));
    }
    return undefined;
  },
  async 'an unknown command is a usage error'(artefact) {
    const { code, output } = await run(artefact, ['no-such-command']);
    assert.equal(code, 64, output);
    assert.match(output, /no-such-command/);
    return undefined;
  },
  async 'config answers without any configuration'(artefact) {
    assert.match((await run(artefact, ['config'])).output, /DATABASE_URL/);
    return undefined;
  },
  async 'serve without configuration lists all that is missing'(artefact) {
    const { code, output } = await run(artefact, ['serve']);
    assert.equal(code, 78, output);
    for (const variable of ['DATABASE_URL', 'SCAIKEY_URL', 'BASE_URL']) assert.match(output, new RegExp(variable));
    return undefined;
  },
  async 'healthcheck says that nothing is there'(artefact) {
    const { code, output, took } = await timed(artefact, ['healthcheck', '--bind', `127.0.0.1:${await freePort()}`]);
    assert.equal(code, 1, output);
    assert.match(output, /nothing listens there/);
    return took;
  },
  async 'all that it carries works: migrations, addon, threads, processes'(artefact) {
    const { code, output } = await run(artefact, ['selftest', '--json']);
    assert.equal(code, 0, output);
    const { checks } = JSON.parse(output) as { checks: { id: string; status: string }[] };
    assert.deepEqual(
      checks.map(({ id }) => id),
      ['migrations', 'embedded_database', 'pkcs11', 'worker_thread', 'cluster'],
    );
    const left = checks.filter(({ status }) => status !== 'pass').map(({ id }) => id);
    assert.ok(
      left.every((id) => id === 'pkcs11'),
      output,
    );
    return left.length === 0 ? undefined : 'no PKCS#11 in this build';
  },
  async 'serve --dev keeps a secret, is healthy, and ends on SIGTERM'(artefact) {
    const url = `http://127.0.0.1:${await freePort()}`;
    const bind = new URL(url).host;
    const server = start(artefact, ['serve', '--dev', '--ephemeral', '--bind', bind]);
    const started = performance.now();
    await untilReady(server, url, READY_LIMIT_MS);
    const ready = performance.now() - started;
    // The banner names the file with the token, never the token itself.
    const file = /\S*dev\.env/.exec(server.output())?.[0];
    assert.ok(file !== undefined, `the banner names no dev.env:\n${server.output()}`);
    const lines = await readFile(resolve(artefact.directory, file), 'utf8');
    const token = /SCAIVAULT_TOKEN=['"]?([^'"\s]+)/.exec(lines)?.[1];
    assert.match(lines, new RegExp(`SCAIVAULT_URL=['"]?${url}`));
    assert.ok(token !== undefined && !server.output().includes(token));
    await keepsASecret(url, token).catch((error: Error) => {
      throw new Error(`${error.message}\n${server.output()}`, { cause: error });
    });
    const health = await run(artefact, ['healthcheck', '--bind', bind]);
    assert.equal(health.code, 0, health.output);
    server.signal('SIGTERM');
    const { code, output } = await untilEnd(server, 10_000);
    assert.equal(code, 0, output);
    return `ready after ${ready.toFixed(0)} ms`;
  },
};
