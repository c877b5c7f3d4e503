// Every option of a deployment, in one file. What comes in is JSON that people write; what goes out is `Options`, complete
// and valid, or one message that names each field that is wrong and says what it takes. Paths are absolute afterwards.
import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { RegionInfo } from 'aws-cdk-lib/region-info';
import { z } from 'zod';

const positive = (most: number) => z.int().min(1).max(most);

// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html; with dots, TLS to the bucket fails.
const bucketName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/, 'takes 3 to 63 lower case letters, digits and hyphens');
const hostName = z
  .string()
  .regex(/^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}$/, 'takes a DNS name in lower case');
const webOrigin = z.string().regex(/^(\*|https?:\/\/[^/]+)$/, 'takes * or an origin such as https://example.com');

const Storage = z.strictObject({
  import: bucketName.optional().describe('An existing bucket in the same region, instead of a new one'),
  prefix: z
    .string()
    .regex(/^(\/[A-Za-z0-9._~-]+)+$/, 'starts with a slash, ends without one')
    .optional()
    .describe('Only keys below this are served, such as /originals'),
  keyArn: z
    .string()
    .regex(/^arn:[a-z-]+:kms:[a-z0-9-]+:\d{12}:key\/[A-Za-z0-9-]+$/, 'takes the ARN of a key, arn:aws:kms:…:key/…')
    .optional()
    .describe('The KMS key that the bucket is encrypted by. Default: keys of S3’s own'),
  cors: z.array(webOrigin).min(1).default(['*']).describe('Web origins whose scripts may read pictures'),
  noncurrentDays: positive(3650).default(30).describe('How long replaced and deleted originals are kept'),
});

const Function = z.strictObject({
  architecture: z.enum(['arm64', 'x86_64']).default('arm64'),
  memory: z.int().min(512).max(10240).default(1769).describe('MB; a whole processor comes with 1769'),
  timeout: z.int().min(5).max(60).default(30).describe('Seconds. CloudFront waits as long'),
  concurrency: positive(10000)
    .optional()
    .describe('Reserved concurrency: a bound for costs. New accounts may have none to reserve'),
  logDays: z.literal([1, 7, 14, 30, 90, 365]).default(30).describe('How long logs are kept'),
  results: z
    .strictObject({ days: positive(3650).default(90).describe('How long a result is kept') })
    .optional()
    .describe('A bucket in which finished pictures are kept. Default: none'),
  features: z
    .array(z.enum(['heic', 'jxl']))
    .default([])
    .describe('Optional formats of originals. No licence grants the patents on HEVC, which HEIC needs'),
  config: z.string().optional().describe('A file of settings and presets, packaged with the function'),
  sources: z
    .array(z.string().regex(/^[a-z0-9][a-z0-9.-]+[a-z0-9]$/, 'takes names of buckets'))
    .optional()
    .describe('The buckets that [[sources]] of `config` read, which finds all originals then'),
  settings: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_]*$/, 'takes names of settings'),
      z.union([z.string(), z.number(), z.boolean()]),
    )
    .default({})
    .refine((settings) => !('cors' in settings), 'cors is said by storage.cors, which is for bucket and CDN alike')
    .describe('Settings of `image-origin serve --help`, such as {"deadline": 5}'),
});

const Edge = z.strictObject({
  engine: z
    .enum(['lambda', 'functions'])
    .default('lambda')
    .describe(
      'Lambda@Edge, or CloudFront Functions, which cost less, keep rules and keys in a store, and need signing=oac',
    ),
  config: z.string().default('examples/public.toml').describe('Who may see what: docs/auth.md, without its [origins]'),
  keys: z.string().optional().describe('The secrets of the viewer-request function; a file outside the repository'),
});

const Domain = z.strictObject({
  names: z.array(hostName).min(1).describe('Host names of the distribution'),
  zone: z
    .strictObject({ id: z.string().regex(/^Z[A-Z0-9]+$/, 'takes the id of a hosted zone, Z…'), name: hostName })
    .describe('The hosted zone in Route 53 that holds all of them'),
});

const SignedUrls = z.strictObject({
  publicKeys: z.array(z.string()).default([]).describe('Files with public keys in PEM; a key group is made of them'),
  keyGroups: z.array(z.string()).default([]).describe('Ids of key groups that exist'),
});

