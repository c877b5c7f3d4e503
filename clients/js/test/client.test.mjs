import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { inflateSync } from 'node:zlib';

import { BadParameter, createClient, placeholder, sign, thumbHashToRGBA, url } from '../src/index.js';

const vectors = JSON.parse(await readFile(new URL('../../vectors.json', import.meta.url), 'utf8'));
const { secret, expires } = vectors;

test('URLs and signatures are the server’s own', async () => {
  assert.ok(vectors.urls.length >= 1000);
  for (const [key, options, signed] of vectors.urls) {
    const set = JSON.stringify([key, options]);
    if (signed === null) {
      assert.throws(() => url(key, options), BadParameter, set);
      continue;
    }
    const canonical = signed.replace(/[?&]expires=.*/, '');
    assert.equal(url(key, options), canonical, set);
    assert.equal(await sign(url(key, options), { secret, expires }), signed, set);
    // Any way of writing it, behind any origin.
    const pairs = Object.entries({ ...options, utm_source: 'x' });
    const plain = `https://img.example.com/${encodeURI(key).replace(/\?/g, '%3F')}?${new URLSearchParams(pairs)}#top`;
    assert.equal(await sign(plain, { secret, expires }), `https://img.example.com${signed}`, plain);
  }
});

test('ThumbHashes are painted as the server’s library paints them', () => {
  for (const { hash, width, height, rgba } of vectors.thumbhashes) {
    const painted = thumbHashToRGBA(Buffer.from(hash, 'base64'));
    assert.deepEqual([painted.width, painted.height], [width, height]);
    // It rounds down.
    Buffer.from(rgba, 'base64').forEach((value, i) => assert.ok(Math.abs(value - painted.pixels[i]) <= 1, `${hash} ${i}`));
  }
});

