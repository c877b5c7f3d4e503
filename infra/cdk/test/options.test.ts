// The options' file: what is left out has a default, what is wrong is named, all of it at once.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { z } from 'zod';
import { files, load, OptionsError, Schema, validate } from '../app/options.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));
const here = { CDK_DEFAULT_ACCOUNT: '111122223333', CDK_DEFAULT_REGION: 'eu-west-1' };

test('the options of the repository are good, and everything has a default', () => {
  const options = validate(JSON.parse(readFileSync(`${folder}options.json`, 'utf8')), folder, here);
  assert.deepEqual(
    [options.account, options.region, options.signing, options.function.architecture],
    ['111122223333', 'eu-west-1', 'edge', 'arm64'],
  );
  assert.deepEqual([options.storage.cors, options.function.timeout, options.objectLambda], [['*'], 30, 'off']);
  assert.ok(options.edge.config.startsWith('/'));
  const empty = validate({}, folder, here);
  assert.deepEqual(files(empty), ['pdf', 'mp4', 'webm']);
  assert.deepEqual(files(validate({ storage: { import: 'my-photos' } }, folder, here)), []);
  assert.equal(empty.name, 'image-origin');
});

test('what is wrong is named, with what is allowed', () => {
  const table: [unknown, RegExp][] = [
    [{ naem: 'x' }, /the options: there is no option naem/],
    [{ function: { memroy: 1 } }, /function: there is no option memroy/],
    [{ name: 'No' }, /name: takes 3 to 20 lower case/],
    [{ account: '12' }, /account: takes 12 digits/],
    [{ region: 'europe' }, /region: takes a region such as eu-west-1/],
    [{ signing: 'none' }, /signing: .*"edge"\|"oac"/],
    [{ function: { timeout: 61 } }, /function.timeout: .*60/],
    [{ function: { logDays: 31 } }, /function.logDays: /],
    [{ function: { settings: { 'Dead-line': 1 } } }, /function.settings.Dead-line: /],
    [{ files: ['.svg'] }, /files.0: takes an ending such as pdf/],
    [{ storage: { import: 'a.b' } }, /storage.import: takes 3 to 63/],
    [{ storage: { prefix: 'x/' } }, /storage.prefix: starts with a slash/],
    [{ storage: { cors: ['example.com'] } }, /storage.cors.0: takes \* or an origin/],
    [{ edge: { config: 'no.toml' } }, /edge.config: there is no file .*no.toml/],
    [{ edge: { keys: 'no.json' } }, /edge.keys: there is no file/],
    [{ signing: 'oac', objectLambda: 'behind-cdn' }, /objectLambda: behind-cdn needs signing=edge/],
    [{ signing: 'oac', originals: 'direct' }, /originals: direct needs signing=edge/],
    [
      { domain: { names: ['a.example.org'], zone: { id: 'Z1', name: 'example.com' } } },
      /domain.names: a.example.org is not in the zone example.com/,
    ],
    [
      { domain: { names: ['badexample.com'], zone: { id: 'Z1', name: 'example.com' } } },
      /badexample.com is not in the zone/,
    ],
    [{ alarms: { email: 'x' } }, /alarms.email: /],
    ['text', /the options: /],
    [[], /the options: /],
    [null, /the options: /],
  ];
  for (const [written, expected] of table)
    assert.throws(() => validate(written, folder, here), expected, JSON.stringify(written));
  assert.throws(() => validate({}, folder, {}), /account: is needed, as no AWS credentials tell it\nregion: is needed/);
});

test('all problems are told at once, with the file', () => {
  assert.throws(
    () => validate({ name: 'X', signing: 'y', waf: { rate: 1 } }, folder, here),
    (error: Error) => {
      assert.ok(error instanceof OptionsError);
      return ['name:', 'signing:', 'waf:'].every((field) => error.message.includes(field));
    },
  );
  assert.throws(() => load('/no/such/options.json'), /options.json cannot be read as JSON/);
});

test('the schema for editors is that of the program', () => {
  const { stdout } = spawnSync('npx', ['tsx', 'bin/schema.ts'], { cwd: folder, encoding: 'utf8' });
  assert.equal(stdout, readFileSync(`${folder}options.schema.json`, 'utf8'), 'npm run schema');
});

test('the README tells of every option', () => {
  const paths = ({ properties }: z.core.JSONSchema.BaseSchema, path: string[] = []): string[] =>
    Object.entries(properties ?? {}).flatMap(([name, schema]) =>
      typeof schema === 'object' && schema.properties ? paths(schema, [...path, name]) : [[...path, name].join('.')],
    );
  const readme = readFileSync(`${folder}../README.md`, 'utf8');
  const all = paths(z.toJSONSchema(Schema, { io: 'input' })).filter((path) => path !== '$schema');
  assert.ok(all.length > 25);
  for (const path of all) assert.ok(readme.includes(`\`${path}\``), path);
});
