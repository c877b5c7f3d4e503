// What happens to a deployment that is there already: deployed again, renamed, or with another configuration of the edge.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { App } from 'aws-cdk-lib';
import { build, type Surroundings } from '../app/app.ts';
import { validate } from '../app/options.ts';
import { Artifacts, BuildError } from '../lib/artifacts.ts';
import type { Json } from './templates.ts';
import { base, outputs } from './variants.ts';
import cdk from '../cdk.json' with { type: 'json' };

const work = mkdtempSync(join(tmpdir(), 'changes-'));
after(() => rmSync(work, { recursive: true }));

/** A package whose program is nothing but the header of one for this architecture. */
function packages(machine: number): string {
  const folder = mkdtempSync(join(work, 'packages-'));
  for (const architecture of ['arm64', 'x86_64']) {
    const header = Buffer.alloc(64);
    header.writeUInt32BE(0x7f454c46, 0);
    header.writeUInt16LE(machine, 18);
    mkdirSync(join(folder, architecture));
    writeFileSync(join(folder, architecture, 'bootstrap'), header);
  }
  return folder;
}
const built = (lambda: string) => Artifacts.default({ lambda });
const arm64 = packages(0xb7);

function synthesise(change: Json = {}, surroundings: Surroundings = {}): Record<string, Json> {
  const app = new App({ context: cdk.context });
  const options = validate({ ...base, function: {}, ...change }, work);
  build(app, options, { artifacts: built(arm64), ...surroundings });
  return Object.fromEntries(app.synth().stacks.map(({ stackName, template }) => [stackName, template]));
}

test('the same again is no change', () => {
  assert.deepEqual(synthesise(), synthesise());
});

test('another name is another deployment, and nothing of the first', () => {
  const other = synthesise({ name: 'pictures' });
  assert.deepEqual(Object.keys(other).sort(), [
    'pictures-access',
    'pictures-cdn',
    'pictures-edge',
    'pictures-invalidation',
    'pictures-origin',
    'pictures-storage',
    'pictures-watch',
  ]);
  assert.ok(!JSON.stringify(other).includes('image-origin-'));
});

test('another configuration of the edge is a new version that the distribution goes over to', () => {
  const rules = join(work, 'edge.toml');
  writeFileSync(rules, '[[rules]]\npath = "/press/*"\nallow = ["public"]\n');
  const [before, changed] = [synthesise(), synthesise({ edge: { config: rules } })];
  const versions = (stacks: Record<string, Json>) =>
    Object.entries<Json>(stacks['image-origin-edge'].Resources)
      .filter(([, { Type }]) => Type === 'AWS::Lambda::Version')
      .map(([id]) => id);
  assert.equal(versions(before).filter((id) => versions(changed).includes(id)).length, 0);
  assert.notDeepEqual(
    before['image-origin-cdn'],
    changed['image-origin-cdn'],
    'else CloudFormation would see nothing to do',
  );
  for (const stack of ['storage', 'origin'])
    assert.deepEqual(before[`image-origin-${stack}`], changed[`image-origin-${stack}`]);
});

test('a private deployment is its pool first', () => {
  const options = { cognito: true };
  assert.deepEqual(Object.keys(synthesise(options)), ['image-origin-auth']);
  assert.equal(Object.keys(synthesise(options, { outputs })).length, 8);
});

