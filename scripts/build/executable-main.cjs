'use strict';
// What the executable runs first: it gives the parts of the bundle, which are its assets, to their `require`. In here
// the one of Node.js knows built-in modules only.
const { compileFunction, constants } = require('node:vm');
const { getAsset } = require('node:sea');

const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname'];
const parts = new Map();

function requirePart(name) {
  if (!name.startsWith('./')) return require(name);
  let part = parts.get(name);
  if (part === undefined) {
    part = { exports: {} };
    parts.set(name, part);
    // For stacks, and for libraries that want to know where they are: nowhere.
    const filename = `${process.execPath}/${name.slice(2)}`;
    // A library may call `import()` for a built-in module.
    const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER;
    const code = getAsset(name.slice(2), 'utf8');
    const run = compileFunction(code, PARAMETERS, { filename, importModuleDynamically });
    run(part.exports, requirePart, part, filename, process.execPath);
  }
  return part.exports;
}

requirePart('./main.js');
