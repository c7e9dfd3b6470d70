/** What is measured: the build of this directory, and that of a commit. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');
const CACHE = join(ROOT, '.cache/bench/builds');

export interface Build {
  /** As the columns of the table are called. */
  readonly label: string;
  /** What `serve` is started from. */
  readonly program: string;
  /** Its sources, for what is measured without a server. */
  readonly sources: string;
}

/** @throws when it was not built */
export function currentBuild(program: string): Build {
  if (!existsSync(program)) throw new Error(`${program} is not there; build it first: make build`);
  return { label: 'now', program, sources: ROOT };
}

/** Builds a commit, once: what was built stays in the cache. @throws with what git or the build said */
export async function buildOf(revision: string, say: (line: string) => void): Promise<Build> {
  const commit = git('rev-parse', '--verify', '--end-of-options', `${revision}^{commit}`);
  const directory = join(CACHE, commit);
  const build = { label: commit.slice(0, 10), program: join(directory, 'dist/scaivault.js'), sources: directory };
  if (existsSync(build.program)) return build;
  say(`building ${revision} (${build.label}) ...`);
  await mkdir(CACHE, { recursive: true });
  const partial = await mkdtemp(join(CACHE, 'partial-'));
  try {
    // Its files and nothing else: a work tree of git's would have to be known to the repository and forgotten again.
    const archive = execFileSync('git', ['archive', commit], { cwd: ROOT, maxBuffer: 2 ** 30 });
    execFileSync('tar', ['-x', '-C', partial], { input: archive });
    await symlink(join(ROOT, 'node_modules'), join(partial, 'node_modules'));
    if (!(await sameLock(partial))) say(`${build.label} wants other packages than those installed; built with these`);
    run(partial, 'scripts/build/build.ts');
    await rm(directory, { recursive: true, force: true });
    await rename(partial, directory);
  } finally {
    await rm(partial, { recursive: true, force: true });
  }
  return build;
}

function git(...args: string[]): string {
  const { status, stdout, stderr } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`git ${args.join(' ')}: ${stderr.trim()}`);
  return stdout.trim();
}

function run(directory: string, script: string): void {
  const { status, stderr, stdout } = spawnSync(process.execPath, [script], { cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${script}: ${`${stdout}${stderr}`.trim().slice(-2000)}`);
}

async function sameLock(directory: string): Promise<boolean> {
  const [ours, theirs] = await Promise.all(
    [ROOT, directory].map((at) => readFile(join(at, 'package-lock.json'), 'utf8')),
  );
  return ours === theirs;
}

/** The commit of this directory, with a mark when files differ from it. */
export function currentRevision(): string {
  return `${git('rev-parse', '--short=10', 'HEAD')}${git('status', '--porcelain') === '' ? '' : ' with changes'}`;
}
