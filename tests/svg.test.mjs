// The drawings of crates/svg/tests/attacks.txt in a real browser: what the program sends of them runs no script and makes no
// request, as a document, as an image, and as a part of a page, with the policy of the response and without it. As they
// were uploaded, many do. `node --test tests/svg.test.mjs`; where there is no Chromium, the test is skipped, and says so.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { line, openPage, skip } from './chromium.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/image-origin');
const NAMESPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
const BATCH = 40;

const listen = async (answer) => {
  const server = createServer(answer);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
};
const address = (server) => `http://127.0.0.1:${server.address().port}`;

describe('drawings in a browser', { skip, concurrency: false }, () => {
  const attacks = [];
  const clean = new Map();
  const leaks = new Set();
  let folder, server, origin, leak, plain, page;

  before(async () => {
    const built = spawnSync('cargo', ['build', '--quiet', '--locked'], { cwd: root, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    folder = await mkdtemp(join(tmpdir(), 'svg-browser-'));
    leak = await listen((request, response) => {
      leaks.add(request.url.split('/')[1]);
      response.writeHead(204, { 'access-control-allow-origin': '*' }).end();
    });
    const listed = (await readFile(join(root, 'crates/svg/tests/attacks.txt'), 'utf8')).split('\n== ').slice(1);
    for (const [number, attack] of listed.entries()) {
      const text = attack
        .slice(attack.indexOf('\n') + 1)
        .replaceAll('{JS}', 'fetch(`http://LEAK/js`)')
        .replaceAll('{URL}', 'http://LEAK/url')
        .replaceAll('LEAK', `${address(leak).slice('http://'.length)}/${number}`);
      const isDocument = ['<svg', '<?x', '<!D', '<html'].some((start) => text.startsWith(start));
      attacks.push({ name: attack.split('\n')[0], text: isDocument ? text : `<svg ${NAMESPACES}>${text}</svg>` });
      await writeFile(join(folder, `${number}.svg`), attacks.at(-1).text);
    }
    server = spawn(program, ['serve', folder, '--listen', '127.0.0.1:0'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    [, origin] = await line(server, /on (http:\S+)/);
    for (const number of attacks.keys()) {
      const response = await fetch(`${origin}/${number}.svg`);
      if (response.status !== 200) {
        assert.ok([415, 422].includes(response.status), `${attacks[number].name}: ${response.status}`);
        continue;
      }
      assert.equal(response.headers.get('content-type'), 'image/svg+xml');
      assert.match(response.headers.get('content-security-policy'), /^default-src 'none';.* sandbox$/);
      assert.equal(response.headers.get('x-content-type-options'), 'nosniff');
      clean.set(number, await response.text());
    }
    plain = await listen((request, response) => {
      const [, kind, number] = request.url.match(/^\/(raw|clean)\/(\d+)\.svg$/) ?? [];
      const text = kind === 'raw' ? attacks[number].text : clean.get(Number(number));
      const type = text === undefined ? 'text/html' : 'image/svg+xml';
      response.writeHead(200, { 'content-type': type }).end(text ?? '<!doctype html><body>');
    });
    page = await openPage(join(folder, 'profile'));
    await page.open(`${address(plain)}/page`);
  });
  after(async () => {
    page?.chromium.kill();
    server?.kill();
    for (const each of [leak, plain]) each?.closeAllConnections();
    leak?.close();
    plain?.close();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Puts elements for these addresses, or this markup, into the page, clicks every link, and waits. */
  const show = (tag, values) =>
    page.run(
      async (tag, values) => {
        if (!document.body) return undefined;
        const holders = values.map((value) => {
          if (tag === 'inline') {
            const holder = document.createElement('div');
            holder.innerHTML = value;
            return holder;
          }
          return Object.assign(document.createElement(tag), { src: value, width: 99, height: 99 });
        });
        const loaded = holders.map((holder) =>
          tag === 'inline' || new Promise((resolve) => (holder.onload = holder.onerror = resolve)));
        document.body.replaceChildren(...holders);
        await Promise.race([Promise.all(loaded), new Promise((resolve) => setTimeout(resolve, 10_000))]);
        for (const holder of holders) {
          let content = holder;
          try { content = holder.contentDocument ?? holder; } catch { /* of another origin */ }
          for (const link of content.querySelectorAll?.('a, rect') ?? []) {
            try { link.dispatchEvent(new MouseEvent('click', { bubbles: true })); } catch { /* it has gone */ }
          }
        }
        await new Promise((resolve) => setTimeout(resolve, 700));
        return true;
      },
      tag,
      values,
    );
  const batches = function* (values) {
    for (let start = 0; start < values.length; start += BATCH) yield values.slice(start, start + BATCH);
  };
  const names = () => [...leaks].map((number) => attacks[number]?.name ?? number).sort();

  test('what is sent runs nothing and asks for nothing', async () => {
    const numbers = [...clean.keys()];
    assert.ok(numbers.length > 200, `${numbers.length} are drawings`);
    const bare = numbers.map((number) => `${address(plain)}/clean/${number}.svg`);
    const served = numbers.map((number) => `${origin}/${number}.svg`);
    for (const [tag, values] of [['iframe', bare], ['img', bare], ['iframe', served], ['inline', [...clean.values()]]]) {
      for (const batch of batches(values)) await show(tag, batch);
      assert.deepEqual(names(), [], `${tag} of ${values[0].slice(0, 60)}`);
    }
  });

  test('what was uploaded does', async () => {
    const raw = [...attacks.keys()].map((number) => `${address(plain)}/raw/${number}.svg`);
    for (const [tag, values] of [['iframe', raw], ['inline', attacks.map(({ text }) => text)]]) {
      for (const batch of batches(values)) {
        // Some lead the whole page elsewhere.
        await show(tag, batch).catch(() => {});
        await page.open(`${address(plain)}/page`);
      }
    }
    console.log(`${leaks.size} of ${attacks.length} attacks work in this browser, ${attacks.length - clean.size} are refused`);
    assert.ok(leaks.size > 80, `only ${leaks.size} attacks work: ${names().join(', ')}`);
  });
});
