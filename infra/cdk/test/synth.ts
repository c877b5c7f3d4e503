// Synthesises every variant with `npx cdk synth`, as an operator would, two at a time. Fails if one fails.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { assembly, variants, written, type Variant } from './variants.ts';

async function synthesise(variant: Variant): Promise<void> {
  const { options, outputs } = written(variant);
  rmSync(assembly(variant), { recursive: true, force: true });
  const args = [
    'cdk',
    'synth',
    '--quiet',
    '--strict',
    '-o',
    assembly(variant),
    '-c',
    `options=${options}`,
    '-c',
    `outputs=${outputs}`,
  ];
  const started = performance.now();
  const child = spawn('npx', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (said += data));
  const status = await new Promise((done) => child.on('close', done));
  if (status !== 0) throw new Error(`${variant}: ${said}`);
  console.log(`synthesised ${variant} in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

const started = performance.now();
const waiting = Object.keys(variants) as Variant[];
const worker = async () => {
  for (let variant = waiting.shift(); variant; variant = waiting.shift()) await synthesise(variant);
};
await Promise.all([worker(), worker()]);
console.log(`all variants in ${((performance.now() - started) / 1000).toFixed(1)} s`);
