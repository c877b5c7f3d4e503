// The kinds of deployment that are synthesised and tested, as options. They are built for this machine's architecture, so
// that what is packaged can be run.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { root } from './root.ts';

const example = (name: string) => fileURLToPath(new URL(`../examples/${name}`, import.meta.url));
const architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';

export const base = {
  account: '111122223333',
  region: 'eu-west-1',
  function: { architecture, concurrency: 20 },
  edge: { config: example('public.toml') },
  // What it can cost has a bound, and somebody is told: so synthesis has nothing to warn of.
  alarms: { email: 'ops@example.com' },
};

const key = 'arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555';

export const variants = {
  edge: {},
  oac: { signing: 'oac', storage: { prefix: '/originals' }, originShield: 'auto' },
  'object-lambda': { objectLambda: 'behind-cdn' },
  domain: {
    name: 'pics',
    domain: { names: ['images.example.com', 'example.com'], zone: { id: 'Z0123456789', name: 'example.com' } },
    waf: {},
    accessLogDays: 90,
    cacheKey: 'listed',
    objectLambda: 'beside',
    function: { architecture, concurrency: 50, settings: { deadline: 5, workers: 2 }, results: {} },
  },
  private: { cognito: true, edge: { config: example('private.toml'), keys: `${root}examples/keys.json` } },
  existing: {
    distribution: 'E1EXAMPLE2DIST',
    signing: 'oac',
    originShield: 'eu-west-2',
    storage: { keyArn: key },
    signedUrls: { publicKeys: [example('signed-urls.pem')], keyGroups: ['11111111-aaaa-bbbb-cccc-222222222222'] },
  },
  functions: { edge: { engine: 'functions', config: example('public.toml') }, signing: 'oac', files: [] },
  // Where neither CloudFront's functions nor the partition `aws` are.
  china: { region: 'cn-north-1', distribution: 'none' },
  imported: { region: 'us-east-1', storage: { import: 'my-photos', prefix: '/originals' }, originals: 'direct' },
} as const;

export type Variant = keyof typeof variants;

/** Names that AWS gives, as the command line writes them down. */
export const outputs = {
  'image-origin-auth': { PoolId: 'eu-west-1_AbCdEfGhI', ClientId: '1example23456789' },
};

/** Where a variant's assembly is. */
export const assembly = (variant: Variant) => join(root, 'target/cdk', variant);

/** Writes a variant's options and outputs to files, for the command line. */
export function written(variant: Variant): { options: string; outputs: string } {
  const folder = join(root, 'target/cdk');
  mkdirSync(folder, { recursive: true });
  const files = { options: join(folder, `${variant}.json`), outputs: join(folder, 'outputs.json') };
  writeFileSync(files.options, JSON.stringify({ ...base, ...variants[variant] }));
  writeFileSync(files.outputs, JSON.stringify(outputs));
  return files;
}
