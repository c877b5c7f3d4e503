// Synthesises every variant: one with `npx cdk synth`, as an operator would, and the others in this process, which is many
// times as fast. Fails if one fails, or if one has a warning.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { build } from '../app/app.ts';
import { load } from '../app/options.ts';
import cdk from '../cdk.json' with { type: 'json' };
import { assembly, outputs, variants, written, type Variant } from './variants.ts';

async function asOperator(variant: Variant): Promise<void> {
  const files = written(variant);
  const context = Object.entries(files).flatMap(([name, file]) => ['-c', `${name}=${file}`]);
  const child = spawn('npx', ['cdk', 'synth', '--quiet', '--strict', '-o', assembly(variant), ...context], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const status = await new Promise((done) => child.on('close', done));
  if (status !== 0) throw new Error(`${variant}: ${said}`);
}

// Where assets are, as the command line asks for it.
const context = { ...cdk.context, 'aws:cdk:enable-asset-metadata': true };

function inProcess(variant: Variant): void {
  const app = new App({ context, outdir: assembly(variant) });
  build(app, load(written(variant).options), { outputs });
  const messages = app.synth().stacks.flatMap(({ messages }) => messages);
  if (messages.length > 0)
    throw new Error(`${variant}: ${messages.map(({ id, entry }) => `${id}: ${entry.data}`).join('\n')}`);
}

const started = performance.now();
const seconds = () => ((performance.now() - started) / 1000).toFixed(1);
const [first, ...rest] = Object.keys(variants) as [Variant, ...Variant[]];
for (const variant of [first, ...rest]) rmSync(assembly(variant), { recursive: true, force: true });
await asOperator(first);
console.log(`synthesised ${first} with the CDK's command line after ${seconds()} s`);
for (const variant of rest) {
  inProcess(variant);
  console.log(`synthesised ${variant} after ${seconds()} s`);
}
