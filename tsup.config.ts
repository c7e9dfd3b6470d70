import { defineConfig } from 'tsup';

// The bundle is CommonJS, since the single executable can load nothing else. Everything is inside, so `dist/` runs
// without `node_modules/`.
export default defineConfig({
  entry: { main: 'bin/scaivault.ts' },
  outDir: 'dist/assets',
  format: ['cjs'],
  outExtension: () => ({ js: '.js' }),
  target: 'node24',
  platform: 'node',
  noExternal: [/.*/],
  // The one dependency that may be missing: it holds a native addon, which is loaded when a PKCS#11 seal is configured.
  external: ['pkcs11js'],
  // `import()` becomes a deferred `require` of a wrapped module, so a command still loads only what it uses.
  splitting: false,
  // tsup would strip `node:` and break built-ins that exist under that name only, and its shims break `import.meta`.
  removeNodeProtocol: false,
  shims: false,
  minify: false,
  keepNames: true,
  metafile: true,
  silent: true,
  // The directive must come first, or the bundle of strict modules would run in sloppy mode.
  banner: { js: "'use strict';\nconst importMetaUrl = require('node:url').pathToFileURL(__filename).href;" },
  define: {
    SCAIVAULT_BUNDLED: 'true',
    'import.meta.dirname': '__dirname',
    'import.meta.url': 'importMetaUrl',
    'process.env.NODE_ENV': '"production"',
  },
});
