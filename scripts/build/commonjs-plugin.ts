import { transform } from 'esbuild';
import type { Options } from 'tsup';

type Plugin = NonNullable<Options['plugins']>[number];

/** As esbuild writes it. A built-in module is left to `import()`. */
const IMPORT_OF_A_PART = /\bimport\("(\.\/[\w-]+\.js)"\)/g;

/**
 * Turns each part of the bundle into CommonJS, the only thing that a single executable can load. esbuild cuts a program
 * into parts as ECMAScript modules only; the switch of tsup for this rewrites `?.` and `??` into calls as well, which the
 * path of a request would pay for.
 */
export const commonJsPlugin: Plugin = {
  name: 'commonjs',
  async renderChunk(code, { path }) {
    if (!path.endsWith('.js')) return;
    const deferred = code.replace(IMPORT_OF_A_PART, 'Promise.resolve().then(() => require("$1"))');
    const options = { format: 'cjs', target: 'node24', platform: 'node', minifyWhitespace: true } as const;
    return { code: (await transform(deferred, options)).code };
  },
};
