// The WebAssembly module under Node, as Lambda@Edge runs it: `node --test infra/edge/`.
//
// It must decide as the native code does (fixtures/edge/decisions.json), on the events that AWS publishes, within the
// sizes and times that a viewer does not notice. Where no wasm can be built, the tests are skipped, and say so.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createServer } from 'node:http';
import { copyFile, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));
const functions = ['viewer-request', 'origin-request', 'origin-response', 'viewer-response'];
const MAX_WASM_BYTES = 400 * 1024;
const MAX_ZIP_BYTES = 1024 * 1024; // Lambda@Edge: 1 MB for viewer functions.

const built = spawnSync(join(root, 'infra/edge/build.sh'), { encoding: 'utf8' });
const skip = built.status === 3 && `no WebAssembly can be built here: ${built.stderr.trim()}`;
if (skip) console.log(`SKIPPED infra/edge: ${skip}`);
else assert.equal(built.status, 0, built.stderr);

const optimised = !built.stderr.includes('no wasm-opt');
if (!optimised) console.log('without wasm-opt the modules stay larger, and their size is not held against the limit');

const json = async (path) => JSON.parse(await readFile(join(root, path), 'utf8'));
const event = (name) => json(`fixtures/events/${name}.json`);
const { config, keys, decisions } = await json('fixtures/edge/decisions.json');

const { event: withToken } = decisions
  .map(({ call }) => call.event)
  .find(({ event }) => event.Records[0].cf.request.headers.authorization);

// A folder as it is packaged for one function; importing it from a new one gives a new instance.
const folders = [];
async function packaged(name, { configuration = config, secrets = name === 'viewer-request' ? keys : {} } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'edge-'));
  folders.push(folder);
  await copyFile(join(root, 'infra/edge/index.mjs'), join(folder, 'index.mjs'));
  await copyFile(join(root, 'target/edge', name, 'edge.wasm'), join(folder, 'edge.wasm'));
  await writeFile(join(folder, 'config.json'), JSON.stringify(configuration));
  await writeFile(join(folder, 'keys.json'), JSON.stringify(secrets));
  return folder;
}
const load = (folder) => import(pathToFileURL(join(folder, 'index.mjs')));

function withCredentials({ access_key_id, secret_access_key, session_token } = {}) {
  const set = (name, value) => (value === undefined ? delete process.env[name] : (process.env[name] = value));
  set('AWS_ACCESS_KEY_ID', access_key_id);
  set('AWS_SECRET_ACCESS_KEY', secret_access_key);
  set('AWS_SESSION_TOKEN', session_token);
}

// The fastest is what the work takes; the median is what it takes on a machine that does other work as well.
function spread(times) {
  const sorted = times.sort((a, b) => a - b);
  return `${sorted[0].toFixed(3)} ms (median ${sorted[sorted.length >> 1].toFixed(3)})`;
}