const Alarms = z.strictObject({
  email: z.email().optional().describe('Who is told'),
  errorsPercent: z.number().min(0.1).max(100).default(1).describe('5xx of all answers, in five minutes'),
  durationPercent: positive(100).default(80).describe('Of the timeout, by the slowest hundredth'),
});

export const Schema = z
  .strictObject({
    $schema: z.string().optional(),
    name: z
      .string()
      .regex(/^[a-z][a-z0-9-]{1,18}[a-z0-9]$/, 'takes 3 to 20 lower case letters, digits and hyphens')
      .default('image-origin')
      .describe('Starts the name of everything. Another name is another deployment'),
    account: z
      .string()
      .regex(/^\d{12}$/, 'takes 12 digits')
      .describe('Default: the account of the credentials'),
    region: z
      .string()
      .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'takes a region such as eu-west-1')
      .describe('Of bucket and function. Default: the region of the credentials'),
    signing: z
      .enum(['edge', 'oac'])
      .default('edge')
      .describe(
        'Who signs requests to the function: our origin-request function, or CloudFront’s origin access control',
      ),
    originals: z
      .enum(['strip', 'direct'])
      .default('strip')
      .describe('Images without parameters: stripped of metadata by the function, or straight from the bucket'),
    files: z
      .array(z.string().regex(/^[a-z0-9]+$/, 'takes an ending such as pdf, in lower case, without a dot'))
      .max(20)
      .optional()
      .describe(
        'Endings of files that come from the bucket as they are. Default: pdf, mp4, webm; none from storage.import',
      ),
    cacheKey: z
      .enum(['canonical', 'listed'])
      .default('canonical')
      .describe('Query strings of the cache’s key: what viewer-request leaves, or the grammar’s names once more'),
    objectLambda: z
      .enum(['off', 'beside', 'behind-cdn'])
      .default('off')
      .describe('An S3 Object Lambda access point, for accounts that had one before 2025-11-07'),
    storage: Storage.prefault({}),
    function: Function.prefault({}),
    edge: Edge.prefault({}),
    distribution: z
      .union([z.literal(['new', 'none']), z.string().regex(/^E[A-Z0-9]+$/)], {
        error: 'takes new, none or the id of a distribution, E…',
      })
      .default('new')
      .describe('A new one; one that exists, which may then ask; or none, and only roles may ask the function'),
    invalidation: z
      .enum(['off', 'replaced', 'all'])
      .optional()
      .describe(
        'Which changed originals CloudFront is told of. Default: replaced and deleted ones; off with storage.import, whose events are its owner’s',
      ),
    originShield: z
      .string()
      .optional()
      .describe('One more cache in front of the function: a region that has it, or auto for the one near the bucket'),
    signedUrls: SignedUrls.optional().describe(
      'Whose CloudFront signed URLs and cookies viewers need, beside the rules',
    ),
    domain: Domain.optional(),
    waf: z.strictObject({ requestsPerFiveMinutes: z.int().min(10).max(2_000_000_000).default(5000) }).optional(),
    cognito: z.boolean().default(false).describe('A user pool whose tokens are good at the edge'),
    priceClass: z
      .enum(['100', '200', 'All'])
      .default('100')
      .describe('Where CloudFront answers: 100 is Europe and North America'),
    accessLogDays: positive(3650).optional().describe('Keeps CloudFront’s access logs for so long'),
    alarms: Alarms.prefault({}),
  })
  .superRefine((options, context) => {
    const problem = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (options.signing === 'oac' && options.objectLambda === 'behind-cdn')
      problem(['objectLambda'], 'behind-cdn needs signing=edge: nothing else signs for it');
    if (options.signing === 'oac' && options.originals === 'direct')
      problem(['originals'], 'direct needs signing=edge: only a function tells originals from transformations');
    if (options.edge.engine === 'functions') {
      if (options.signing !== 'oac')
        problem(['signing'], 'takes oac with edge.engine=functions: CloudFront Functions sign nothing');
      if (options.signedUrls)
        problem(['signedUrls'], 'takes edge.engine=lambda, which knows that answers are private then');
      if (options.cognito) problem(['cognito'], 'takes edge.engine=lambda: its tokens are signed by RS256');
      if (options.distribution === 'none') problem(['edge', 'engine'], 'takes lambda where there is no distribution');
    }
    const partition = RegionInfo.get(options.region).partition ?? 'aws';
    if (partition !== 'aws' && options.distribution !== 'none')
      problem(['distribution'], `takes none in ${options.region}: Lambda@Edge is in no region of ${partition}`);
    if (options.distribution !== 'new')
      for (const name of ['domain', 'waf', 'accessLogDays'] as const)
        if (options[name] !== undefined)
          problem([name], 'is of a new distribution, and distribution says that there is none');
    if (options.distribution === 'none' && options.objectLambda === 'behind-cdn')
      problem(['objectLambda'], 'behind-cdn needs a distribution');
    const { publicKeys = [], keyGroups = [] } = options.signedUrls ?? {};
    if (options.signedUrls && publicKeys.length + keyGroups.length === 0)
      problem(['signedUrls'], 'takes publicKeys, keyGroups or both');
    if (options.storage.keyArn && options.storage.keyArn.split(':')[3] !== options.region)
      problem(['storage', 'keyArn'], `is not in ${options.region}`);
    const { zone, names } = options.domain ?? { names: [] };
    for (const name of names)
      if (zone && name !== zone.name && !name.endsWith(`.${zone.name}`))
        problem(['domain', 'names'], `${name} is not in the zone ${zone.name}`);
  });

