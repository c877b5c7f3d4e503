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

// An unknown key may be a new one. Whoever makes up keys causes no more than one look a minute at each issuer.
const lookedAt = new Map();
async function refreshed({ issuer, jwks_uri }) {
  if (Date.now() - (lookedAt.get(issuer) ?? -Infinity) < 60_000) return false;
  lookedAt.set(issuer, Date.now());
  try {
    const response = await fetch(jwks_uri, { signal: AbortSignal.timeout(2000), redirect: 'error' });
    return response.ok && call({ jwks: { issuer, document: await response.json() } }).taken;
  } catch {
    return false; // The packaged keys remain.
  }
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
  if (result.refresh && (await refreshed(result.refresh))) result = ask();
  return result.value;
}
