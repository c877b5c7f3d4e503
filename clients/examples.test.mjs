// Builds the projects in examples/ with their frameworks, and opens them in a real Chromium against a running server:
// `node --test clients/examples.test.mjs`. EXAMPLES names some of them, with commas between; SCREENSHOTS names a folder for
// pictures of the pages. It takes minutes, the npm registry and Node.js 22, so it is no part of what every change must pass.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { line, openPage, skip } from '../tests/chromium.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = process.env.IMAGE_ORIGIN ?? join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/image-origin');
const chosen = (process.env.EXAMPLES ?? 'next,nuxt,astro,react,svelte,element').split(',');
const VIEWPORTS = [400, 800, 1600];
/** What some frameworks need. */
const NODE = { astro: 22, nuxt: 22 };
/** The upright width of each original: no larger picture comes back. */
const ORIGINALS = { 'photo.jpg': 1200, 'photo.webp': 600, 'photo.png': 600 };

/** A server's own port, free at this moment. */
async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Waits until somebody answers. */
async function answering(url) {
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const answer = await fetch(url).catch(() => undefined);
    if (answer?.ok) return;
    assert.ok(Date.now() < end, `nobody answers at ${url}`);
  }
}

describe('the examples in a browser', { skip, concurrency: false }, () => {
  let folder, images, server, page;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'examples-'));
    const options = ['serve', 'fixtures', '--listen', '127.0.0.1:0', '--deadline', '300', '--playground', 'off'];
    server = spawn(program, options, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    [, images] = await line(server, /on (http:\S+)/);
    server.stdout.resume();
    page = await openPage(join(folder, 'profile'));
  });
  after(async () => {
    page?.chromium.kill();
    server?.kill();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Installs, builds and starts a project; gives its address and what ends it. */
  async function start(name) {
    const cwd = join(root, 'examples', name);
    const port = await freePort();
    const environment = {
      ...process.env, IMAGES: images, VITE_IMAGES: images, NEXT_PUBLIC_IMAGES: images,
      PORT: port, HOST: '127.0.0.1', NEXT_TELEMETRY_DISABLED: '1', ASTRO_TELEMETRY_DISABLED: '1', NUXT_TELEMETRY_DISABLED: '1',
    };
    for (const step of [['ci'], ['run', 'build']]) {
      const { status, stdout, stderr } = spawnSync('npm', step, { cwd, env: environment, encoding: 'utf8' });
      assert.equal(status, 0, `npm ${step.join(' ')}: ${stdout}${stderr}`);
    }
    const more = name === 'nuxt' ? [] : ['--', '--port', String(port)];
    // A group of its own, so that what npm starts ends with it.
    const running = spawn('npm', ['start', ...more], { cwd, env: environment, stdio: 'ignore', detached: true });
    const address = `http://localhost:${port}/`;
    await answering(address);
    return { address, stop: () => process.kill(-running.pid) };
  }

  /** The page with the element, and the client's modules beside it, as they are. */
  async function startElement() {
    const files = createServer(async (request, answer) => {
      const isScript = request.url.startsWith('/image-origin/');
      const file = isScript ? `clients/js/src/${request.url.slice(14)}` : 'examples/element/index.html';
      const text = await readFile(join(root, file), 'utf8');
      answer.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
      answer.end(text.replaceAll('http://127.0.0.1:8080', images));
    });
    await new Promise((resolve) => files.listen(0, '127.0.0.1', resolve));
    return { address: `http://127.0.0.1:${files.address().port}/`, stop: () => files.close() };
  }

  /** Every picture of the page once all have come: where from, among what, and how wide it is shown. */
  const pictures = () =>
    page.run(async () => {
      const found = [...document.querySelectorAll('img')];
      if (!found.length || found.some((image) => !image.complete)) return null;
      return Promise.all(found.map(async (image) => {
        const own = new Image();
        own.src = image.currentSrc;
        await own.decode();
        const sources = [...(image.parentElement.tagName === 'PICTURE' ? image.parentElement.children : [image])];
        const srcset = sources.map((source) => source.srcset).find((text) => text.includes(image.currentSrc)) ?? '';
        return { url: image.currentSrc, srcset, shown: image.getBoundingClientRect().width, pixels: own.naturalWidth, alt: image.alt };
      }));
    });

  /** That a picture is the one which the layout needs: the smallest candidate that fills its place. */
  function check({ url, srcset, shown, pixels, alt }) {
    assert.ok(url.startsWith(`${images}/`), url);
    const wide = Number(new URL(url).searchParams.get('w'));
    const original = ORIGINALS[new URL(url).pathname.slice(1)];
    assert.equal(pixels, Math.min(wide, original), `${alt}: ${url}`);
    const candidates = srcset.split(/,\s+/).map((text) => text.trim().split(/\s+/));
    if (!candidates[0][1]?.endsWith('w')) {
      // By ratio: the smallest one. Frameworks may round widths up to those that they offer.
      const least = Math.min(...candidates.map(([candidate]) => Number(new URL(candidate || url).searchParams.get('w'))));
      return assert.ok(wide === least && wide >= Math.floor(shown) && wide < 1.5 * shown, `${alt}: ${wide} for ${shown}`);
    }
    const widths = candidates.map(([, descriptor]) => parseInt(descriptor, 10)).sort((a, b) => a - b);
    assert.equal(wide, widths.find((width) => width >= Math.floor(shown)) ?? widths.at(-1), `${alt}: ${shown} of ${widths}`);
  }

  for (const name of chosen) {
    const isOld = parseInt(process.versions.node, 10) < NODE[name] && `it takes Node.js ${NODE[name]}`;
    test(name, { skip: isOld }, async () => {
      const { address, stop } = name === 'element' ? await startElement() : await start(name);
      try {
        const asked = new Set();
        for (const width of VIEWPORTS) {
          await page.send('Emulation.setDeviceMetricsOverride', { width, height: 1200, deviceScaleFactor: 1, mobile: false });
          await page.open('about:blank');
          await page.open(address);
          const found = await pictures();
          assert.ok(found.length >= 2, `${found.length} pictures`);
          found.forEach(check);
          const half = found.find(({ alt }) => alt === 'Half of the window');
          assert.ok(Math.abs(half.shown - width / 2) < 10, `${half.shown} of ${width}`);
          asked.add(half.url);
          if (process.env.SCREENSHOTS) {
            const { data } = await page.send('Page.captureScreenshot', { format: 'png' });
            await writeFile(join(process.env.SCREENSHOTS, `${name}-${width}.png`), data, 'base64');
          }
        }
        assert.equal(asked.size, VIEWPORTS.length, `each width has its own picture: ${[...asked]}`);
        assert.deepEqual(page.errors.splice(0), []);
      } finally {
        stop();
      }
    });
  }
});
