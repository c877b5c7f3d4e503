// Needs a built image-origin: target/debug/image-origin, or the one that the variable IMAGE_ORIGIN names.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';

import { files } from '../generate.mjs';

test('the generated files are what the grammar says', async () => {
  for (const [file, text] of files()) {
    assert.equal(await readFile(file, 'utf8'), text, `${file.pathname}: run node clients/js/generate.mjs`);
  }
});
