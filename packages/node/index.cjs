'use strict';

// Seawall: a gateway in front of OpenAI-compatible APIs that retries right.
//
// One line gives a program a gateway of its own: `const gw = await gateway()`, then `new OpenAI({ baseURL: gw.url,
// maxRetries: 0 })`. `explain(error)` says what an error means. The types are in index.d.ts.

const { findBinary } = require('./lib/binary.cjs');
const { BinaryMissing, GatewayDied, SeawallError, StartError } = require('./lib/errors.cjs');
const { explain } = require('./lib/explain.cjs');
const { gateway } = require('./lib/gateway.cjs');

module.exports = { BinaryMissing, GatewayDied, SeawallError, StartError, explain, findBinary, gateway };
