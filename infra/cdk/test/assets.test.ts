// The functions as they were packaged by `npx cdk synth`: zipped, unpacked elsewhere, and run.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { Artifacts } from '../lib/artifacts.ts';
import { root } from './root.ts';
import { through } from './packages.ts';
import { invoke } from './runtime.ts';
import { code, only, resources, template, type Json } from './templates.ts';
import { assembly, type Variant } from './variants.ts';

const parameterNames = Artifacts.default().parameterNames();
const event = (name: string) => JSON.parse(readFileSync(`${root}fixtures/events/${name}.json`, 'utf8'));

describe('the transformer', () => {
  const fn = only(template('edge', 'origin'), 'AWS::Lambda::Function');
  const { Variables } = fn.Properties.Environment;
  const { folder, zippedBytes } = through(code('edge', fn));

  test('makes a picture over the runtime protocol, and tells what it took', async () => {
    assert.ok(zippedBytes < 50 * 1024 * 1024, `${zippedBytes} bytes zipped`);
    const asked = event('function-url');
    Object.assign(asked, { rawPath: '/photo.jpg', rawQueryString: 'w=100' });
    asked.requestContext.http.method = 'GET';
    const { statusCode, headers, body, figures, log } = await invoke(folder, Variables, `${root}fixtures`, asked);
    assert.equal(statusCode, 200, body.toString());
    assert.equal(headers['content-type'], 'image/jpeg');
    assert.equal(headers['cache-control'], 'public, max-age=2592000');
    assert.deepEqual([body.readUInt16BE(0), body.readUInt16BE(body.length - 2)], [0xffd8, 0xffd9], 'a whole JPEG');
    const line = JSON.parse(figures.trim().split('\n').pop() as string);
    assert.equal(line._aws.CloudWatchMetrics[0].Namespace, 'ImageOrigin');
    assert.deepEqual(
      [line.function, line.status, line.format, line.Requests, line.ColdStart],
      ['image-origin-transformer', '200', 'jpeg', 1, 1],
    );
    assert.ok(line.Total > 0 && line.Decode > 0 && line.BytesIn > line.BytesOut);
    const entry = log
      .trim()
      .split('\n')
      .map((text) => JSON.parse(text))
      .find(({ path }) => path === '/photo.jpg');
    assert.deepEqual([entry.status, typeof entry.milliseconds], [200, 'number']);
  });

  test('reports a setting that it cannot use before it takes an event', async () => {
    const wrong = invoke(
      folder,
      { ...Variables, IMAGE_ORIGIN_DEADLINE: '-1' },
      `${root}fixtures`,
      event('function-url'),
    );
    await assert.rejects(wrong, /init\/error.*deadline/s);
  });
});

