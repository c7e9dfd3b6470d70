/**
 * The test runner: uvu, a process a file. See `options.ts` for what can be asked of it; `make test` and `make drill`
 * do. The last line is always `N passed, N failed, N skipped`.
 */
import { chmod, glob, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join, relative, resolve } from 'node:path';
import { performance } from 'node:perf_hooks';
import { clearCoverage, coverageEnv, reportCoverage } from './coverage.ts';
import { type Options, parseOptions, type Tier } from './options.ts';
import { type FileResult, runFile } from './process.ts';
import { describeFile, describeRun } from './report.ts';
import { type Servers, startServers } from './servers/servers.ts';

const ROOT = resolve(import.meta.dirname, '../..');
const FILES: Readonly<Record<Tier, string>> = { quick: 'test/**/*.test.ts', drill: 'test/**/*.drill.ts' };

// Test processes get these variables of ours and no others, so that no setting of the developer's shell steers them.
const INHERITED = ['PATH', 'HOME', 'USER', 'LANG', 'TMPDIR', 'CI', 'DRILL_SCALE'];
// A client of a cloud provider must not ask the network who it is.
const FIXED = { AWS_EC2_METADATA_DISABLED: 'true', METADATA_SERVER_DETECTION: 'none', DRILL_SCALE: '1' };

const abort = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => abort.abort());

try {
  process.chdir(ROOT);
  process.exitCode = await main(parseOptions(process.argv.slice(2)));
} catch (error) {
  say(error instanceof Error ? error.message : String(error));
  process.exitCode = 1;
}

async function main(options: Options): Promise<number> {
  const started = performance.now();
  const files = await findFiles(options);
  const temporary = await mkdtemp(join(tmpdir(), 'scaivault-test-'));
  // A server that runs as another user has its directory in here.
  await chmod(temporary, 0o711);
  process.env.TEST_TEMP_DIR = temporary;
  let servers: Servers | undefined;
  try {
    if (options.servers) servers = await startServers(say);
    if (options.coverage) await clearCoverage();
    const env = testEnvironment(temporary, servers, options);
    const results = await runFiles(files, env, options);
    if (options.coverage) await reportCoverage();
    process.stdout.write(describeRun(results, performance.now() - started));
    return abort.signal.aborted || results.some((result) => result.failed > 0) ? 1 : 0;
  } finally {
    await servers?.stop();
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The files of the tier, or those that the patterns name. @throws when there is none */
async function findFiles({ tier, patterns }: Options): Promise<string[]> {
  const all: string[] = [];
  for await (const file of glob(FILES[tier])) all.push(file);
  all.sort();
  if (all.length === 0 && patterns.length === 0) throw new Error(`no file matches ${FILES[tier]}`);
  if (patterns.length === 0) return all;
  const chosen = new Set<string>();
  for (const pattern of patterns) {
    const named = await stat(pattern).catch(() => undefined);
    const found = named?.isFile() ? [relative(ROOT, resolve(pattern))] : all.filter((file) => file.includes(pattern));
    if (found.length === 0) throw new Error(`no test file matches "${pattern}"`);
    for (const file of found) chosen.add(file);
  }
  return [...chosen];
}

function testEnvironment(temporary: string, servers: Servers | undefined, { coverage }: Options): NodeJS.ProcessEnv {
  const inherited = Object.entries(process.env).filter(([name]) => INHERITED.includes(name) || /^TEST_/.test(name));
  const env = { ...FIXED, ...Object.fromEntries(inherited), ...(coverage ? coverageEnv() : {}) };
  const path = [join(ROOT, 'node_modules/.bin'), process.env.PATH ?? ''].join(delimiter);
  return { ...env, PATH: path, TEST_TEMP_DIR: temporary, ...servers?.env };
}

async function runFiles(files: readonly string[], env: NodeJS.ProcessEnv, options: Options): Promise<FileResult[]> {
  const waiting = [...files];
  const results: FileResult[] = [];
  const worker = async () => {
    for (let file = waiting.shift(); file !== undefined && !abort.signal.aborted; file = waiting.shift()) {
      const result = forbidSkips(await runFile(file, env, options, abort.signal));
      results.push(result);
      say(describeFile(result));
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
  return results;
}

/** In CI everything can be provided, so a test that did not run has failed. */
function forbidSkips(result: FileResult): FileResult {
  if (process.env.CI !== 'true' || result.skipped === 0) return result;
  const problem = result.problem ?? `${result.skipped} tests skipped, which is a failure in CI`;
  return { ...result, failed: result.failed + result.skipped, skipped: 0, problem };
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
