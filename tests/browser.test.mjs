// The CDN on a laptop in a real browser: `node --test tests/browser.test.mjs`. Where there is no Chromium, the test is
// skipped, and says so.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { line, openPage, skip } from './chromium.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/image-origin');
const TOKEN = 'correct horse battery staple';
const EDGE = `
token = { cookie = "access" }

[[rules]]
path = "/photo.jpg"
allow = ["token"]

[[rules]]
path = "/*"
allow = ["public"]

[origins.transformer]
service = "lambda"
domain = "transformer.localhost"
region = "us-east-1"
`;

describe('the CDN in a browser', { skip, concurrency: false }, () => {
  let folder, server, page, address;

  before(async () => {
    const built = spawnSync('cargo', ['build', '--quiet', '--locked'], { cwd: root, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    folder = await mkdtemp(join(tmpdir(), 'cdn-browser-'));
    const [edge, keys] = [join(folder, 'edge.toml'), join(folder, 'keys.json')];
    await writeFile(edge, EDGE);
    await writeFile(keys, JSON.stringify({ tokens: [{ name: 'spring', secret: TOKEN }] }));
    const options = ['serve', 'fixtures', '--listen', '127.0.0.1:0', '--cdn', '--edge', edge, '--edge-keys', keys];
    server = spawn(program, options, { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    [, address] = await line(server, /on (http:\S+)/);
    page = await openPage(join(folder, 'profile'));
  });
  after(async () => {
    page?.chromium.kill();
    server?.kill();
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const width = (url) =>
    page.run(
      // A page that has only begun has no body.
      (url) => document.body && new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve(image.naturalWidth);
        image.onerror = () => resolve(0);
        image.src = url;
        document.body.append(image);
      }),
      url,
    );
  const outcome = (wanted) =>
    page.run(
      (wanted) => {
        const text = document.querySelector('#outcome')?.textContent;
        return text?.startsWith(wanted) ? text : null;
      },
      wanted,
    );

  test('without a token the picture does not load', async () => {
    await page.open(`${address}/_cdn/`);
    await page.run(() => document.querySelector('#sign-in')?.hidden === false || null);
    // The page proposes a picture that is there.
    await page.run(() => document.querySelector('#url').value === '/photo.jpg?w=300' || null);
    assert.equal(await width('/photo.jpg?w=300'), 0);
    assert.equal(page.images.at(-1).status, 401);
    await page.run(() => (document.querySelector('#ask').requestSubmit(), true));
    assert.match(await outcome('401'), /LambdaGeneratedResponse from cloudfront .*"code":"unauthorized"/);
  });

  test('with a token as cookie it does', async () => {
    await page.run((token) => {
      document.querySelector('#token').value = token;
      document.querySelector('#sign-in').requestSubmit();
      return true;
    }, TOKEN);
    assert.match(await outcome('200'), /^200 Miss from cloudfront: image\/jpeg, \d+ bytes$/);
    assert.equal(await page.run(() => document.querySelector('#picture').naturalWidth || null), 300);
    const steps = await page.run(() => {
      const stations = [...document.querySelectorAll('details[open] b')].map((station) => station.textContent);
      return stations.length ? stations : null;
    });
    assert.deepEqual(steps, [
      'viewer', 'viewer-request', 'cache', 'origin-request', 'origin', 'origin-response', 'cache', 'viewer-response',
      'viewer',
    ]);
  });

  test('a browser gets what it shows', async () => {
    const type = async (accept) => {
      await page.run((accept) => {
        const select = document.querySelector('#accept');
        select.value = [...select.options].map(({ value }) => value).find((value) => value.startsWith(accept));
        document.querySelector('#url').value = '/photo.jpg?w=200&format=auto';
        document.querySelector('#outcome').textContent = '';
        document.querySelector('#ask').requestSubmit();
        return true;
      }, accept);
      return (await outcome('200')).match(/: (\S+),/)[1];
    };
    assert.equal(await type('image/avif'), 'image/avif');
    assert.equal(await type('image/webp'), 'image/webp');
    assert.equal(await type('*/*'), 'image/jpeg');
  });

  test('the second load, and whatever means the same, is a hit', async () => {
    await page.open(`${address}/_cdn/`);
    for (const url of ['/photo.jpg?w=300', '/photo.jpg?width=0300&fit=inside&utm_source=x', '/photo.jpg?w=150&dpr=2']) {
      assert.equal(await width(url), 300, url);
      const { status, headers } = page.images.at(-1);
      assert.equal(status, 200);
      assert.equal(headers['x-cache'], 'Hit from cloudfront', url);
      assert.match(headers.age, /^\d+$/);
    }
    assert.equal(await width('/photo.jpg?w=301'), 301);
    assert.equal(page.images.at(-1).headers['x-cache'], 'Miss from cloudfront');
  });

  test('after signing out the cache gives nothing away', async () => {
    await page.run(() => document.querySelector('#sign-in')?.hidden === false || null);
    await page.run(() => (document.querySelector('#ask').requestSubmit(), true));
    await outcome('200');
    await page.run(() => (document.querySelector('#sign-out').click(), true));
    await outcome('401');
    const left = await page.run(() => {
      const { display } = getComputedStyle(document.querySelector('#picture'));
      return { display, token: document.querySelector('#token').value };
    });
    assert.deepEqual(left, { display: 'none', token: '' }, 'what was seen and shown before is gone');
    assert.equal(await width('/photo.jpg?w=300'), 0);
  });

  test('where everything is public the page proposes a picture, asks as a browser does, and has no form to sign in', async () => {
    const open = spawn(program, ['serve', 'fixtures', '--listen', '127.0.0.1:0', '--cdn'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    try {
      const [, at] = await line(open, /on (http:\S+)/);
      open.stdout.resume();
      await page.open('about:blank');
      await page.open(`${at}/_cdn/`);
      const shown = await page.run(() => {
        if (!document.querySelector('#examples a')) return null;
        return { url: document.querySelector('#url').value, form: document.querySelector('#sign-in').getClientRects().length };
      });
      assert.deepEqual(shown, { url: '/photo.jpg?w=300', form: 0 });
      await page.run(() => (document.querySelectorAll('#examples a')[1].click(), true));
      assert.match(await outcome('200'), /: image\/avif, \d+ bytes$/);
      assert.equal(await page.run(() => document.querySelector('#picture').getClientRects().length), 1);
      open.kill();
      await new Promise((resolve) => open.once('exit', resolve));
      await page.run(() => (document.querySelector('#ask').requestSubmit(), true));
      await outcome('There is no answer');
      assert.equal(await page.run(() => document.querySelector('#picture').getClientRects().length), 0);
    } finally {
      open.kill();
    }
  });
});
