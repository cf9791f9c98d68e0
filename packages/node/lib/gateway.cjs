'use strict';

// A gateway of this process' own: started, watched, and never left behind.
//
// The program `seawall serve --stop-on-eof` runs as a child. Its standard input is a pipe whose other end only this process
// holds, so that the system ends it with this process, however that ends: by process.exit, an error that nobody catches, a
// signal, `kill -9`; and with a worker, if a worker started it.
//
// The child is in a session of its own. What is typed at a terminal, Ctrl-C above all, goes to this process alone. It does not
// keep the process going: a script that has nothing left to do ends, and the gateway with it.

const { spawn } = require('node:child_process');

const { findBinary } = require('./binary.cjs');
const { GatewayDied, StartError } = require('./errors.cjs');

// What the program says when it listens; a test of the program keeps it.
const READY = /^seawall is ready: (http:\/\/\S+\/v1) in front of .*; admin (http:\/\/\S+)$/;
// So long may a start take. It takes tens of milliseconds; with a large journal on a slow disk, seconds.
const START_TIMEOUT_MS = 20_000;
// So long may requests go on when the gateway is closed.
const DRAIN_MS = 5_000;
// So long may the program take to break off what still goes on, and to write its last rows.
const FORCED_MS = 10_000;
// Of what the program writes so many lines are kept, and of each so many characters.
const LINES_MAX = 40;
const LINE_CHARS_MAX = 2_000;
// A line that is longer than this is taken for two, in characters.
const PIECE_CHARS_MAX = 65_536;

async function gateway(options = {}) {
  return Gateway.start(options);
}

class Gateway {
  #options;
  #child;
  #lines = [];
  #onLine = () => {};
  #isOver = false;
  #isClosed = false;
  #closing = null;
  #endedWith;

  constructor(options) {
    this.#options = { startTimeout: START_TIMEOUT_MS, drain: DRAIN_MS, ...options };
    this.ended = new Promise((resolve) => {
      this.#endedWith = resolve;
    });
  }

  get alive() {
    return !this.#isOver;
  }

  get lastWords() {
    const words = this.#lines.filter((line) => !line.startsWith('{'));
    return (words.length > 0 ? words : this.#lines).join('\n');
  }

  check() {
    if (this.#isOver && !this.#isClosed) throw this.#died();
  }

  static async start(options) {
    const one = new Gateway(options);
    await one.#start();
    return one;
  }

  // Starts it, and waits until it listens.
  async #start() {
    const { startTimeout } = this.#options;
    const program = findBinary();
    const child = spawn(program, flagsOf(this.#options), {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: environmentOf(this.#options),
      detached: true,
    });
    this.#child = child;
    let timer;
    const ready = new Promise((resolve, reject) => {
      timer = setTimeout(() => {
        this.#isClosed = true;
        child.kill('SIGKILL');
        reject(new StartError(`the gateway was not ready within ${startTimeout} ms`, { lastWords: this.lastWords }));
      }, startTimeout);
      this.#onLine = (line) => {
        const found = READY.exec(line);
        if (found === null) return;
        [, this.url, this.adminUrl] = found;
        this.#onLine = () => {};
        resolve();
      };
      child.on('error', (why) => {
        this.#over(null, null);
        reject(new StartError(`${program} cannot be run: ${why.message}`));
      });
      child.on('close', (code, signal) => {
        reject(new StartError(`the gateway did not start, ${inWords(code, signal)}`, { exitCode: code, signal, lastWords: this.lastWords }));
        this.#over(code, signal);
      });
    });
    this.pid = child.pid;
    // It never reads what is written, and ends with it.
    child.stdin?.on('error', () => {});
    for (const stream of [child.stdout, child.stderr].filter(Boolean)) lines(stream, (line) => this.#hear(line));
    try {
      await ready;
    } finally {
      clearTimeout(timer);
    }
    this.#hold(false);
  }

  // Whether this process waits for it.
  #hold(isHeld) {
    const child = this.#child;
    for (const one of [child, child.stdin, child.stdout, child.stderr]) {
      if (isHeld) one?.ref?.();
      else one?.unref?.();
    }
  }

  #hear(line) {
    this.#onLine(line);
    if (line === '' || READY.test(line)) return;
    this.#lines.push(line.slice(0, LINE_CHARS_MAX));
    if (this.#lines.length > LINES_MAX) this.#lines.shift();
    this.#options.onLog?.(line);
  }

  #over(exitCode, signal) {
    if (this.#isOver) return;
    this.#isOver = true;
    this.exitCode = exitCode;
    this.signal = signal;
    this.#endedWith({ exitCode, signal, error: this.#isClosed || this.url === undefined ? null : this.#died() });
  }

  #died() {
    const { exitCode, signal, lastWords } = this;
    return new GatewayDied(`the gateway at ${this.url} ended while it was in use, ${inWords(exitCode, signal)}`, { exitCode, signal, lastWords });
  }

  close() {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close() {
    if (this.#isOver) return;
    this.#isClosed = true;
    this.#hold(true);
    const { drain } = this.#options;
    this.#child.stdin.destroy();
    if (await this.#isOverWithin(drain)) return;
    // Its second word from us: it ends what still goes on.
    this.#child.kill('SIGTERM');
    if (await this.#isOverWithin(FORCED_MS)) return;
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  async #isOverWithin(ms) {
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, ms, false);
    });
    const isOver = await Promise.race([this.ended.then(() => true), late]);
    clearTimeout(timer);
    return isOver;
  }

  // Node has had the symbol since 18.18; before it, what compiles `await using` makes it by this name.
  [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    return this.close();
  }
}

function flagsOf({ config, dataDir, maxRetries, port = 0, adminPort = 0 }) {
  const flags = ['serve', '--stop-on-eof', '--log-format', 'json', '--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${adminPort}`];
  flags.push(...(dataDir === undefined ? ['--own-journal'] : ['--data-dir', dataDir]));
  if (config !== undefined) flags.push('--config', config);
  if (maxRetries !== undefined) flags.push('--max-retries', String(maxRetries));
  return flags;
}

function environmentOf({ upstream, env }) {
  // An address may hold a key; arguments can be read by every user of the machine.
  return { ...process.env, ...env, ...(upstream === undefined ? {} : { SEAWALL_UPSTREAM: upstream }) };
}

// Each line of what a stream says.
function lines(stream, hear) {
  let rest = '';
  stream.setEncoding('utf8');
  stream.on('error', () => {});
  stream.on('data', (chunk) => {
    const whole = (rest + chunk).split('\n');
    rest = whole.pop();
    for (const line of whole) hear(line.trimEnd());
    if (rest.length > PIECE_CHARS_MAX) {
      hear(rest);
      rest = '';
    }
  });
  stream.on('end', () => {
    if (rest !== '') hear(rest);
  });
}

function inWords(code, signal) {
  if (signal !== null) return `by ${signal}`;
  return code === null ? 'nobody knows how' : `with exit code ${code}`;
}

module.exports = { gateway };