export type Options = z.output<typeof Schema>;

/** What web pages often hold beside images. An imported bucket was not made for the web: its operator says what may leave. */
const FILES = ['pdf', 'mp4', 'webm'];

/** The endings of files that come from the bucket as they are. */
export function files({ files, storage }: Options): string[] {
  return files ?? (storage.import ? [] : FILES);
}

/** Which changed originals CloudFront is told of. The events of an imported bucket are its owner's to turn on. */
export function invalidation({ invalidation, storage }: Options): 'off' | 'replaced' | 'all' {
  return invalidation ?? (storage.import ? 'off' : 'replaced');
}

/** Whether it is told of any. */
export function invalidates(options: Options): boolean {
  return options.distribution !== 'none' && invalidation(options) !== 'off';
}

/** What is wrong with the options, for the one who wrote them. */
export class OptionsError extends Error {}

/** Validates options; `folder` is what paths in them are relative to. */
export function validate(written: unknown, folder: string, environment: NodeJS.ProcessEnv = process.env): Options {
  const defaults = { account: environment['CDK_DEFAULT_ACCOUNT'], region: environment['CDK_DEFAULT_REGION'] };
  const known = Object.fromEntries(Object.entries(defaults).filter(([, value]) => value));
  const isObject = typeof written === 'object' && written !== null && !Array.isArray(written);
  const { success, data, error } = Schema.safeParse(isObject ? { ...known, ...written } : written);
  if (!success) throw new OptionsError(error.issues.map(explain).join('\n'));
  const file = (path: string, field: string) => {
    const found = resolve(folder, path);
    if (!existsSync(found)) throw new OptionsError(`${field}: there is no file ${found}`);
    return found;
  };
  data.edge.config = file(data.edge.config, 'edge.config');
  if (data.edge.keys) data.edge.keys = file(data.edge.keys, 'edge.keys');
  const { signedUrls } = data;
  if (signedUrls) signedUrls.publicKeys = signedUrls.publicKeys.map((path) => file(path, 'signedUrls.publicKeys'));
  if (data.function.config) data.function.config = file(data.function.config, 'function.config');
  return data;
}

/** Reads options from a file. */
export function load(path: string): Options {
  let written: unknown;
  try {
    written = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new OptionsError(`${path} cannot be read as JSON: ${(error as Error).message}`);
  }
  try {
    return validate(written, dirname(resolve(path)));
  } catch (error) {
    if (error instanceof OptionsError) throw new OptionsError(`${path}:\n  ${error.message.replaceAll('\n', '\n  ')}`);
    throw error;
  }
}

function explain({ path, message, code, ...issue }: z.core.$ZodIssue): string {
  const field = path.join('.') || 'the options';
  if (code === 'unrecognized_keys')
    return `${field}: there is no option ${(issue as { keys: string[] }).keys.join(', ')}`;
  if (path.length === 1 && (path[0] === 'account' || path[0] === 'region') && code === 'invalid_type')
    return `${field}: is needed, as no AWS credentials tell it`;
  return `${field}: ${message}`;
}
