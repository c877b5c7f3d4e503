// Makes the npm package of the constructs in target/cdk-package: the compiled constructs and, so that it needs no checkout,
// what they package: the function's program for each architecture that infra/lambda/package.sh has built, and the edge's
// WebAssembly. `npm pack` or `npm publish` in that folder does the rest.
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Artifacts } from '../lib/artifacts.ts';
import { EDGE_FUNCTIONS } from '../lib/image-edge.ts';

const here = fileURLToPath(new URL('..', import.meta.url));
const folder = fileURLToPath(new URL('../../../target/cdk-package/', import.meta.url));
rmSync(folder, { recursive: true, force: true });
const copy = (from: string, to: string) => {
  mkdirSync(dirname(join(folder, to)), { recursive: true });
  cpSync(from, join(folder, to));
};

const compiled = spawnSync('npx', ['tsc', '-p', 'tsconfig.package.json'], { cwd: here, stdio: 'inherit' });
if (compiled.status !== 0) process.exit(1);

const { lambda, shim } = Artifacts.default().props;
const architectures = ['arm64', 'x86_64'].filter((name) => existsSync(join(lambda, name, 'bootstrap')));
if (architectures.length === 0) {
  console.error('there is no bootstrap: infra/lambda/package.sh');
  process.exit(1);
}
for (const name of architectures)
  for (const file of ['bootstrap', 'features']) {
    const from = join(lambda, name, file);
    if (existsSync(from)) copy(from, `artifacts/lambda/${name}/${file}`);
  }
for (const name of EDGE_FUNCTIONS) copy(Artifacts.default().wasm(name), `artifacts/edge/${name}/edge.wasm`);
copy(shim, 'artifacts/edge/index.mjs');

const {
  private: _,
  scripts,
  devDependencies,
  prettier,
  ...published
} = JSON.parse(readFileSync(join(here, 'package.json'), 'utf8'));
writeFileSync(join(folder, 'package.json'), JSON.stringify(published, null, 2));
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) copy(join(here, '../..', licence), licence);
copy(join(here, 'README.md'), 'README.md');
console.log(`${folder}: ${architectures.join(', ')}`);
