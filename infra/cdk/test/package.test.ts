// The package as strangers get it: packed, installed beside nothing of this repository, and used in a distribution of theirs.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { root } from './root.ts';
import type { Json } from './templates.ts';

const here = fileURLToPath(new URL('..', import.meta.url));
// Outside of the repository, so that nothing of it is found by chance.
const work = mkdtempSync(join(tmpdir(), 'stranger-'));
after(() => rmSync(work, { recursive: true, force: true }));

function run(cwd: string, program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, {
    cwd,
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], CDK_OUTDIR: join(work, 'out') },
  });
  assert.equal(status, 0, `${program} ${args.join(' ')}: ${stdout}${stderr}`);
  return stdout;
}

before(() => {
  run(here, 'npm', 'run', '--silent', 'package');
  run(join(root, 'target/cdk-package'), 'npm', 'pack', '--silent', '--pack-destination', work);
  const [archive] = readdirSync(work);
  const modules = join(work, 'node_modules');
  mkdirSync(join(modules, 'image-origin-cdk'), { recursive: true });
  run(work, 'tar', 'xzf', archive as string, '--strip-components=1', '-C', join(modules, 'image-origin-cdk'));
  // What npm would install for it, and what the stranger has.
  for (const name of ['aws-cdk-lib', 'constructs', 'smol-toml', 'typescript', '@types', 'undici-types'])
    symlinkSync(join(here, 'node_modules', name), join(modules, name));
  cpSync(join(here, 'examples/own-distribution/app.ts'), join(work, 'app.ts'));
  writeFileSync(join(work, 'package.json'), '{"type": "module"}');
});

describe('the npm package', () => {
  const resources = (stack: string, type: string): Json[] =>
    Object.values<Json>(JSON.parse(readFileSync(join(work, 'out', `${stack}.template.json`), 'utf8')).Resources).filter(
      ({ Type }) => Type === type,
    );

  test('has types that a strict program compiles against', () => {
    const tsc = join(here, 'node_modules/typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--types', 'node'];
    run(work, process.execPath, tsc, ...flags, 'app.ts');
  });

  test('gives a distribution of somebody else its images', () => {
    const tsx = ['--import', join(here, 'node_modules/tsx/dist/esm/index.mjs')];
    run(work, process.execPath, ...tsx, 'app.ts');
    const [distribution] = resources('site', 'AWS::CloudFront::Distribution');
    const { CacheBehaviors, Origins } = distribution.Properties.DistributionConfig;
    const [images] = CacheBehaviors;
    assert.deepEqual(
      [CacheBehaviors.length, images.PathPattern, images.AllowedMethods],
      [1, '/img/*', ['GET', 'HEAD']],
    );
    const events = images.LambdaFunctionAssociations.map(({ EventType }: Json) => EventType).sort();
    assert.deepEqual(events, ['origin-response', 'viewer-request', 'viewer-response']);
    const origin = Origins.find(({ Id }: Json) => Id === images.TargetOriginId);
    assert.deepEqual(origin.OriginShield, { Enabled: true, OriginShieldRegion: 'eu-west-1' });
    assert.ok(origin.OriginAccessControlId);
    for (const { Properties } of resources('site', 'AWS::Lambda::Permission'))
      assert.deepEqual(Object.keys(Properties.SourceArn), ['Fn::Join']);
    assert.equal(resources('site', 'AWS::Lambda::Permission').length, 2);
    // The functions are where CloudFront wants them, and know nothing of the stack that calls them.
    const edge = resources('site-edge', 'AWS::Lambda::Function');
    assert.equal(edge.length, 4);
    assert.ok(!readFileSync(join(work, 'out/site-edge.template.json'), 'utf8').includes('GetStackOutput'));
    const [role] = resources('site', 'AWS::IAM::Role').filter(({ Properties }) => Properties.Policies);
    const actions = role.Properties.Policies[0].PolicyDocument.Statement.flatMap(({ Action }: Json) => Action);
    assert.deepEqual(actions.sort(), ['kms:Decrypt', 'logs:CreateLogStream', 'logs:PutLogEvents', 's3:GetObject']);
  });

  test('makes private images all at once', () => {
    const [distribution] = resources('members', 'AWS::CloudFront::Distribution');
    const { DefaultCacheBehavior } = distribution.Properties.DistributionConfig;
    assert.equal(DefaultCacheBehavior.LambdaFunctionAssociations.length, 3);
    assert.deepEqual(distribution.Properties.DistributionConfig.CacheTagConfig, { HeaderName: 'Cache-Tag' });
    // The transformer, the edge's four, and the one that tells CloudFront what has changed.
    assert.equal(resources('members', 'AWS::Lambda::Function').length, 6);
  });
});
