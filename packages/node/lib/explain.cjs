'use strict';

// What an error means, as `seawall explain` says it.
//
// What is explained goes to the program by its standard input, never by its arguments, which every user of the machine can
// read; and the program prints nothing of it but a request id.

const { spawn } = require('node:child_process');
const { inspect } = require('node:util');

const { findBinary } = require('./binary.cjs');
const { SeawallError } = require('./errors.cjs');

// The program looks at so many bytes.
const INPUT_BYTES_MAX = 1024 * 1024;
// It takes milliseconds; a journal on a slow disk, seconds.
const PATIENCE_MS = 30_000;
// Its answer is a few KiB.
const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
// So far errors are followed to their causes.
const CAUSES_MAX = 8;

const WHOSE = { provider: "the provider's", network: "the network's", caller: "the caller's", seawall: "Seawall's, or its configuration's" };

class Explanation {
  constructor(told) {
    Object.assign(this, told);
  }

  toString() {
    const title = [this.status, this.class].filter((word) => word !== null).join(' ');
    const lines = [this.meaning === null ? 'not recognised' : [title, this.meaning].filter(Boolean).join(': ')];
    if (this.whose !== null) lines.push(`  whose fault: ${WHOSE[this.whose] ?? this.whose}`);
    if (this.request_id !== undefined) lines.push(`  request id: ${this.request_id}`);
    for (const one of this.evidence) lines.push(`  on record: ${one.says}`);
    this.next.forEach((step, at) => lines.push(`  ${at + 1}. ${step}`));
    return lines.join('\n');
  }
}

async function explain(error, { dataDir, journal = true } = {}) {
  const flags = ['explain', '--json'];
  if (dataDir !== undefined) flags.push('--data-dir', dataDir);
  if (!journal) flags.push('--no-journal');
  const { code, out, err } = await run(findBinary(), flags, told(error));
  // Recognised or not; any other exit code is about the command itself.
  if (code !== 0 && code !== 1) throw new SeawallError(`seawall explain ended with ${code}: ${err.trim()}`);
  return new Explanation(JSON.parse(out));
}

function run(program, flags, input) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, flags, { stdio: 'pipe', timeout: PATIENCE_MS, killSignal: 'SIGKILL' });
    const out = [];
    const err = [];
    let bytes = 0;
    const hear = (to) => (chunk) => {
      bytes += chunk.length;
      if (bytes <= ANSWER_BYTES_MAX) to.push(chunk);
    };
    child.stdout.on('data', hear(out));
    child.stderr.on('data', hear(err));
    // It may have read enough; what it says then is worth more than the pipe's error.
    child.stdin.on('error', () => {});
    child.on('error', (why) => reject(new SeawallError(`seawall explain cannot be run: ${why.message}`)));
    child.on('close', (code, signal) => {
      resolve({ code: code ?? signal, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() });
    });
    child.stdin.end(input);
  });
}

// The error as the program reads it.
function told(error) {
  const text = error instanceof Error ? (reply(error) ?? printed(error)) : String(error);
  return Buffer.from(text).subarray(0, INPUT_BYTES_MAX);
}

// The HTTP response of an error that has one: it says more than what is printed of it.
function reply(error) {
  const { status, headers } = error;
  if (!Number.isInteger(status) || headers === null || typeof headers !== 'object') return null;
  const lines = [`HTTP/1.1 ${status}`];
  const all = typeof headers.entries === 'function' ? headers.entries() : Object.entries(headers);
  for (const [name, value] of all) {
    if (!['set-cookie', 'transfer-encoding', 'content-encoding'].includes(name.toLowerCase())) lines.push(`${name}: ${value}`);
  }
  // The SDK keeps what is in `error`; of what is no JSON it keeps the message alone.
  const body = error.error === undefined ? error.message.replace(/^\d{3} /, '') : JSON.stringify({ error: error.error });
  return `${lines.join('\r\n')}\r\n\r\n${body === 'status code (no body)' ? '' : body}`;
}

// As Node prints it, with its causes.
function printed(error) {
  let text = inspect(error, { depth: 4 });
  let { cause } = error;
  for (let at = 0; at < CAUSES_MAX && cause instanceof Error; at += 1) {
    if (!text.includes(cause.message)) text += `\n[cause]: ${inspect(cause, { depth: 2 })}`;
    ({ cause } = cause);
  }
  return text;
}

module.exports = { explain };
