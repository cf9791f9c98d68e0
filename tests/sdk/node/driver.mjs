// Drives the official Node SDK: one case a line on stdin, one result a line on stdout.
//
// The SDK is used as people use it: default settings, the runtime's own fetch, one client for many
// calls. `"sdk": "openai-6"` in a case asks for the release before, which Node 20 still gets. Cases
// run at the same time; results come in the order in which they end, each with its case's `id`. With
// `"tell": true` a result has the answer too, or the events.

import { createInterface } from 'node:readline';
import OpenAI from 'openai';
import OpenAI6 from 'openai-6';

const SDKS = { openai: OpenAI, 'openai-6': OpenAI6 };
const clients = new Map();

function clientOf(one) {
  const sdk = one.sdk ?? 'openai';
  const key = `${sdk} ${one.base_url} ${one.api_key}`;
  if (!clients.has(key)) clients.set(key, new SDKS[sdk]({ baseURL: one.base_url, apiKey: one.api_key }));
  const options = {};
  if (one.timeout_s != null) options.timeout = Math.round(one.timeout_s * 1000);
  if (one.max_retries != null) options.maxRetries = one.max_retries;
  if (one.headers) options.defaultHeaders = one.headers;
  const client = clients.get(key);
  return Object.keys(options).length > 0 ? client.withOptions(options) : client;
}

function call(client, one) {
  const { model, prompt, extra } = one;
  const messages = [{ role: 'user', content: prompt }];
  switch (one.call) {
    case 'chat':
      return client.chat.completions.create({ model, messages });
    case 'chat_stream':
      return client.chat.completions.create({ model, messages, stream: true, ...extra });
    case 'completions_stream':
      return client.completions.create({ model, prompt, stream: true, ...extra });
    case 'images_stream':
      return client.images.generate({ model, prompt, stream: true });
    case 'responses':
      return client.responses.create({ model, input: prompt });
    case 'responses_stream':
      return client.responses.create({ model, input: prompt, stream: true, ...one.extra });
    case 'embeddings':
      return client.embeddings.create({ model, input: prompt });
    case 'models':
      return client.models.list();
    case 'assistants_stream':
      // Gone from the API, and still in the SDK.
      return client.beta.threads.createAndRun({ assistant_id: 'asst_1', model, stream: true });
    default:
      throw new Error(`no call ${one.call}`);
  }
}

// What a program could tell from the exception.
function told(error) {
  return {
    class: error?.constructor?.name ?? String(error),
    status_code: error?.status ?? null,
    code: error?.code ?? null,
    type: error?.type ?? null,
    request_id: error?.requestID ?? null,
    body_request_id: error?.error?.request_id ?? null,
    message: String(error?.message ?? error).slice(0, 2000),
    seawall: Object.fromEntries([...(error?.headers ?? [])].filter(([name]) => name.startsWith('x-seawall-'))),
  };
}

async function run(one) {
  let events = 0;
  let opened = false;
  try {
    const value = await call(clientOf(one), one);
    if (!one.call.endsWith('_stream')) {
      return { outcome: 'ok', request_id: value?._request_id ?? null, ...(one.tell ? { answer: value } : {}) };
    }
    opened = true;
    const told = [];
    for await (const event of value) {
      events += 1;
      if (one.tell) told.push(event);
    }
    return { outcome: 'stream_end', events, ...(one.tell ? { told } : {}) };
  } catch (error) {
    return { outcome: 'error', events, opened, error: told(error) };
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const one = JSON.parse(line);
  run(one).then((result) => process.stdout.write(`${JSON.stringify({ ...result, id: one.id })}\n`));
}
