// What is uploaded for each function, as a folder that the CDK zips: the Lambda function's binary, and for each function
// at the edge its WebAssembly, its shim, its configuration and its keys. Equal contents make equal assets, so a second
// deployment of the same changes nothing.
import { chmodSync, copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Names } from './names.ts';
import { files, type Options } from './options.ts';
import { BuildError, compileEdge, root } from './program.ts';

export type EdgeFunction = 'viewer-request' | 'origin-request' | 'origin-response';

/** Who signs in viewers with JWTs, as the edge wants to know it. */
export interface Issuer {
  readonly issuer: string;
  readonly audience: string;
}

/**
 * All there are. They are always deployed, whether the distribution calls them or not: a function that it has called a
 * moment ago cannot be deleted, nor its name be used again.
 */
export const EDGE_FUNCTIONS: readonly EdgeFunction[] = ['viewer-request', 'origin-request', 'origin-response'];

// What `e_machine` of the ELF header is for each architecture.
const MACHINES = { x86_64: 0x3e, arm64: 0xb7 };

/** The folder of the Lambda function: `bootstrap`, and the file of settings if there is one. */
export function lambdaPackage(
  { function: { architecture, config } }: Options,
  packages = `${root}target/lambda-package`,
): string {
  const bootstrap = join(packages, architecture, 'bootstrap');
  if (!existsSync(bootstrap)) throw new BuildError(`there is no ${bootstrap}: infra/lambda/package.sh ${architecture}`);
  const header = readFileSync(bootstrap).subarray(0, 20);
  if (header.length < 20 || header.readUInt32BE(0) !== 0x7f454c46 || header.readUInt16LE(18) !== MACHINES[architecture])
    throw new BuildError(`${bootstrap} is no program for ${architecture}: infra/lambda/package.sh ${architecture}`);
  const folder = temporary();
  copyFileSync(bootstrap, join(folder, 'bootstrap'));
  chmodSync(join(folder, 'bootstrap'), 0o755);
  if (config) write(folder, CONFIG_FILE, readFileSync(config));
  return folder;
}

/** What the file of settings is called in the package. */
export const CONFIG_FILE = 'image-origin.toml';

/** The folder of one function at the edge. */
export function edgePackage(name: EdgeFunction, config: string, options: Options): string {
  const wasm = `${root}target/edge/${name}/edge.wasm`;
  if (!existsSync(wasm)) throw new BuildError(`there is no ${wasm}: infra/edge/build.sh`);
  const folder = temporary();
  write(folder, 'edge.wasm', readFileSync(wasm));
  write(folder, 'index.mjs', readFileSync(`${root}infra/edge/index.mjs`));
  write(folder, 'config.json', config);
  // Secrets are for the one function that judges by them.
  const { keys } = options.edge;
  write(folder, 'keys.json', name === 'viewer-request' && keys ? readFileSync(keys) : '{}');
  return folder;
}

/** The edge's configuration: the operator's rules, and the origins of this deployment. */
export function edgeConfig(options: Options, names: Names, issuer?: Issuer): string {
  const rules = readFileSync(options.edge.config, 'utf8');
  if (/^\s*\[\[?\s*origins\b/m.test(rules))
    throw new BuildError(`${options.edge.config}: leave [origins] out, this app writes it`);
  const folder = temporary();
  const file = join(folder, 'edge.toml');
  writeFileSync(file, [rules, ...(issuer ? [issuerTable(issuer)] : []), origins(options, names)].join('\n'));
  const keys = options.edge.keys ?? join(folder, 'keys.json');
  if (!options.edge.keys) writeFileSync(keys, '{}');
  try {
    return compileEdge(file, keys);
  } catch (error) {
    // The file is made of theirs.
    throw error instanceof BuildError ? new BuildError(error.message.replaceAll(file, options.edge.config)) : error;
  }
}

function issuerTable({ issuer, audience }: Issuer): string {
  return `[[jwt.issuers]]
issuer = "${issuer}"
audiences = ["${audience}"]
kind = "cognito"
jwks_uri = "${issuer}/.well-known/jwks.json"
`;
}

function origins(options: Options, names: Names): string {
  const { signing, originals, objectLambda, region, storage } = options;
  // The function URL has no name before it is deployed: then the origin is whichever the distribution names.
  const transformer = { edge: `service = "lambda"\nregion = "${region}"`, oac: 'service = "none"' }[signing];
  const objects = `service = "s3-object-lambda"\ndomain = "${names.objectLambdaDomain}"\nregion = "${region}"`;
  return `[origins]
originals = "${originals}"
files = ${JSON.stringify(files(options))}

[origins.transformer]
${objectLambda === 'behind-cdn' ? objects : transformer}
read_timeout_seconds = ${options.function.timeout}

[origins.storage]
service = "s3"
domain = "${names.bucketDomain}"
region = "${region}"
${storage.prefix ? `path = "${storage.prefix}"` : ''}
`;
}

function write(folder: string, name: string, content: string | Buffer): void {
  // Lambda runs as another user than the one whose files these are.
  writeFileSync(join(folder, name), content, { mode: 0o644 });
}

let parent: string | undefined;

/** A folder that lives as long as this process: the CDK copies what is in it. */
function temporary(): string {
  if (!parent) {
    const made = mkdtempSync(join(tmpdir(), 'image-origin-cdk-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    parent = made;
  }
  return mkdtempSync(join(parent, 'package-'));
}
