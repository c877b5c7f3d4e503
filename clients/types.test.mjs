// The declarations of the client, held by `tsc --strict` against code that uses them, and against code that must not pass.
// TypeScript and the declarations of React and Svelte come from the npm registry: `node --test clients/types.test.mjs`.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));
const project = join(root, 'target/types');
const PACKAGES = ['typescript@7.0.2', '@types/react@19.3.0', 'svelte@5.57.3'];

/** Code that is right, and after each `@ts-expect-error` a line that is not: `tsc` fails where such a line passes. */
const CODE = `
import { createClient, placeholder, sign, url, BadParameter, type Info, type TransformOptions } from 'image-origin';
import astro from 'image-origin/astro';
import { ImageOrigin } from 'image-origin/element';
import { createLoader } from 'image-origin/next';
import nuxt from 'image-origin/nuxt';
import { createPicture } from 'image-origin/react';
import { Picture, type PictureProps } from 'image-origin/svelte';
import { extract, generate, transform } from 'image-origin/unpic';

const options: TransformOptions = { w: 300, h: '200', fit: 'cover', gravity: 'attention', q: 60, lossless: true, crop: [0, 0, 10, 10] };
const client = createClient({ base: 'https://img.example.com', defaults: { format: 'auto' } });
const text: string = client.url('a.jpg', options);
const { src, srcset, sizes }: { src: string; srcset: string; sizes?: string } = client.srcset('a.jpg', { widths: [100, 200], sizes: '50vw' });
const first: string | undefined = client.picture('a.jpg', { formats: ['avif'] }).sources[0]?.type;
const info: Info = await client.info('a.jpg', { signal: AbortSignal.timeout(1000) });
const style: string = placeholder(info, { size: 8 }).style;
const signed: Promise<string> = sign(text, { secret: new Uint8Array(32), expires: new Date() });
const loader: (request: { src: string; width: number }) => string = createLoader();
const rendered = createPicture({ base: '/img' })({ image: 'a.jpg', alt: '', className: 'x', options: { blur: 2 } }).type;
const props: PictureProps = { client, image: 'a.jpg', alt: '', class: 'x' };
const moved: string = transform(generate('a.jpg', { w: 1 }), extract('/a.jpg?w=3')?.operations ?? {});
const custom: ImageOrigin = document.createElement('image-origin');
const provided: string = nuxt().getImage('a.jpg', { modifiers: { w: 3 } }).url;
const service: string = astro.getURL({}, {});
if (new Error() instanceof BadParameter) throw new BadParameter();
export { src, srcset, sizes, first, style, signed, loader, rendered, props, moved, custom, provided, service, Picture };

// @ts-expect-error a word that is not one of the parameter's
url('a.jpg', { fit: 'covered' });
// @ts-expect-error a parameter that does not exist
url('a.jpg', { wdith: 300 });
// @ts-expect-error no number
url('a.jpg', { w: 'wide' });
// @ts-expect-error a list of ratios is for srcset
url('a.jpg', { dpr: [1, 2] });
// @ts-expect-error a secret is needed
sign(text, {});
// @ts-expect-error a picture has an alternative text
createPicture()({ image: 'a.jpg' });
// @ts-expect-error a format that is not written
client.picture('a.jpg', { formats: ['tiff'] });
`;

const OPTIONS = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  module: 'nodenext',
  target: 'es2023',
  lib: ['es2023', 'dom', 'dom.iterable'],
  types: [],
};

test('tsc --strict takes what is right, and refuses what is not', async () => {
  await mkdir(project, { recursive: true });
  const tsc = join(project, 'node_modules/.bin/tsc');
  if (!existsSync(tsc)) {
    const install = ['install', '--prefix', project, '--no-save', '--no-audit', '--no-fund', ...PACKAGES];
    spawnSync('npm', install, { stdio: 'inherit' });
  }
  // As it is installed from the registry: what package.json exports.
  const installed = join(project, 'node_modules/image-origin');
  await rm(installed, { recursive: true, force: true });
  await cp(join(root, 'clients/js'), installed, { recursive: true });
  await writeFile(join(project, 'package.json'), '{ "private": true, "type": "module" }');
  await writeFile(join(project, 'tsconfig.json'), JSON.stringify({ compilerOptions: OPTIONS, files: ['use.mts'] }));
  await writeFile(join(project, 'use.mts'), CODE);
  const { status, stdout } = spawnSync(tsc, [], { cwd: project, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
});