test('a placeholder is a PNG that anything can read', () => {
  const facts = { dominant_color: '#336699', width: 600, height: 400 };
  for (const [at, channels] of [[0, 3], [1, 4]]) {
    const { src, style, color } = placeholder({ ...facts, thumbhash: vectors.thumbhashes[at].hash });
    assert.match(style, /^background: #336699 url\("data:.*"\) center \/ cover no-repeat; aspect-ratio: 600 \/ 400$/);
    assert.equal(color, '#336699');
    const png = Buffer.from(src.split(',')[1], 'base64');
    assert.ok(src.length < 1600, `${src.length} characters`);
    const [width, height] = [png.readUInt32BE(16), png.readUInt32BE(20)];
    assert.equal(Math.max(width, height), 16);
    const length = png.readUInt32BE(33);
    // Checks the checksum of zlib, too.
    assert.equal(inflateSync(png.subarray(41, 41 + length)).length, height * (1 + width * channels));
  }
});

test('v is any text of up to 64 characters, and none is one', () => {
  const table = [
    ['', '/a.jpg'],
    ['none', '/a.jpg?v=none'],
    [7, '/a.jpg?v=7'],
    ['ü'.repeat(64), `/a.jpg?v=${'%C3%BC'.repeat(64)}`],
    ['\u{1F600}'.repeat(64), `/a.jpg?v=${'%F0%9F%98%80'.repeat(64)}`],
  ];
  for (const [v, expected] of table) assert.equal(url('a.jpg', { v }), expected);
  for (const v of ['x'.repeat(65), 'a\nb', 'a\u0085b']) assert.throws(() => url('a.jpg', { v }), BadParameter, JSON.stringify(v));
});

test('a key is a name, whatever is in it', () => {
  const table = [
    ['photo.jpg', '/photo.jpg'],
    ['/photo.jpg', '/photo.jpg'],
    ['a b/ü+%20.jpg', '/a%20b/%C3%BC%2B%2520.jpg'],
    ['a//b', '/a//b'],
  ];
  for (const [key, expected] of table) assert.equal(url(key), expected);
  for (const key of ['', '/', '../a', 'a/./b', 'a\nb', '..']) assert.throws(() => url(key), TypeError, key);
});

test('what cannot be is said by the name of the parameter', () => {
  const table = [
    [{ w: 0 }, /^invalid value 0 for `w`: expected a whole number from 1 to 16383$/],
    [{ width: 'wide' }, /^invalid value wide for `w`/],
    [{ w: 9000, dpr: 2 }, /^invalid value 2 for `dpr`: expected at most what keeps w times dpr within 16383$/],
    [{ w: NaN }, /^invalid value NaN for `w`/],
    [{ w: Infinity }, /^invalid value Infinity for `w`/],
    [{ q: 1e-9 }, /^invalid value 0\.0000\d* for `q`/],
    [{ fit: 'crop' }, /^invalid value crop for `fit`: expected one of inside, /],
    [{ tint: 'ffff0080' }, /^invalid value ffff0080 for `tint`/],
    [{ wdith: 1 }, /^wdith is no parameter of a picture$/],
    [{ toString: 1 }, /^toString is no parameter/],
  ];
  for (const [options, message] of table) assert.throws(() => url('a.jpg', options), { message });
  assert.equal(url('a.jpg', { w: undefined, h: null }), '/a.jpg');
});

test('a client has a base and defaults', () => {
  const client = createClient({ base: 'https://img.example.com/v1/', defaults: { format: 'auto', q: 70 } });
  assert.equal(client.url('a.jpg', { w: 300 }), 'https://img.example.com/v1/a.jpg?format=auto&q=70&w=300');
  assert.equal(client.url('a.jpg', { format: undefined, quality: 60 }), 'https://img.example.com/v1/a.jpg?q=60');
});

test('a srcset offers what layouts need', () => {
  const { srcset, picture } = createClient();
  assert.deepEqual(srcset('a.jpg', { widths: [300, 600], sizes: '50vw', q: 60 }), {
    src: '/a.jpg?q=60&w=300',
    srcset: '/a.jpg?q=60&w=300 300w, /a.jpg?q=60&w=600 600w',
    sizes: '50vw',
  });
  assert.deepEqual(srcset('a.jpg', { w: 100, h: 50, dpr: [1, 1.5, 2], fit: 'cover' }), {
    src: '/a.jpg?fit=cover&h=50&w=100',
    srcset:
      '/a.jpg?fit=cover&h=50&w=100 1x, /a.jpg?fit=cover&h=75&w=150 1.5x, /a.jpg?fit=cover&h=100&w=200 2x',
  });
  assert.equal(srcset('a.jpg', { w: 100 }).srcset, '/a.jpg?w=100 1x, /a.jpg?w=200 2x');
  // The ratio of the box is kept, and what the original does not have is not offered.
  assert.equal(
    srcset('a.jpg', { w: 200, h: 100, widths: [400, 800, 1200], max: 1000, fit: 'cover' }).srcset,
    '/a.jpg?fit=cover&h=200&w=400 400w, /a.jpg?fit=cover&h=400&w=800 800w, /a.jpg?fit=cover&h=500&w=1000 1000w',
  );
  assert.equal(srcset('a.jpg').srcset.split(', ').length, 8);
  assert.throws(() => srcset('a.jpg', { dpr: [1, 2] }), /takes w or h/);
  assert.deepEqual(picture('a.jpg', { widths: [300], sizes: '300px' }), {
    sources: ['avif', 'webp'].map((format) => (
      { type: `image/${format}`, srcset: `/a.jpg?format=${format}&w=300 300w`, sizes: '300px' })),
    img: { src: '/a.jpg?w=300', srcset: '/a.jpg?w=300 300w', sizes: '300px' },
  });
});

test('what cannot be signed is refused', async () => {
  const table = [
    ['a.jpg', /must start with a slash/],
    ['/%ff', /not UTF-8/],
    ['/%2500', /control character/],
    ['/%252525252541', /encoded more than 4 times/],
    [`/${'a'.repeat(8192)}`, /longer than 8192/],
    ['/a.jpg?w=0', /invalid value 0 for `w`/],
  ];
  for (const [path, message] of table) await assert.rejects(sign(path, { secret, expires }), { message });
  await assert.rejects(sign('/a.jpg', { secret: 'short' }), /at least 32 bytes/);
  await assert.rejects(sign('/a.jpg', { secret, expires: 1e10 }), /2286/);
  const bytes = new TextEncoder().encode(secret);
  const date = new Date(expires * 1000 + 999);
  assert.equal(await sign('/b/../a.jpg', { secret: bytes, expires: date }), await sign('/a.jpg', { secret, expires }));
  const [, end] = (await sign('/a.jpg', { secret, expiresIn: 60 })).match(/\?expires=(\d+)/);
  assert.ok(Math.abs(end - Date.now() / 1000 - 60) < 30);
});