test('keys and settings that would not work are told before anything is deployed', () => {
  const file = (name: string, content: string) => {
    writeFileSync(join(work, name), content);
    return join(work, name);
  };
  const open = base.edge.config;
  const tokens = file('tokens.toml', '[[rules]]\npath = "/*"\nallow = ["token"]\n');
  const table: [Json, RegExp][] = [
    [{ edge: { config: open, keys: file('bad.json', 'this is not json') } }, /bad.json: /],
    [{ edge: { config: open, keys: file('short.json', '{"tokens": [{"name": "a", "secret": "b"}]}') } }, /at least 20/],
    [{ edge: { config: tokens } }, /rules\[0\].allow: `token` lets nobody pass/],
    [
      { function: { config: file('wokers.toml', 'wokers = 2') } },
      /wokers.toml.*unknown setting `wokers`; did you mean `workers`\?/s,
    ],
    [{ function: { sources: ['product-photos'] } }, /are described by \[\[sources\]\] of configFile/],
    [{ function: { config: file('preset.toml', '[presets]\nthumb = "w=0"') } }, /presets.thumb/],
    [
      { function: { settings: { wokers: 2 } } },
      /unknown variable IMAGE_ORIGIN_WOKERS; did you mean IMAGE_ORIGIN_WORKERS/,
    ],
    [{ function: { settings: { cache: '1X' } } }, /the variable IMAGE_ORIGIN_CACHE.*1X/s],
  ];
  for (const [change, expected] of table)
    assert.throws(
      () => synthesise(change),
      (error) => error instanceof BuildError && expected.test(error.message),
      JSON.stringify(change),
    );
  const good = '{"tokens": [{"name": "a", "secret": "correct horse battery staple"}]}';
  synthesise({ edge: { config: tokens, keys: file('good.json', good) } });
});

test('what has no bound and what tells nobody is said', () => {
  const warnings = (change: Json) => {
    const app = new App({ context: cdk.context });
    build(app, validate({ ...base, ...change }, work), { artifacts: built(arm64) });
    const messages = app
      .synth()
      .stacks.flatMap(({ stackName, messages }) =>
        messages.map(({ entry }) => `${stackName}: ${entry.data}`.replace(/.*ack: (.*)\]$/, `${stackName} $1`)),
      );
    return messages.sort();
  };
  const concurrency = { function: { concurrency: 5 } };
  const email = { alarms: { email: 'ops@example.com' } };
  const silent = ['invalidation', 'origin', 'watch'].map(
    (stack) => `image-origin-${stack} image-origin:alarmsWithoutRecipient`,
  );
  assert.deepEqual(warnings({ ...concurrency, ...email }), []);
  assert.deepEqual(warnings({ ...concurrency, alarms: {} }), silent);
  assert.deepEqual(warnings({ function: {}, ...email }), ['image-origin-origin image-origin:noCostCeiling']);
});

test('what cannot be packaged is told', () => {
  const rules = join(work, 'wrong.toml');
  writeFileSync(rules, '[[rules]]\npath = "x"\nallow = []\n');
  assert.throws(() => synthesise({ edge: { config: rules } }), /wrong.toml: .*rules\[0\].allow.*rules\[0\].path/s);
  writeFileSync(rules, '[origins]\n');
  assert.throws(() => synthesise({ edge: { config: rules } }), /leave \[origins\] out/);
  const wrong = { artifacts: built(packages(0x3e)) };
  assert.throws(
    () => synthesise({}, wrong),
    (error) => error instanceof BuildError && /is no program for arm64/.test(error.message),
  );
  assert.throws(
    () => synthesise({}, { artifacts: built(work) }),
    /there is no .*arm64\/bootstrap: infra\/lambda\/package.sh arm64/,
  );
});

test('the function reads the buckets of its sources, and is told of no other place', () => {
  const config = join(work, 'sources.toml');
  writeFileSync(config, '[[sources]]\npath = "/*"\nfrom = "s3://product-photos"\nfallback = ["s3://old-photos"]\n');
  const template = synthesise({ function: { config, sources: ['product-photos', 'old-photos'] } })[
    'image-origin-origin'
  ];
  const resources: Json[] = Object.values(template?.Resources ?? {});
  const variables = resources.find(({ Type }) => Type === 'AWS::Lambda::Function')?.Properties.Environment.Variables;
  assert.equal(variables.IMAGE_ORIGIN_CONFIG, '/var/task/image-origin.toml');
  assert.equal(variables.IMAGE_ORIGIN_SOURCE, undefined);
  const role = resources.find(({ Type, Properties }) => Type === 'AWS::IAM::Role' && Properties.Policies)?.Properties;
  const statements: Json[] = role.Policies[0].PolicyDocument.Statement;
  const read = JSON.stringify(
    statements.filter(({ Action }) => Action === 's3:GetObject').map(({ Resource }) => Resource),
  );
  for (const bucket of ['product-photos', 'old-photos']) assert.ok(read.includes(`:s3:::${bucket}/*`), read);
  assert.equal(read.match(/:s3:::/g)?.length, 2, read);
});
