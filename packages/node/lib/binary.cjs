'use strict';

// Where the program is: in the package for this platform, which is an optional dependency and has it for one system and
// processor. Nothing is downloaded, and nothing runs when it is installed.

const { accessSync, constants } = require('node:fs');
const path = require('node:path');

const { BinaryMissing } = require('./errors.cjs');

// Names another program in place of the installed one.
const VARIABLE = 'SEAWALL_BINARY';
// The platforms that there are packages for: `process.platform`, `process.arch`.
const PACKAGES = { 'linux x64': '@seawall/linux-x64' };

function findBinary() {
  const named = process.env[VARIABLE];
  if (named) {
    if (runs(named)) return named;
    throw new BinaryMissing(`${VARIABLE} names ${named}, which is no program that can be run`);
  }
  const platform = `${process.platform} ${process.arch}`;
  const name = PACKAGES[platform];
  if (name === undefined) {
    throw new BinaryMissing(
      `there is no package of seawall for ${platform}, but for ${Object.keys(PACKAGES).join(', ')}\n` +
        `hint: build the program from source, and name it with ${VARIABLE}`,
    );
  }
  let program;
  try {
    program = path.join(path.dirname(require.resolve(`${name}/package.json`)), 'bin', 'seawall');
  } catch {
    throw new BinaryMissing(
      `the package ${name}, which has the program, is not installed\n` +
        'hint: it is an optional dependency of seawall. Install without --omit=optional and --no-optional, and not with a\n' +
        `      node_modules of another platform; musl has no package. Or name a program with ${VARIABLE}`,
    );
  }
  if (!runs(program)) throw new BinaryMissing(`${program} is no program that can be run\nhint: install ${name} again`);
  return program;
}

function runs(program) {
  try {
    accessSync(program, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

module.exports = { findBinary };
