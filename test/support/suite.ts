import * as uvu from 'uvu';
import { SKIP_MARK } from '../../scripts/test/summary.ts';

/** A test or hook body. */
export type Body = () => unknown;

export interface Suite {
  (name: string, body: Body): void;
  only(name: string, body: Body): void;
  before(body: Body): void;
  after(body: Body): void;
  beforeEach(body: Body): void;
  afterEach(body: Body): void;
  run(): void;
}

const TEST_LIMIT_MS = 20_000;
const HOOK_LIMIT_MS = 60_000;

class Skipped extends Error {}

/** Ends the test that calls it: it cannot run here. The runner counts it as skipped, and CI takes that as a failure. */
export function skip(reason: string): never {
  throw new Skipped(reason);
}

/**
 * uvu's suite with what it lacks: every test has a time limit and is named when it exceeds it, a hook that fails says
 * so (uvu swallows that), and a test may skip itself.
 */
export function suite(title: string, { timeoutMs = TEST_LIMIT_MS } = {}): Suite {
  const inner = uvu.suite(title);
  const hook = (kind: string, body: Body) => async () => {
    try {
      await within(`${kind} hook`, HOOK_LIMIT_MS, body);
    } catch (error) {
      process.stdout.write(`\n${title}: ${kind} hook failed: ${error instanceof Error ? error.stack : error}\n`);
      throw error;
    }
  };
  const test = (name: string, body: Body) => async () => {
    try {
      await within('test', timeoutMs, body);
    } catch (error) {
      if (!(error instanceof Skipped)) throw error;
      process.stdout.write(`\n${SKIP_MARK}${title}: ${name}: ${error.message}\n`);
    }
  };
  const add = (name: string, body: Body) => inner(name, test(name, body));
  return Object.assign(add, {
    only: (name: string, body: Body) => inner.only(name, test(name, body)),
    before: (body: Body) => inner.before(hook('before', body)),
    after: (body: Body) => inner.after(hook('after', body)),
    beforeEach: (body: Body) => inner.before.each(hook('beforeEach', body)),
    afterEach: (body: Body) => inner.after.each(hook('afterEach', body)),
    run: () => inner.run(),
  });
}

async function within(what: string, limitMs: number, body: Body): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  // The timer keeps the process alive: a body that waits for nothing real would otherwise end it without a word.
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} timed out after ${limitMs} ms`)), limitMs);
  });
  try {
    await Promise.race([body(), late]);
  } finally {
    clearTimeout(timer);
  }
}
