#!/usr/bin/env node
'use strict';

// The command `seawall`: the program, with this process' terminal, its signals and its exit code.
//
// `serve` would go on if this process were killed with `kill -9`, which nothing can pass on. So its standard input is a pipe
// that ends with this process, and it ends with that.

const { spawn } = require('node:child_process');
const { constants } = require('node:os');

const { BinaryMissing } = require('../lib/errors.cjs');
const { findBinary } = require('../lib/binary.cjs');

// The exit code of the program where something cannot be started.
const CANNOT_START = 4;
// A command that a signal ended gets this and the signal's number, as shells say it.
const SIGNALLED = 128;
const LEASH = '--stop-on-eof';

function main() {
  let program;
  try {
    program = findBinary();
  } catch (missing) {
    if (!(missing instanceof BinaryMissing)) throw missing;
    console.error(`error: ${missing.message}`);
    process.exitCode = CANNOT_START;
    return;
  }
  const words = process.argv.slice(2);
  const isHeld = words[0] === 'serve' && !words.includes(LEASH);
  if (isHeld) words.splice(1, 0, LEASH);
  const child = spawn(program, words, { stdio: [isHeld ? 'pipe' : 'inherit', 'inherit', 'inherit'] });
  // What is typed at a terminal goes to both; twice would be once too often, since a second signal ends what goes on.
  const isTyped = [process.stdin, process.stdout, process.stderr].some((one) => one.isTTY);
  for (const signal of ['SIGTERM', 'SIGHUP', 'SIGINT']) {
    process.on(signal, () => {
      if (signal !== 'SIGINT' || !isTyped) child.kill(signal);
    });
  }
  child.on('error', (why) => {
    console.error(`error: ${program} cannot be run: ${why.message}`);
    process.exitCode = CANNOT_START;
  });
  child.on('exit', (code, signal) => {
    process.exit(code ?? SIGNALLED + constants.signals[signal]);
  });
}

main();