describe('the edge', () => {
  const packaged = (variant: Variant, name: string) => {
    const fn = resources(template(variant, 'edge'), 'AWS::Lambda::Function').find(({ Properties }) =>
      Properties.FunctionName.endsWith(name),
    );
    assert.ok(fn);
    return through(code(variant, fn));
  };
  const load = async (variant: Variant, name: string): Promise<(event: Json) => Promise<Json>> =>
    (await import(pathToFileURL(join(packaged(variant, name).folder, 'index.mjs')).href)).handler;
  const asked = (name: string, change: Json) => {
    const made = event(name);
    Object.assign(made.Records[0].cf.request, change);
    return made;
  };

  test('is small enough, and only viewer-request has keys, for nobody else on this machine', () => {
    assert.equal(statSync(assembly('edge')).mode & 0o077, 0);
    for (const name of ['viewer-request', 'origin-request', 'origin-response', 'viewer-response']) {
      const { folder, zippedBytes } = packaged('edge', name);
      // Lambda@Edge: 1 MB for viewer functions, 50 MB for the others. All four are within the smaller.
      assert.ok(zippedBytes <= 1024 * 1024, `${name} has ${zippedBytes} bytes`);
      console.log(`${name}: ${zippedBytes} bytes zipped`);
      assert.deepEqual(readdirSync(folder).sort(), ['config.json', 'edge.wasm', 'index.mjs', 'keys.json']);
      assert.equal(readFileSync(join(folder, 'keys.json'), 'utf8'), '{}');
    }
  });

  test('leaves nothing in a query but the grammar’s names', async () => {
    const viewerRequest = await load('edge', 'viewer-request');
    const query = async (querystring: string) =>
      (await viewerRequest(asked('viewer-request', { uri: '/a.jpg', querystring, method: 'GET' }))).querystring;
    assert.equal(await query('utm_source=x&width=0300&fit=inside&versionId=3&acl'), 'w=300');
    assert.equal(await query('height=20&width=30&q=70'), 'h=20&q=70&w=30');
    // With a preset every parameter stays as it is: the most that a query can hold.
    const everything = [...parameterNames, 'width', 'quality', 'utm_source', 'token']
      .map((name) => `${name}=1`)
      .join('&');
    const left = [...new URLSearchParams(await query(everything)).keys()];
    assert.ok(left.length > 20 && left.every((name) => parameterNames.includes(name)), left.join());
  });

  test('signs for the origin that the distribution names', async () => {
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: 'AKID',
      AWS_SECRET_ACCESS_KEY: 'secret',
      AWS_SESSION_TOKEN: 'token',
    });
    const originRequest = await load('edge', 'origin-request');
    const transformation = asked('origin-request', { uri: '/a.jpg', querystring: 'w=300', method: 'GET' });
    transformation.Records[0].cf.request.origin.custom.domainName = 'abc.lambda-url.eu-west-1.on.aws';
    const { origin, headers } = await originRequest(transformation);
    assert.equal(origin.custom.domainName, 'abc.lambda-url.eu-west-1.on.aws');
    assert.equal(headers.host[0].value, 'abc.lambda-url.eu-west-1.on.aws');
    assert.match(
      headers.authorization[0].value,
      /^AWS4-HMAC-SHA256 Credential=AKID\/\d{8}\/eu-west-1\/lambda\/aws4_request/,
    );
    const file = await originRequest(asked('origin-request', { uri: '/a.pdf', querystring: 'acl', method: 'GET' }));
    assert.equal(file.origin.custom.domainName, 'image-origin-111122223333-eu-west-1.s3.eu-west-1.amazonaws.com');
    assert.equal(file.querystring, '');
  });

  test('hides what failed behind it', async () => {
    const originResponse = await load('oac', 'origin-response');
    const failed = event('origin-response');
    Object.assign(failed.Records[0].cf.response, {
      status: '403',
      headers: { server: [{ key: 'Server', value: 'AmazonS3' }] },
    });
    const { status, headers } = await originResponse(failed);
    assert.deepEqual([status, headers.server], ['502', undefined]);
  });

  test('marks as private what is not public', async () => {
    const viewerResponse = await load('private', 'viewer-response');
    const answer = event('viewer-response');
    const caching = async (value: string) => {
      answer.Records[0].cf.response.headers['cache-control'] = [{ key: 'Cache-Control', value }];
      return (await viewerResponse(answer)).headers['cache-control'][0].value;
    };
    assert.equal(await caching('max-age=60, s-maxage=600'), 'private, max-age=60');
    assert.equal(await caching('public, max-age=60'), 'public, max-age=60');
  });

  test('keeps the private demo private', async () => {
    const viewerRequest = await load('private', 'viewer-request');
    const status = async (uri: string) =>
      (await viewerRequest(asked('viewer-request', { uri, querystring: '', method: 'GET' }))).status;
    assert.equal(await status('/users/alice/a.jpg'), '401');
    assert.equal(await status('/other/a.jpg'), '403');
    assert.equal(await status('/public/a.jpg'), undefined);
  });
});
