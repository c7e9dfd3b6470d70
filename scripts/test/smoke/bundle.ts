/** What concerns the bundle alone: it meets the Node.js of the machine. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import type { Check } from './artefact.ts';
import { run } from './artefact.ts';

const SYSTEM_NODES = ['/usr/bin/node', '/usr/local/bin/node'];

function isTooOld(node: string): boolean {
  const { status, stdout } = spawnSync(node, ['--version'], { encoding: 'utf8' });
  const [major = 0, minor = 0] = (stdout ?? '').slice(1).split('.').map(Number);
  return status === 0 && (major < 24 || (major === 24 && minor < 11));
}

export const CHECKS: Readonly<Record<string, Check>> = {
  async 'an old Node.js is told what is needed'(artefact) {
    const old = SYSTEM_NODES.find(isTooOld);
    if (old === undefined) return 'no old Node.js here to try it with';
    const { code, output } = await run({ ...artefact, command: old }, ['--version']);
    assert.equal(code, 78, output);
    assert.match(output, /needs Node\.js 24\.11 or newer/);
    return old;
  },
};
