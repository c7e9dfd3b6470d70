/** What concerns the executable alone: what its environment can do to it, and that it needs no file but itself. */
import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { runProgram, untilEnd, untilReady } from '../program.ts';
import { freePort } from '../servers/instance.ts';
import { type Artefact, type Check, run, start } from './artefact.ts';

/** Works with a directory that is not beside the executable. */
async function elsewhere<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'scaivault-smoke-else-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** How the same Node.js behaves that has nothing baked in: what cannot go wrong there would prove nothing here. */
function bareNode(artefact: Artefact, args: readonly string[], env: NodeJS.ProcessEnv) {
  return runProgram(process.execPath, args, artefact.directory, env);
}

/** A script that says that it was run, by making a file. */
async function preload(directory: string): Promise<{ script: string; wasRun: () => Promise<boolean> }> {
  const [script, mark] = [join(directory, 'preload.cjs'), join(directory, 'mark')];
  await writeFile(script, `require('node:fs').writeFileSync(${JSON.stringify(mark)}, 'run')`);
  const wasRun = async () => {
    const found = await readFile(mark).then(
      () => true,
      () => false,
    );
    await rm(mark, { force: true });
    return found;
  };
  return { script, wasRun };
}

const BROKEN_OPENSSL = `nodejs_conf = settings
[settings]
providers = list
[list]
other = other_settings
[other_settings]
module = /no/such/library.so
activate = 1
`;

export const CHECKS: Readonly<Record<string, Check>> = {
  'NODE_OPTIONS and --node-options run no code in it': (artefact) =>
    elsewhere(async (directory) => {
      const { script, wasRun } = await preload(directory);
      const env = { NODE_OPTIONS: `--require=${script}` };
      await bareNode(artefact, ['-e', '0'], env);
      assert.ok(await wasRun(), 'Node.js itself runs the script');
      for (const args of [['--version'], ['config'], ['selftest']]) {
        await run(artefact, args, env);
        assert.equal(await wasRun(), false, `${args} with NODE_OPTIONS`);
      }
      for (const flag of ['--node-options', '--require', '--import', '-r']) {
        const value = flag === '--node-options' ? `--require=${script}` : script;
        for (const args of [
          [`${flag}=${value}`, 'config'],
          [flag, value],
          ['config', `${flag}=${value}`],
        ]) {
          assert.equal((await run(artefact, args)).code, 64, args.join(' '));
          assert.equal(await wasRun(), false, args.join(' '));
        }
      }
      return undefined;
    }),
  'OPENSSL_CONF loads nothing into it': (artefact) =>
    elsewhere(async (directory) => {
      const file = join(directory, 'openssl.cnf');
      await writeFile(file, BROKEN_OPENSSL);
      const env = { OPENSSL_CONF: file };
      assert.notEqual((await bareNode(artefact, ['-e', '0'], env)).code, 0, 'Node.js itself reads the file');
      assert.equal((await run(artefact, ['selftest'], env)).code, 0);
      return undefined;
    }),
  async 'it does not obey what would switch off verification, and says so'(artefact) {
    const env = { NODE_TLS_REJECT_UNAUTHORIZED: '0', SSLKEYLOGFILE: '/tmp/keys', OPENSSL_CONF: '/x' };
    const { code, output } = await run(artefact, ['serve'], env);
    assert.equal(code, 78, output);
    for (const name of Object.keys(env)) assert.match(output, new RegExp(`^${name}: `, 'm'));
    return undefined;
  },
  async 'SIGUSR1 opens no debugger, and ends nothing'(artefact) {
    const url = `http://127.0.0.1:${await freePort()}`;
    const server = start(artefact, ['serve', '--dev', '--ephemeral', '--bind', new URL(url).host]);
    await untilReady(server, url, 60_000);
    server.signal('SIGUSR1');
    const health = await run(artefact, ['healthcheck', '--bind', new URL(url).host]);
    assert.equal(health.code, 0, health.output);
    server.signal('SIGTERM');
    const { code, output } = await untilEnd(server, 10_000);
    assert.equal(code, 0, output);
    assert.doesNotMatch(output, /Debugger listening/);
    return undefined;
  },
  async 'without a directory for temporary files it says so'(artefact) {
    const { code, output } = await run(artefact, ['selftest'], { TMPDIR: '/no/such/directory' });
    assert.equal(code, 1, output);
    assert.match(output, /fail {2}migrations +\/no\/such\/directory cannot be used for temporary files \(ENOENT\)/);
    return undefined;
  },
  async 'nothing lies beside it, before and after'(artefact) {
    assert.deepEqual(await readdir(artefact.directory), [basename(artefact.command)]);
    return undefined;
  },
};