describe('edge functions as WebAssembly', { skip, concurrency: false }, () => {
  const clock = Date.now;
  const fetchOfNode = globalThis.fetch;
  const handlers = {};

  before(async () => {
    for (const name of functions) handlers[name] = (await load(await packaged(name))).handler;
  });
  after(async () => {
    Date.now = clock;
    globalThis.fetch = fetchOfNode;
    for (const folder of folders) await rm(folder, { recursive: true });
  });

  test('decide as the native code does', async () => {
    globalThis.fetch = async () => new Response('', { status: 500 });
    const seen = new Set();
    for (const { call, answer } of decisions) {
      const { event, now, credentials } = call.event;
      const trigger = event.Records[0].cf.config.eventType;
      Date.now = () => now * 1000;
      withCredentials(credentials ?? {});
      const { request } = event.Records[0].cf;
      assert.deepEqual(await handlers[trigger](event), answer.result.value, JSON.stringify(request));
      seen.add(trigger);
    }
    assert.deepEqual([...seen].sort(), [...functions].sort());
    console.log(`${decisions.length} decisions are the native ones`);
  });

  test('decide by every policy as a server and a function without a CDN do', async () => {
    const { now, policies, decisions } = await json('fixtures/edge/policies.json');
    Date.now = () => now * 1000;
    const handlerOf = async ({ config, keys }) =>
      (await load(await packaged('viewer-request', { configuration: config, secrets: keys }))).handler;
    const byPolicy = await Promise.all(policies.map(handlerOf));
    for (const { policy, event, decision } of decisions)
      assert.deepEqual(await byPolicy[policy](event), decision, JSON.stringify(event.Records[0].cf.request));
    assert.ok(decisions.length >= 60);
  });

  test('answer the events that AWS publishes', async () => {
    Date.now = clock;
    withCredentials({ access_key_id: 'AKID', secret_access_key: 'secret', session_token: 'token' });
    const viewer = await handlers['viewer-request'](await event('viewer-request'));
    assert.equal(viewer.uri, '/');
    assert.equal(viewer.clientIp, '203.0.113.178');
    for (const name of ['origin-request', 'origin-request-s3']) {
      const { origin, headers } = await handlers['origin-request'](await event(name));
      assert.equal(origin.custom.domainName, config.origins.transformer.domain);
      assert.equal(headers.host[0].value, config.origins.transformer.domain);
      const scope = /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-west-1\/lambda\/aws4_request, /;
      assert.match(headers.authorization[0].value, scope);
    }
    const answer = await handlers['origin-response'](await event('origin-response'));
    assert.equal(answer.status, '200');
    assert.equal(answer.headers.server, undefined);
    const given = await handlers['viewer-response'](await event('viewer-response'));
    assert.equal(given.headers['cache-control'][0].value, 'private');
    await assert.rejects(handlers['viewer-request'](await event('viewer-response')), /not for ViewerResponse/);
    await assert.rejects(handlers['viewer-request']({}), /cannot read the call/);
  });

  test('sign with the credentials of the moment', async () => {
    const authorization = async (access_key_id) => {
      withCredentials({ access_key_id, secret_access_key: 'secret', session_token: 'token' });
      return (await handlers['origin-request'](await event('origin-request'))).headers.authorization[0].value;
    };
    assert.match(await authorization('FIRST'), /Credential=FIRST\//);
    assert.match(await authorization('SECOND'), /Credential=SECOND\//);
    withCredentials();
    assert.equal((await handlers['origin-request'](await event('origin-request'))).status, '500');
  });

  test('look for an unknown key once a minute, and keep the packaged ones', async () => {
    const issuer = config.jwt.issuers[0];
    const alice = withToken;
    const packagedKeys = { ...keys, jwks: { [issuer.issuer]: { keys: [keys.jwks[issuer.issuer].keys[1]] } } };
    const { handler } = await load(await packaged('viewer-request', { secrets: packagedKeys }));
    let looks = 0;
    let answer = async () => { throw new Error('unreachable'); };
    globalThis.fetch = async (uri, options) => {
      looks += 1;
      assert.equal(uri, issuer.jwks_uri);
      assert.equal(options.redirect, 'error');
      return answer();
    };
    let now = 1_800_000_000_000;
    Date.now = () => now;
    assert.equal((await handler(alice)).status, '401');
    assert.equal((await handler(alice)).status, '401');
    assert.equal(looks, 1, 'within the minute');
    now += 60_000;
    answer = async () => new Response(JSON.stringify({ keys: [] }));
    assert.equal((await handler(alice)).status, '401');
    now += 60_000;
    answer = async () => new Response(JSON.stringify(keys.jwks[issuer.issuer]));
    assert.equal((await handler(alice)).uri, '/users/alice/a.jpg');
    assert.equal(looks, 3);
    assert.equal((await handler(alice)).uri, '/users/alice/a.jpg');
    assert.equal(looks, 3, 'a known key needs no look');
    globalThis.fetch = fetchOfNode;
  });

  test('ask an authorization server about opaque tokens', async () => {
    const asked = [];
    const told = { "alice's": { active: true, username: 'alice' }, old: { active: true, username: 'alice', exp: 1 } };
    let fails = false;
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (piece) => (body += piece));
      request.on('end', () => {
        const token = new URLSearchParams(body).get('token');
        asked.push([request.method, request.headers.authorization, request.headers['content-type'], token]);
        response.statusCode = fails ? 500 : 200;
        response.end(JSON.stringify(told[token] ?? { active: false }));
      });
    });
    await new Promise((started) => server.listen(0, '127.0.0.1', started));
    const configuration = {
      ...config,
      rules: [{ path: '/users/{username}/*', allow: ['introspect'] }],
      introspection: { url: `http://127.0.0.1:${server.address().port}/introspect`, stale_seconds: 100 },
    };
    delete configuration.jwt;
    const secrets = { introspection: { client_id: 'edge', client_secret: 'secret' } };
    const { handler } = await load(await packaged('viewer-request', { configuration, secrets }));
    let now = 1_800_000_000_000;
    Date.now = () => now;
    const statusOf = async (token, uri = '/users/alice/a.jpg') => {
      const showing = structuredClone(withToken);
      const { request } = showing.Records[0].cf;
      request.headers.authorization[0].value = `Bearer ${token}`;
      request.uri = uri;
      const result = await handler(showing);
      assert.equal(result.headers['authorization'], undefined);
      return Number(result.status ?? 200);
    };
    assert.equal(await statusOf("alice's"), 200);
    const basic = `Basic ${Buffer.from('edge:secret').toString('base64')}`;
    assert.deepEqual(asked, [['POST', basic, 'application/x-www-form-urlencoded', "alice's"]]);
    assert.equal(await statusOf("alice's"), 200);
    assert.equal(await statusOf("alice's", '/users/bob/a.jpg'), 403);
    assert.equal(asked.length, 1, 'an answer is kept');
    assert.equal(await statusOf('made up'), 401);
    assert.equal(await statusOf('old'), 401);
    fails = true;
    assert.equal(await statusOf('new'), 503);
    now += 61_000;
    assert.equal(await statusOf("alice's"), 200, 'for a while');
    now += 100_000;
    assert.equal(await statusOf("alice's"), 503);
    server.close();
  });

  test('say what is wrong with a configuration', async () => {
    const broken = await packaged('viewer-request', { configuration: { ...config, rules: [] } });
    await assert.rejects(load(broken), /rules: at least one is needed/);
    const secrets = { tokens: [{ name: 'a', secret: 'short' }] };
    const short = await packaged('viewer-request', { secrets });
    await assert.rejects(load(short), /tokens\[0\]\.secret: takes at least 20 bytes/);
  });

  test('stay in memory over many calls', async () => {
    Date.now = () => 1_800_000_000_000;
    const { call } = decisions[3];
    const before = process.memoryUsage().arrayBuffers;
    for (let i = 0; i < 2000; i += 1) await handlers['viewer-request'](call.event.event);
    assert.ok(process.memoryUsage().arrayBuffers - before < 4 * 1024 * 1024);
  });

  test('are small and fast', async () => {
    Date.now = () => 1_800_000_000_000;
    withCredentials({ access_key_id: 'AKID', secret_access_key: 'secret', session_token: 'token' });
    const signed = await event('origin-request');
    const rs256 = withToken;
    const response = await event('origin-response');
    const events = {
      'viewer-request': rs256,
      'origin-request': signed,
      'origin-response': response,
      'viewer-response': await event('viewer-response'),
    };
    const times = async (count, action) => {
      const all = [];
      for (let i = 0; i < count; i += 1) {
        const start = performance.now();
        await action();
        all.push(performance.now() - start);
      }
      return spread(all);
    };
    for (const name of functions) {
      const { size } = await stat(join(root, 'target/edge', name, 'edge.wasm'));
      const folder = await packaged(name);
      const zip = join(folder, 'function.zip');
      const files = ['index.mjs', 'edge.wasm', 'config.json', 'keys.json'].map((file) => join(folder, file));
      const zipped = spawnSync('zip', ['-q', '-9', '-j', zip, ...files]);
      const zipSize = zipped.status === 0 ? (await stat(zip)).size : 0;
      const fresh = [];
      for (let i = 0; i < 15; i += 1) fresh.push(await packaged(name));
      const first = await times(fresh.length, async () => (await load(fresh.pop())).handler(events[name]));
      const later = await times(2000, () => handlers[name](events[name]));
      console.log(
        `${name}: ${size} bytes of wasm, ${zipSize || '?'} zipped; compile and first call ${first}, ` +
          `later calls ${later}`,
      );
      if (optimised) assert.ok(size <= MAX_WASM_BYTES, `${name} has ${size} bytes`);
      assert.ok(zipSize <= MAX_ZIP_BYTES, `${name} has ${zipSize} bytes zipped`);
    }
  });
});
