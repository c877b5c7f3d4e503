// The Lambda@Edge side of one edge function: everything is decided in edge.wasm. Beside this file lie config.json and
// keys.json, for Lambda@Edge has no environment variables of one's own.
import { readFile } from 'node:fs/promises';

const read = (name) => readFile(new URL(name, import.meta.url));
const { instance } = await WebAssembly.instantiate(await read('edge.wasm'));
const { memory, edge_alloc, edge_free, edge_new, edge_call } = instance.exports;

function give(bytes) {
  const address = edge_alloc(bytes.length);
  new Uint8Array(memory.buffer, address, bytes.length).set(bytes);
  return [address, bytes.length];
}

function take(packed) {
  const [address, length] = [Number(packed & 0xffffffffn), Number((packed >> 32n) & 0xffffffffn)];
  const text = new TextDecoder().decode(new Uint8Array(memory.buffer, address, length));
  edge_free(address, length);
  return text;
}

const edge = edge_new(...give(await read('config.json')), ...give(await read('keys.json')));
if (edge >> 32n) throw new Error(take(edge));

function call(input) {
  const answer = JSON.parse(take(edge_call(Number(edge), ...give(Buffer.from(JSON.stringify(input))))));
  if (answer.error) throw new Error(answer.error);
  return answer;
}

// Two seconds of the five that CloudFront gives a viewer function, for all lookups of a request.
const PATIENCE = 2000;

// Asks another server what a decision needs, and hands over the answer, or that there is none.
async function look({ subject, url, method, headers, body }, signal) {
  let text = null;
  try {
    const response = await fetch(url, { method, headers, body, signal, redirect: 'error' });
    if (response.status === 200) text = await response.text();
  } catch {
    // What is known already remains.
  }
  call({ learn: { subject, body: text, now: Math.floor(Date.now() / 1000) } });
}

export async function handler(event) {
  const { env } = process; // Read afresh: the role's credentials expire.
  const credentials = env.AWS_ACCESS_KEY_ID
    ? {
        access_key_id: env.AWS_ACCESS_KEY_ID,
        secret_access_key: env.AWS_SECRET_ACCESS_KEY,
        session_token: env.AWS_SESSION_TOKEN,
      }
    : null;
  const ask = () => call({ event: { event, now: Math.floor(Date.now() / 1000), credentials } }).result;
  let result = ask();
  const signal = result.lookup && AbortSignal.timeout(PATIENCE);
  // An answer may lead to the next token of the request; none is asked about twice.
  for (let left = 8; result.lookup && left > 0; left -= 1) {
    await look(result.lookup, signal);
    result = ask();
  }
  return result.value;
}
