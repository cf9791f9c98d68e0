'use strict';

// What can go wrong between a program and its gateway.

class SeawallError extends Error {
  constructor(message) {
    super(message);
    this.name = new.target.name;
  }
}

class BinaryMissing extends SeawallError {}

class Over extends SeawallError {
  constructor(what, { exitCode = null, signal = null, lastWords = '' } = {}) {
    super(lastWords ? `${what}\n${lastWords}` : what);
    this.exitCode = exitCode;
    this.signal = signal;
    this.lastWords = lastWords;
  }
}

class StartError extends Over {}

class GatewayDied extends Over {}

module.exports = { BinaryMissing, GatewayDied, SeawallError, StartError };
