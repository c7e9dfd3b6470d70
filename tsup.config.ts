import { defineConfig } from 'tsup';
import { commonJsPlugin } from './scripts/build/commonjs-plugin.ts';
import { pkcs11Plugin } from './scripts/build/pkcs11-plugin.ts';

// Everything is inside, so `dist/` runs without `node_modules/`. Whatever is loaded by `import()` is a file of its own:
// a start reads what it uses, and not the clients of services that it will never call.
export default defineConfig({
  entry: { main: 'bin/scaivault.ts' },
  outDir: 'dist/assets',
  format: ['esm'],
  splitting: true,
  plugins: [commonJsPlugin],
  outExtension: () => ({ js: '.js' }),
  target: 'node24',
  platform: 'node',
  noExternal: [/.*/],
  esbuildPlugins: [pkcs11Plugin],
  // Packages count as what they are called, also where `node_modules/` is a link to somewhere else.
  esbuildOptions: (options) => {
    options.preserveSymlinks = true;
  },
  // tsup would strip `node:` and break built-ins that exist under that name only, and its shims break `import.meta`.
  removeNodeProtocol: false,
  shims: false,
  // Names stay, for the stack of a defect. `keepNames` would put a call behind each function that is made, a sixth of a
  // request's processor time; without minification only names that two files share change.
  minify: false,
  keepNames: false,
  metafile: true,
  silent: true,
  // Strict, as modules are; the directive must come first.
  banner: { js: "'use strict';\nconst importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: {
    SCAIVAULT_BUNDLED: 'true',
    'import.meta.dirname': '__dirname',
    'import.meta.url': 'importMetaUrl',
    'process.env.NODE_ENV': '"production"',
  },
});
