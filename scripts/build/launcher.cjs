#!/usr/bin/env node
'use strict';
// This file looks at the version of Node before anything else is loaded, so it keeps to the syntax of ECMAScript 5:
// an old Node must be able to parse it and say what is missing, instead of failing on a syntax error.
var NEEDED = [24, 11];
var EXIT_CONFIGURATION = 78;

var found = process.versions.node.split('.').map(Number);
if (found[0] > NEEDED[0] || (found[0] === NEEDED[0] && found[1] >= NEEDED[1])) {
  require('./assets/main.js');
} else {
  process.stderr.write(
    'scaivault needs Node.js ' +
      NEEDED.join('.') +
      ' or newer; this is ' +
      process.versions.node +
      ' (' +
      process.execPath +
      ').\n' +
      'Get it from https://nodejs.org/en/download or with: nvm install 24\n'
  );
  process.exitCode = EXIT_CONFIGURATION;
}
