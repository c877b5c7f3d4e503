// The check of links finds what is broken, and nothing else.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { brokenLinks } from './check.mjs';

test('links, pictures and anchors are followed', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'site-'));
  t.after(() => rmSync(folder, { recursive: true }));
  mkdirSync(join(folder, 'below'));
  writeFileSync(join(folder, 'a.png'), '');
  writeFileSync(join(folder, 'index.html'), '<h1 id="top">x</h1>');
  const table = [
    ['<a href="../index.html">x</a>', []],
    ['<a href="../index.html#top">x</a>', []],
    ['<a href="../">x</a>', []],
    ['<a href="#here" id="here">x</a>', []],
    ['<img src="../a.png?v=1">', []],
    ['<a href="https://example.com/none">x</a> <a href="mailto:a@example.com">x</a>', []],
    ['<script>const link = \'<a href="none">\';</script> <!-- <a href="none"> -->', []],
    ['<code>&lt;a href="none"&gt;</code>', []],
    ['<a href="none.html">x</a>', ['below/page.html: there is no none.html']],
    ['<a href="../index.html#bottom">x</a>', ['below/page.html: index.html has no element bottom']],
    ['<a href="../../outside.html">x</a>', ['below/page.html: there is no ../../outside.html']],
    ['<script src="none.js"></script>', ['below/page.html: there is no none.js']],
  ];
  for (const [html, expected] of table) {
    writeFileSync(join(folder, 'below/page.html'), html);
    assert.deepEqual(brokenLinks(folder), expected, html);
  }
  writeFileSync(join(folder, 'below/page.html'), '');
  writeFileSync(join(folder, 'llms.txt'), '- [a](a.png)\n- [b](b.md)\n');
  assert.deepEqual(brokenLinks(folder), ['llms.txt: there is no b.md']);
  assert.throws(() => brokenLinks(join(folder, 'none')), /ENOENT/);
});
