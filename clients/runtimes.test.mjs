// The client for JavaScript in Deno and in workerd, which runs Workers: `node --test clients/runtimes.test.mjs`. Both come from the
// npm registry, some 90 MB, so this is no part of what every change must pass.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const prefix = join(root, 'target/runtimes');
const modules = ['index', 'canonical', 'client', 'colors', 'grammar', 'placeholder', 'sign'];

/** Runs everywhere: how many URLs and signatures are the server's own. */
const CHECK = `
export async function check({ url, sign, placeholder, BadParameter }, { secret, expires, urls, thumbhashes }) {
  for (const [key, options, signed] of urls) {
    try {
      const made = await sign(url(key, options), { secret, expires });
      if (made !== signed) throw new Error(made + ' instead of ' + signed);
    } catch (error) {
      if (signed !== null || !(error instanceof BadParameter)) throw error;
    }
  }
  const { src } = placeholder({ thumbhash: thumbhashes[0].hash, dominant_color: '#000', width: 3, height: 2 });
  if (!src.startsWith('data:image/png;base64,iVBORw0KGgo')) throw new Error(src);
  return urls.length;
}
`;

let folder, vectors;
before(async () => {
  const install = ['install', '--prefix', prefix, '--no-save', '--no-audit', '--no-fund', 'deno@2.9.6', 'workerd@1.20261117.1'];
  if (spawnSync(join(prefix, 'node_modules/deno/deno'), ['--version']).status !== 0) spawnSync('npm', install, { stdio: 'inherit' });
  folder = await mkdtemp(join(tmpdir(), 'runtimes-'));
  vectors = await readFile(join(root, 'clients/vectors.json'), 'utf8');
  for (const name of modules) {
    await writeFile(join(folder, `${name}.js`), await readFile(join(root, `clients/js/src/${name}.js`)));
  }
  await writeFile(join(folder, 'check.js'), CHECK);
  await writeFile(join(folder, 'vectors.js'), `export default ${vectors}`);
});
after(() => rm(folder, { recursive: true, force: true }));

test('Deno', async () => {
  const main = "import * as client from './index.js'; import vectors from './vectors.js'; import { check } from './check.js';\n" +
    'console.log(await check(client, vectors));';
  await writeFile(join(folder, 'main.js'), main);
  const run = spawnSync(join(prefix, 'node_modules/deno/deno'), ['run', '--no-prompt', join(folder, 'main.js')], { encoding: 'utf8' });
  assert.equal(run.stdout.trim(), String(JSON.parse(vectors).urls.length), run.stderr);
});

test('Workers', async () => {
  const worker = "import * as client from './index.js'; import vectors from './vectors.js'; import { check } from './check.js';\n" +
    'export default { async fetch() { return new Response(String(await check(client, vectors))); } };';
  await writeFile(join(folder, 'worker.js'), worker);
  const embedded = ['worker', 'check', 'vectors', ...modules].map((name) => `(name = "${name}.js", esModule = embed "${name}.js")`);
  const probe = createServer();
  await new Promise((resolve) => probe.listen(0, '127.0.0.1', resolve));
  const { port } = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  await writeFile(join(folder, 'config.capnp'), `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [(name = "main", worker = (modules = [${embedded.join(', ')}], compatibilityDate = "2026-01-01"))],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);`);
  const workerd = spawn(join(prefix, 'node_modules/workerd/bin/workerd'), ['serve', join(folder, 'config.capnp')], { stdio: 'inherit' });
  try {
    let answer;
    for (const end = Date.now() + 30_000; !answer && Date.now() < end; ) {
      answer = await fetch(`http://127.0.0.1:${port}/`).catch(() => new Promise((resolve) => setTimeout(resolve, 200)));
    }
    assert.equal(await answer.text(), String(JSON.parse(vectors).urls.length));
  } finally {
    workerd.kill();
  }
});
