import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Options } from 'tsup';
import { PACKAGE_FILES } from '../../src/lib/assets.ts';

type Plugin = NonNullable<Options['esbuildPlugins']>[number];

const OWN_REQUIRE = 'require("./build/Release/pkcs11.node")';
const MISSING = "throw new Error('this build has no pkcs11js')";

/** Whether the machine could compile the addon when it installed the packages; npm leaves the package out if not. */
export function hasPkcs11Addon(): boolean {
  return existsSync(PACKAGE_FILES['pkcs11.node']);
}

/**
 * `pkcs11js` looks for its addon beside itself, where nothing is once it is bundled: there it gets it from
 * `src/lib/native-addon.ts`.
 */
export const pkcs11Plugin: Plugin = {
  name: 'pkcs11',
  setup(build) {
    const loader = JSON.stringify(resolve('src/lib/native-addon.ts'));
    build.onLoad({ filter: /[\\/]pkcs11js[\\/]index\.js$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      if (!source.includes(OWN_REQUIRE)) throw new Error(`${path} loads its addon in another way than it used to`);
      return { contents: source.replace(OWN_REQUIRE, `require(${loader}).loadNativeAddon("pkcs11.node")`) };
    });
    if (hasPkcs11Addon()) return;
    build.onResolve({ filter: /^pkcs11js$/ }, ({ path }) => ({ path, namespace: 'missing' }));
    build.onLoad({ filter: /.*/, namespace: 'missing' }, () => ({ contents: MISSING }));
  },
};
