// The playground in a real browser, with 2,000 pictures in its folder: `node --test tests/playground.test.mjs`. SCREENSHOTS
// names a folder for pictures of it. Where there is no Chromium, the test is skipped, and says so.
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { copyFile, link, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { line, openPage, skip } from './chromium.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const program = join(process.env.CARGO_TARGET_DIR ?? join(root, 'target'), 'debug/image-origin');
const COPIES = 2000;

/** axe-core's script, which is fetched once. */
async function axe() {
  const file = join(root, 'target/axe/node_modules/axe-core/axe.min.js');
  const have = () => readFile(file, 'utf8').catch(() => undefined);
  if (!(await have())) {
    const install = ['install', '--prefix', join(root, 'target/axe'), '--no-save', '--no-audit', '--no-fund', 'axe-core@4.14.1'];
    spawnSync('npm', install, { stdio: 'inherit' });
  }
  return (await have()) ?? assert.fail('axe-core cannot be fetched');
}

describe('the playground in a browser', { skip, concurrency: false }, () => {
  let folder, page, address;
  const servers = [];

  async function serve(...options) {
    const server = spawn(program, ['serve', ...options, '--listen', '127.0.0.1:0', '--deadline', '120'], { cwd: root, stdio: ['ignore', 'pipe', 'ignore'] });
    servers.push(server);
    const [, at] = await line(server, /on (http:\S+)/);
    // What it prints after that.
    server.stdout.resume();
    return at;
  }

  before(async () => {
    const built = spawnSync('cargo', ['build', '--quiet', '--locked'], { cwd: root, encoding: 'utf8' });
    assert.equal(built.status, 0, built.stderr);
    folder = await mkdtemp(join(tmpdir(), 'playground-'));
    const pictures = join(folder, 'pictures');
    await mkdir(join(pictures, 'more'), { recursive: true });
    await copyFile(join(root, 'fixtures/photo.jpg'), join(pictures, 'photo.jpg'));
    await writeFile(join(pictures, 'broken.jpg'), 'this is no picture');
    const small = join(pictures, 'more/0.webp');
    await copyFile(join(root, 'fixtures/photo.webp'), small);
    for (let i = 1; i < COPIES; i += 1) await link(small, join(pictures, `more/${i}.webp`));
    await copyFile(small, join(pictures, "a %2F#?&'<b> ü.webp"));
    address = await serve(pictures);
    page = await openPage(join(folder, 'profile'));
  });
  after(async () => {
    page?.chromium.kill();
    servers.forEach((server) => server.kill());
    await new Promise((resolve) => setTimeout(resolve, 500));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  /** Takes a picture of the page for people, where SCREENSHOTS names a folder. */
  async function screenshot(name) {
    if (!process.env.SCREENSHOTS) return;
    const { data } = await page.send('Page.captureScreenshot', { format: 'png' });
    await writeFile(join(process.env.SCREENSHOTS, `${name}.png`), data, 'base64');
  }

  /** Opens an address, and waits until its scripts have run. */
  async function open(url) {
    await page.open(url);
    await page.run(() => document.readyState !== 'loading' || null);
  }

  const resize = (width, height) =>
    page.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: width < 600 });
  const colours = (value) => page.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value }] });

  /** Types into a control, as a person would, and waits for the outcome. */
  const change = (name, value) =>
    page.run(async (name, value) => {
      const [input, outcome] = [document.querySelector(`#p-${name}`), document.querySelector('#outcome')];
      outcome.textContent = '';
      document.querySelector('#error').hidden = true;
      input.value = value;
      input.dispatchEvent(new Event('input', { bubbles: true }));
      return true;
    }, name, value).then(settled);
  const settled = () =>
    page.run(() => {
      const done = document.querySelector('#outcome').textContent || !document.querySelector('#error').hidden;
      return done ? document.querySelector('#outcome').textContent : null;
    });
  const text = (selector) => page.run((selector) => document.querySelector(selector).textContent || null, selector);

  test('it opens with a picture and what became of it', async () => {
    await resize(1400, 1000);
    await open(`${address}/`);
    assert.match(await settled(), /^[\d.]+ kB in \d+ ms, [\d.]+ % less than the original$/);
    assert.equal(await page.run(() => document.querySelector('#result').naturalWidth || null), 400);
    assert.match(await text('#original-facts'), /^1200 × 900, jpeg, 135\.7 kB$/);
    assert.equal(await page.run(() => (document.querySelector('#key').value)), '/photo.jpg');
    const formats = await page.run(() => {
      const items = [...document.querySelectorAll('#formats li')].map((item) => item.textContent);
      return items.length === 3 ? items : null;
    });
    assert.match(formats.join('; '), /^AVIF: .* kB in \d+ ms.*; WEBP: .*; JPEG: .*$/);
    await screenshot('desktop');
  });

  test('every parameter of the grammar has a control with a name and a hint', async () => {
    const grammar = JSON.parse(spawnSync(program, ['grammar', '--json'], { encoding: 'utf8' }).stdout);
    for (const { name } of grammar.parameters.filter(({ name }) => !['info', 'showExif'].includes(name))) {
      const found = await page.run((id) => {
        const input = document.getElementById(id);
        const [hint] = (input?.getAttribute('aria-describedby') ?? '').split(' ');
        return Boolean(input?.labels.length && document.getElementById(hint)?.textContent);
      }, `p-${name}`);
      assert.ok(found, name);
    }
  });

  test('a change shows, and the address of the page keeps it', async () => {
    await change('w', '300');
    await change('format', 'webp');
    assert.match(await text('#result-facts'), /^300 × 225, webp, [\d.]+ kB$/);
    assert.equal(await page.run(() => location.hash), '#/photo.jpg?w=300&format=webp');
    await open('about:blank');
    await open(`${address}/#/photo.jpg?width=120&format=png`);
    await settled();
    assert.match(await text('#result-facts'), /^120 × 90, png/);
  });

  test('what is wrong is said where it is', async () => {
    await change('w', '0');
    assert.match(await text('#error'), /invalid value 0 for `w`/);
    const marked = await page.run(() => {
      const input = document.querySelector('#p-w');
      return [input.getAttribute('aria-invalid'), document.querySelector('#p-w-problem').textContent];
    });
    assert.deepEqual(marked, ['true', 'Takes a whole number from 1 to 16383.']);
    await screenshot('error');
    await change('w', '200');
    assert.equal(await page.run(() => document.querySelector('#error').hidden), true);
  });

  test('a click on the original is a point, a drag an area', async () => {
    const at = async (type, x, y) => {
      const box = await page.run(() => {
        const { left, top, width, height } = document.querySelector('#original').getBoundingClientRect();
        return width > 100 ? { left, top, width, height } : null;
      });
      const place = { x: box.left + box.width * x, y: box.top + box.height * y };
      await page.send('Input.dispatchMouseEvent', { type, ...place, button: 'left', buttons: 1, clickCount: 1 });
    };
    await at('mousePressed', 0.25, 0.5);
    await at('mouseReleased', 0.25, 0.5);
    const gravity = await page.run(() => document.querySelector('#p-gravity').value || null);
    gravity.split(',').forEach((share, i) => assert.ok(Math.abs(share - [0.25, 0.5][i]) < 0.01, gravity));
    await at('mousePressed', 0.1, 0.2);
    await at('mouseMoved', 0.4, 0.5);
    await at('mouseReleased', 0.6, 0.7);
    const crop = await page.run(() => document.querySelector('#p-crop').value || null);
    crop.split(',').forEach((share, i) => assert.ok(Math.abs(share - [0.1, 0.2, 0.5, 0.5][i]) < 0.01, crop));
    await settled();
    assert.match(await page.run(() => location.hash), /gravity=0\.25\d*,0\.\d+&crop=0\.1/);
    await screenshot('crop');
    await page.run(() => (document.querySelector('#reset').click(), true));
  });

  test('tabs are used by keyboard, and show the snippets, facts and metadata', async () => {
    await change('w', '400');
    const press = (key) => page.send('Input.dispatchKeyEvent', { type: 'keyDown', key, code: key });
    await page.run(() => (document.querySelector('#tab-0').focus(), true));
    assert.equal(await text('#text'), `${address}/photo.jpg?w=400`);
    await press('ArrowRight');
    assert.match(await text('#text'), /^<img src=".*\?w=400"\n {5}srcset=".*w=200 200w,[^]*w=800 800w"\n {5}sizes=/);
    await press('ArrowRight');
    const snippet = await text('#text');
    const [width, height] = await page.run(() => [document.querySelector('#result').naturalWidth, document.querySelector('#result').naturalHeight]);
    assert.match(snippet, new RegExp(`sizes="[^"]*" width="${width}" height="${height}" style="max-width: 100%; height: auto" alt=""`));
    await press('End');
    await page.run(() => (document.querySelector('#text').textContent.includes('"make": "Example Corp."') || document.querySelector('#text').textContent.includes('Example Corp.') ? true : null));
    await press('ArrowLeft');
    await page.run(() => (document.querySelector('#text').textContent.includes('"thumbhash"') ? true : null));
    // The snippet works where it is pasted.
    const pasted = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(`<!doctype html>${snippet}`));
    await new Promise((resolve) => pasted.listen(0, '127.0.0.1', resolve));
    await open(`http://127.0.0.1:${pasted.address().port}/`);
    pasted.close();
    assert.ok([200, 400, 600, 800].includes(await page.run(() => document.querySelector('img')?.naturalWidth || null)));
    assert.match(await page.run(() => document.querySelector('img').currentSrc), /format=avif/);
    assert.deepEqual(await page.run(() => [document.querySelector('img').clientWidth, document.querySelector('img').clientHeight]), [width, height]);
  });

  test('thousands of pictures are listed, and loaded as they come into view', async () => {
    page.images.length = 0;
    await open(`${address}/`);
    await settled();
    assert.equal(await page.run(() => document.querySelectorAll('#pictures li:not(.note)').length), COPIES + 3);
    assert.ok(page.images.length < 400, `${page.images.length} pictures loaded`);
    await page.run(() => {
      const filter = document.querySelector('#filter');
      filter.value = '<B>';
      filter.dispatchEvent(new Event('input'));
      return document.querySelector('#count').textContent === '1 found' || null;
    });
    await page.run(() => (document.querySelector('#outcome').textContent = '', document.querySelector('#pictures li:not([hidden]) a').click(), true));
    assert.match(await settled(), /^[\d.]+ kB in /, await page.run(() => document.querySelector('#error').textContent));
    assert.equal(await page.run(() => document.querySelector('#result').naturalWidth || null), 400);
    assert.equal(await page.run(() => document.querySelector('#key').value), "/a %2F#?&'<b> ü.webp");
    await page.run(() => {
      document.querySelector('#filter').value = '';
      document.querySelector('#filter').dispatchEvent(new Event('input'));
      document.querySelector('#pictures').scrollIntoView();
      return true;
    });
    await page.run(() => (document.querySelector('#pictures img').naturalWidth === 160 ? true : null));
    await screenshot('list');
    await page.run(() => ([...document.querySelectorAll('#pictures a')].find((link) => link.textContent === 'broken.jpg').click(), true));
    await page.run(() => (document.querySelector('#error').textContent.includes('image') ? true : null));
  });

  test('axe finds nothing, by day, by night and on a phone, and nothing is wider than the screen', async () => {
    const script = await axe();
    await open('about:blank');
    await open(`${address}/#/photo.jpg?w=300`);
    await settled();
    await page.run(() => (document.querySelectorAll('#formats li').length === 3 ? true : null));
    await page.run(() => {
      document.querySelectorAll('details').forEach((details) => { details.open = true; });
      // A list of thousands of equal items would take minutes.
      document.querySelectorAll('#pictures li:nth-child(n + 30)').forEach((item) => item.remove());
      return true;
    });
    await page.send('Runtime.evaluate', { expression: script });
    for (const [scheme, width, height] of [['light', 1400, 1000], ['dark', 1400, 1000], ['dark', 390, 844], ['light', 390, 844]]) {
      await colours(scheme);
      await resize(width, height);
      await screenshot(`${scheme}-${width}`);
      assert.equal(await page.run(() => document.documentElement.scrollWidth <= innerWidth), true, `${scheme} ${width}`);
      const violations = await page.run(async () => {
        const { violations } = await axe.run();
        return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).slice(0, 3).join(' ')}`);
      });
      assert.deepEqual(violations, [], `${scheme} ${width}`);
    }
    await colours('light');
    await resize(1400, 1000);
  });

  test('nothing was refused by the policy of the page, and no script failed', () => {
    assert.deepEqual(page.errors, []);
  });

  test('without JavaScript there are links to the pictures', async () => {
    await page.send('Emulation.setScriptExecutionDisabled', { value: true });
    await open(`${address}/`);
    const links = await page.run(() => {
      const links = [...document.querySelectorAll('#pictures a')];
      return links.length ? [links.length, links.map((link) => link.href).find((href) => href.endsWith('/photo.jpg'))] : null;
    });
    assert.deepEqual(links, [COPIES + 3, `${address}/photo.jpg`]);
    assert.equal(await page.run(() => getComputedStyle(document.querySelector('#bench')).display), 'none');
    await screenshot('without-script');
    await page.send('Emulation.setScriptExecutionDisabled', { value: false });
  });

  test('with a CDN it leads to the page of the CDN, whose sign-in is hidden while there is nothing to sign in to', async () => {
    const cdn = await serve('fixtures', '--cdn');
    await open(`${cdn}/`);
    await settled();
    assert.equal(await page.run(() => document.querySelector('nav a[href="/_cdn/"]').checkVisibility()), true);
    await open(`${cdn}/_cdn/`);
    // The page has asked what there is by then.
    await page.run(() => (document.querySelector('#examples')?.childNodes.length ? true : null));
    assert.equal(await page.run(() => getComputedStyle(document.querySelector('#sign-in')).display), 'none');
    await screenshot('cdn');
    await open(`${address}/`);
    await page.run(() => (document.querySelector('#pictures a') ? true : null));
    assert.equal(await page.run(() => document.querySelector('nav a[href="/_cdn/"]').checkVisibility()), false);
  });
});
