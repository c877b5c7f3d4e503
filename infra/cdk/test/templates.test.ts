// What must hold of every deployment, read from the templates that `npx cdk synth` has written (test/synth.ts).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { Artifacts } from '../lib/artifacts.ts';
import { code, only, resources, stacks, statements, template, type Json, type Template } from './templates.ts';
import { root } from './root.ts';
import { variants, type Variant } from './variants.ts';

const all = Object.keys(variants) as Variant[];
const parameterNames = Artifacts.default().parameterNames();
const withEdge = all.filter((variant) => variant !== 'china' && variant !== 'functions');
const withDistribution = withEdge.filter((variant) => variant !== 'existing');
const withBucket = all.filter((variant) => variant !== 'imported');
const idOf = (from: Template, type: string) =>
  Object.keys(from.Resources).find((id) => from.Resources[id]?.Type === type);
const KEY = variants.existing.storage.keyArn;
const partition = (variant: Variant) => (variant === 'china' ? 'aws-cn' : 'aws');
const bucketName = (variant: Variant) =>
  ({
    imported: 'my-photos',
    domain: 'pics-111122223333-eu-west-1',
    china: 'image-origin-111122223333-cn-north-1',
  })[variant as string] ?? 'image-origin-111122223333-eu-west-1';
const bucketArn = (variant: Variant) => `arn:${partition(variant)}:s3:::${bucketName(variant)}`;
const asList = (value: Json): Json[] => (Array.isArray(value) ? value : [value]);

test('results have a bucket that expires them, and the function may do no more with it than it must', () => {
  const origin = template('domain', 'origin');
  const { Properties, DeletionPolicy } = only(origin, 'AWS::S3::Bucket');
  assert.deepEqual(Object.values(Properties.PublicAccessBlockConfiguration), [true, true, true, true]);
  assert.equal(Properties.LifecycleConfiguration.Rules[0].ExpirationInDays, 90);
  assert.equal(DeletionPolicy, 'Retain');
  const id = idOf(origin, 'AWS::S3::Bucket');
  const place = only(origin, 'AWS::Lambda::Function').Properties.Environment.Variables.IMAGE_ORIGIN_RESULTS;
  assert.deepEqual(place, { 'Fn::Join': ['', ['s3://', { Ref: id }]] });
  const below = (keys: string) => ({ 'Fn::Join': ['', [{ 'Fn::GetAtt': [id, 'Arn'] }, keys]] });
  const allowed = Object.values<Json>(origin.Resources)
    .filter(({ Type }) => Type === 'AWS::IAM::Role')
    .flatMap(({ Properties }) => Properties.Policies ?? [])
    .flatMap(({ PolicyDocument }) => PolicyDocument.Statement)
    .filter(({ Resource }) => JSON.stringify(Resource).includes(`"${id}"`));
  assert.deepEqual(
    allowed.map(({ Action, Resource }) => [Action, Resource]),
    [
      [['s3:GetObject', 's3:PutObject'], below('/*')],
      ['s3:DeleteObject', below('/claims/*')],
    ],
  );
});

describe('storage', () => {
  const policyOf = (variant: Variant): Json[] =>
    only(template(variant, 'access'), 'AWS::S3::BucketPolicy').Properties.PolicyDocument.Statement;

  test('is private, encrypted, kept, and reached over TLS 1.2 only', () => {
    for (const variant of withBucket) {
      const { Properties, DeletionPolicy } = only(template(variant, 'storage'), 'AWS::S3::Bucket');
      assert.deepEqual(Object.values(Properties.PublicAccessBlockConfiguration), [true, true, true, true]);
      assert.equal(Properties.OwnershipControls.Rules[0].ObjectOwnership, 'BucketOwnerEnforced');
      const [{ ServerSideEncryptionByDefault: encryption }] =
        Properties.BucketEncryption.ServerSideEncryptionConfiguration;
      assert.deepEqual(
        encryption,
        variant === 'existing' ? { SSEAlgorithm: 'aws:kms', KMSMasterKeyID: KEY } : { SSEAlgorithm: 'AES256' },
      );
      assert.equal(DeletionPolicy, 'Retain');
      assert.deepEqual(Properties.CorsConfiguration.CorsRules[0].AllowedMethods, ['GET', 'HEAD']);
      const denied = policyOf(variant).filter(({ Effect }) => Effect === 'Deny');
      assert.deepEqual(denied.map(({ Condition }) => JSON.stringify(Condition)).sort(), [
        '{"Bool":{"aws:SecureTransport":"false"}}',
        '{"NumericLessThan":{"s3:TlsVersion":1.2}}',
      ]);
      for (const { Resource } of denied) assert.deepEqual(Resource, [bucketArn(variant), `${bucketArn(variant)}/*`]);
    }
  });

  test('lets in no one but, with OAC, this distribution', () => {
    for (const variant of withBucket) {
      const allowed = policyOf(variant).filter(({ Effect }) => Effect === 'Allow');
      assert.equal(allowed.length, variant === 'oac' || variant === 'existing' ? 1 : 0, variant);
      for (const { Principal, Action, Resource, Condition } of allowed) {
        assert.deepEqual([Principal, Action], [{ Service: 'cloudfront.amazonaws.com' }, 's3:GetObject']);
        assert.equal(Resource, `${bucketArn(variant)}${variant === 'oac' ? '/originals' : ''}/*`);
        const [source] = Object.values<Json>(Condition.StringEquals);
        assert.deepEqual(Object.keys(Condition.StringEquals), ['aws:SourceArn']);
        if (variant === 'existing') {
          assert.equal(source, 'arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE2DIST');
          continue;
        }
        const [beginning, reference] = source['Fn::Join'][1];
        assert.equal(beginning, 'arn:aws:cloudfront::111122223333:distribution/');
        const { StackName, OutputName } = reference['Fn::GetStackOutput'];
        const cdn = template(variant, 'cdn');
        assert.deepEqual(
          [StackName, cdn.Outputs?.[OutputName]?.Value],
          ['image-origin-cdn', { Ref: idOf(cdn, 'AWS::CloudFront::Distribution') }],
        );
      }
    }
  });

  test('with a key, may be decrypted through S3 by whoever may read it', () => {
    const decrypt = statements(template('existing', 'origin')).filter(({ Action }) => Action === 'kms:Decrypt');
    assert.deepEqual(
      decrypt.map(({ Resource, Condition }) => [Resource, Condition]),
      [[KEY, { StringLike: { 'kms:ViaService': 's3.eu-west-1.amazonaws.com' } }]],
    );
    const { Value } = template('existing', 'access').Outputs?.['KeyPolicyStatement'] as { Value: string };
    assert.deepEqual(JSON.parse(Value).Condition.StringEquals, {
      'aws:SourceArn': 'arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE2DIST',
    });
  });

  test('is not made where a bucket is imported', () => {
    assert.deepEqual(stacks('imported'), ['cdn', 'edge', 'origin', 'watch']);
    const everything = stacks('imported').map((stack) => template('imported', stack));
    assert.deepEqual(
      everything.flatMap((stack) => resources(stack, 'AWS::S3::Bucket')),
      [],
    );
  });
});

describe('the transformer', () => {
  test('reads its bucket and writes its log, and nothing else', () => {
    for (const variant of all) {
      const origin = template(variant, 'origin');
      const allowed = new Map<string, Json[]>();
      // Results have a bucket of their own, and a test as well.
      const ofResults = ({ Resource }: Json) => JSON.stringify(Resource).includes('"Results');
      for (const { Effect, Action, Resource } of statements(origin).filter((statement) => !ofResults(statement))) {
        assert.equal(Effect, 'Allow');
        for (const action of asList(Action)) allowed.set(action, asList(Resource));
      }
      const withObjectLambda = variant === 'object-lambda' || variant === 'domain';
      const expected = ['logs:CreateLogStream', 'logs:PutLogEvents', 's3:GetObject'];
      if (withObjectLambda) expected.push('s3-object-lambda:WriteGetObjectResponse');
      if (variant === 'existing') expected.push('kms:Decrypt');
      assert.deepEqual([...allowed.keys()].sort(), expected.sort(), variant);
      const prefix = variant === 'imported' || variant === 'oac' ? '/originals' : '';
      assert.deepEqual(allowed.get('s3:GetObject'), [`${bucketArn(variant)}${prefix}/*`]);
      for (const resource of [...allowed.values()].flat()) assert.notEqual(resource, '*');
      const { Environment } = only(origin, 'AWS::Lambda::Function').Properties;
      assert.equal(Environment.Variables.IMAGE_ORIGIN_SOURCE, `s3://${bucketName(variant)}${prefix}`);
    }
  });

  test('streams, takes signed requests only, and has bounds', () => {
    for (const variant of all) {
      const origin = template(variant, 'origin');
      const url = only(origin, 'AWS::Lambda::Url').Properties;
      assert.deepEqual([url.AuthType, url.InvokeMode], ['AWS_IAM', 'RESPONSE_STREAM']);
      const { Properties } = only(origin, 'AWS::Lambda::Function');
      assert.deepEqual(
        [Properties.Runtime, Properties.Handler, Properties.Timeout],
        ['provided.al2023', 'bootstrap', 30],
      );
      assert.equal(Properties.ReservedConcurrentExecutions, variant === 'domain' ? 50 : 20);
      assert.equal(only(origin, 'AWS::Logs::LogGroup').Properties.RetentionInDays, 30);
    }
    const { Variables } = only(template('domain', 'origin'), 'AWS::Lambda::Function').Properties.Environment;
    assert.deepEqual([Variables.IMAGE_ORIGIN_DEADLINE, Variables.IMAGE_ORIGIN_WORKERS], ['5', '2']);
  });

  test('lets in nobody by itself, and with OAC this distribution through the URL', () => {
    for (const variant of all) {
      for (const stack of stacks(variant).filter((name) => name !== 'cdn'))
        assert.deepEqual(resources(template(variant, stack), 'AWS::Lambda::Permission'), [], `${variant} ${stack}`);
      if (variant === 'china') continue;
      const permissions = resources(template(variant, 'cdn'), 'AWS::Lambda::Permission');
      assert.equal(permissions.length, ['oac', 'existing', 'functions'].includes(variant) ? 2 : 0, variant);
    }
    const cdn = template('oac', 'cdn');
    const id = Object.keys(cdn.Resources).find((name) => cdn.Resources[name]?.Type === 'AWS::CloudFront::Distribution');
    const permissions = resources(cdn, 'AWS::Lambda::Permission').map(({ Properties }) => Properties);
    for (const { Principal, SourceArn, FunctionName } of permissions) {
      assert.equal(Principal, 'cloudfront.amazonaws.com');
      assert.equal(FunctionName, 'arn:aws:lambda:eu-west-1:111122223333:function:image-origin-transformer');
      assert.ok(JSON.stringify(SourceArn).endsWith(`:distribution/",{"Ref":"${id}"}]]}`), JSON.stringify(SourceArn));
    }
    // Since October 2025 both are needed, the second bound to calls through the URL.
    assert.deepEqual(permissions.map(({ Action, InvokedViaFunctionUrl }) => [Action, InvokedViaFunctionUrl]).sort(), [
      ['lambda:InvokeFunction', true],
      ['lambda:InvokeFunctionUrl', undefined],
    ]);
    for (const { Properties } of resources(cdn, 'AWS::CloudFront::OriginAccessControl'))
      assert.equal(Properties.OriginAccessControlConfig.SigningBehavior, 'always');
  });
});

describe('the edge', () => {
  const functionsOf = (variant: Variant) => resources(template(variant, 'edge'), 'AWS::Lambda::Function');

  test('has four functions, so that a change of who signs deletes none', () => {
    for (const variant of withEdge) {
      const names = functionsOf(variant)
        .map(({ Properties }) => Properties.FunctionName.replace(/^(image-origin|pics)-/, ''))
        .sort();
      assert.deepEqual(names, ['origin-request', 'origin-response', 'viewer-request', 'viewer-response'], variant);
    }
  });

  test('keeps within what Lambda@Edge takes', () => {
    for (const variant of withEdge)
      for (const { Properties } of functionsOf(variant)) {
        assert.equal(Properties.Environment, undefined);
        assert.equal(Properties.Layers, undefined);
        assert.ok(Properties.MemorySize <= 128 && Properties.Timeout <= 5);
        assert.deepEqual(Properties.Architectures ?? ['x86_64'], ['x86_64']);
      }
    for (const variant of withEdge)
      for (const { Properties } of resources(template(variant, 'edge'), 'AWS::IAM::Role')) {
        const services = Properties.AssumeRolePolicyDocument.Statement.flatMap(({ Principal }: Json) =>
          asList(Principal.Service),
        );
        assert.deepEqual(services.sort(), ['edgelambda.amazonaws.com', 'lambda.amazonaws.com']);
      }
  });

  test('keeps old versions, for their copies live on', () => {
    for (const variant of withEdge)
      for (const { DeletionPolicy } of resources(template(variant, 'edge'), 'AWS::Lambda::Version'))
        assert.equal(DeletionPolicy, 'Retain');
  });

  test('asks for what it signs, and no more', () => {
    const allowed = (variant: Variant) =>
      statements(template(variant, 'edge'))
        .flatMap(({ Action, Resource, Condition }) =>
          asList(Action).map((action) => [action, asList(Resource).join(), Condition]),
        )
        .filter(([action]) => !action.startsWith('logs:'));
    const transformer = 'arn:aws:lambda:eu-west-1:111122223333:function:image-origin-transformer';
    const objects = 'arn:aws:s3:::image-origin-111122223333-eu-west-1/*';
    assert.deepEqual(allowed('oac'), []);
    assert.deepEqual(allowed('edge').sort(), [
      ['lambda:InvokeFunction', transformer, { Bool: { 'lambda:InvokedViaFunctionUrl': 'true' } }],
      ['lambda:InvokeFunctionUrl', transformer, { StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' } }],
      ['s3:GetObject', objects, undefined],
    ]);
    const objectLambda = allowed('object-lambda').map(([action, resource]) => `${action} ${resource}`);
    assert.deepEqual(objectLambda.sort(), [
      `lambda:InvokeFunction ${transformer}`,
      's3-object-lambda:GetObject arn:aws:s3-object-lambda:eu-west-1:111122223333:accesspoint/image-origin-transformed',
      `s3:GetObject ${objects}`,
      's3:GetObject arn:aws:s3:eu-west-1:111122223333:accesspoint/image-origin-originals/object/*',
    ]);
  });

  test('knows where requests go, and who signs in', () => {
    const config = (variant: Variant) => {
      const [first] = functionsOf(variant);
      assert.ok(first);
      return JSON.parse(readFileSync(`${code(variant, first)}/config.json`, 'utf8'));
    };
    const { transformer, storage, originals } = config('edge').origins;
    // Its name is the distribution's to tell.
    assert.deepEqual(transformer, { service: 'lambda', region: 'eu-west-1', read_timeout_seconds: 30 });
    assert.deepEqual(
      [storage.domain, originals],
      ['image-origin-111122223333-eu-west-1.s3.eu-west-1.amazonaws.com', 'strip'],
    );
    assert.equal(
      config('object-lambda').origins.transformer.domain,
      'image-origin-transformed-111122223333.s3-object-lambda.eu-west-1.amazonaws.com',
    );
    const imported = config('imported').origins;
    assert.deepEqual([imported.storage.path, imported.originals, imported.files], ['/originals', 'direct', []]);
    const [issuer] = config('private').jwt.issuers;
    assert.deepEqual([issuer.kind, issuer.audiences], ['cognito', ['1example23456789']]);
    assert.equal(
      issuer.jwks_uri,
      'https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_AbCdEfGhI/.well-known/jwks.json',
    );
  });
});

describe('the distribution', () => {
  const distribution = (variant: Variant) =>
    only(template(variant, 'cdn'), 'AWS::CloudFront::Distribution').Properties.DistributionConfig;

  test('speaks HTTP/2 and 3 over IPv6, HTTPS only, GET and HEAD only, without compressing pictures', () => {
    for (const variant of withDistribution) {
      const { HttpVersion, IPV6Enabled, DefaultCacheBehavior, CacheBehaviors = [], Origins } = distribution(variant);
      assert.deepEqual([HttpVersion, IPV6Enabled], ['http2and3', true]);
      for (const behaviour of [DefaultCacheBehavior, ...CacheBehaviors]) {
        assert.deepEqual(behaviour.AllowedMethods, ['GET', 'HEAD']);
        assert.equal(behaviour.ViewerProtocolPolicy, 'redirect-to-https');
        assert.equal(behaviour.Compress, false);
        const events = behaviour.LambdaFunctionAssociations.map(({ EventType }: Json) => EventType).sort();
        // Only where something is not public is there something to mark.
        const marks = variant === 'private' ? ['viewer-response'] : [];
        const signs = variant === 'oac' ? [] : ['origin-request'];
        assert.deepEqual(events, [...signs, 'origin-response', 'viewer-request', ...marks]);
      }
      for (const { CustomOriginConfig } of Origins.filter(({ S3OriginConfig }: Json) => !S3OriginConfig))
        assert.deepEqual(
          [CustomOriginConfig.OriginProtocolPolicy, CustomOriginConfig.OriginSSLProtocols],
          ['https-only', ['TLSv1.2']],
        );
    }
  });

  test('keeps pictures for as long as the origin says, up to a year, and errors as long as the origin says', () => {
    for (const variant of withDistribution) {
      for (const { ErrorCachingMinTTL } of distribution(variant).CustomErrorResponses)
        assert.equal(ErrorCachingMinTTL, 0);
      const { MinTTL, DefaultTTL, MaxTTL } = only(template(variant, 'cdn'), 'AWS::CloudFront::CachePolicy').Properties
        .CachePolicyConfig;
      assert.deepEqual([MinTTL, DefaultTTL, MaxTTL], [0, 2592000, 31536000]);
    }
  });

  test('has the grammar’s names and nothing else in the key of its cache', () => {
    for (const variant of withDistribution) {
      const { ParametersInCacheKeyAndForwardedToOrigin: key } = only(
        template(variant, 'cdn'),
        'AWS::CloudFront::CachePolicy',
      ).Properties.CachePolicyConfig;
      assert.deepEqual(key.HeadersConfig, { HeaderBehavior: 'whitelist', Headers: ['Accept'] });
      assert.equal(key.CookiesConfig.CookieBehavior, 'none');
      assert.deepEqual([key.EnableAcceptEncodingGzip, key.EnableAcceptEncodingBrotli], [false, false]);
      const listed = { QueryStringBehavior: 'whitelist', QueryStrings: parameterNames };
      // What is not listed, viewer-request has taken away: test/assets.test.ts.
      assert.deepEqual(key.QueryStringsConfig, variant === 'domain' ? listed : { QueryStringBehavior: 'all' });
    }
    // CloudFront's quota for all names of a policy together.
    assert.ok([...parameterNames, 'Accept'].join('').length <= 1024);
  });

  test('has its own name with TLS 1.2 or newer, in both address families', () => {
    const { Aliases, ViewerCertificate, WebACLId, Logging } = distribution('domain');
    assert.deepEqual(Aliases, ['images.example.com', 'example.com']);
    assert.deepEqual(
      [ViewerCertificate.MinimumProtocolVersion, ViewerCertificate.SslSupportMethod],
      ['TLSv1.2_2021', 'sni-only'],
    );
    assert.ok(WebACLId && Logging);
    const records = resources(template('domain', 'cdn'), 'AWS::Route53::RecordSet').map(
      ({ Properties }) => `${Properties.Type} ${Properties.Name}`,
    );
    assert.deepEqual(records.sort(), [
      'A example.com.',
      'A images.example.com.',
      'AAAA example.com.',
      'AAAA images.example.com.',
    ]);
    assert.deepEqual(
      only(template('domain', 'edge'), 'AWS::CertificateManager::Certificate').Properties.SubjectAlternativeNames,
      ['example.com'],
    );
    assert.equal(only(template('domain', 'edge'), 'AWS::WAFv2::WebACL').Properties.Scope, 'CLOUDFRONT');
  });

  test('sends listed paths to the bucket where CloudFront signs', () => {
    const { CacheBehaviors, Origins } = distribution('oac');
    assert.deepEqual(
      CacheBehaviors.map(({ PathPattern }: Json) => PathPattern),
      ['*.pdf', '*.mp4', '*.webm'],
    );
    const bucket = Origins.find(({ S3OriginConfig }: Json) => S3OriginConfig);
    assert.equal(bucket.OriginPath, '/originals');
    assert.ok(Origins.every(({ OriginAccessControlId }: Json) => OriginAccessControlId));
  });

  test('is asked for through Origin Shield and with CloudFront’s own signatures where that is wanted', () => {
    for (const { OriginShield } of distribution('oac').Origins)
      assert.deepEqual(OriginShield, { Enabled: true, OriginShieldRegion: 'eu-west-1' });
    for (const { OriginShield } of distribution('edge').Origins) assert.equal(OriginShield, undefined);
    const cdn = template('existing', 'cdn');
    const items = only(cdn, 'AWS::CloudFront::KeyGroup').Properties.KeyGroupConfig.Items;
    assert.deepEqual(items, [{ Ref: idOf(cdn, 'AWS::CloudFront::PublicKey') }]);
  });

  test('that exists is told what its behaviour needs', () => {
    const cdn = template('existing', 'cdn');
    assert.deepEqual(resources(cdn, 'AWS::CloudFront::Distribution'), []);
    const named = Object.keys(cdn.Outputs ?? {}).filter((name) => !/Publish/.test(name));
    assert.deepEqual(named.sort(), [
      'Bucket',
      'CachePolicyId',
      'CacheTagHeader',
      'DistributionId',
      'OriginAccessControlId',
      'OriginDomain',
      'OriginRequestPolicyId',
      'OriginResponseFunction',
      'ResponseHeadersPolicyId',
      'ViewerRequestFunction',
      // Its viewers come by CloudFront's signed URLs, so that no answer is public.
      'ViewerResponseFunction',
    ]);
    for (const { Properties } of resources(cdn, 'AWS::Lambda::Permission'))
      assert.equal(Properties.SourceArn, 'arn:aws:cloudfront::111122223333:distribution/E1EXAMPLE2DIST');
  });
});

describe('the invalidation', () => {
  const told: Variant[] = all.filter((variant) => variant !== 'china' && variant !== 'imported');
  const invalidation = (variant: Variant) => template(variant, 'invalidation');

  test('is by tags that the distribution reads and viewers do not get', () => {
    for (const variant of withEdge) {
      const { ResponseHeadersPolicyConfig } = only(
        template(variant, 'cdn'),
        'AWS::CloudFront::ResponseHeadersPolicy',
      ).Properties;
      assert.deepEqual(ResponseHeadersPolicyConfig.RemoveHeadersConfig, { Items: [{ Header: 'Cache-Tag' }] });
    }
    for (const variant of withDistribution) {
      const { DistributionConfig } = only(template(variant, 'cdn'), 'AWS::CloudFront::Distribution').Properties;
      assert.deepEqual(DistributionConfig.CacheTagConfig, { HeaderName: 'Cache-Tag' });
    }
    assert.deepEqual(template('existing', 'cdn').Outputs?.['CacheTagHeader']?.Value, 'Cache-Tag');
  });

  test('takes the events of originals from the bucket, and only of a bucket of its own', () => {
    for (const variant of all) {
      const has = stacks(variant).includes('invalidation');
      assert.equal(has, told.includes(variant), variant);
      if (variant === 'imported') continue;
      const { NotificationConfiguration } = only(template(variant, 'storage'), 'AWS::S3::Bucket').Properties;
      const sends = { EventBridgeConfiguration: { EventBridgeEnabled: true } };
      assert.deepEqual(NotificationConfiguration, has ? sends : undefined, variant);
    }
    const pattern = only(invalidation('oac'), 'AWS::Events::Rule').Properties.EventPattern;
    assert.deepEqual(pattern, {
      source: ['aws.s3'],
      'detail-type': ['Object Created', 'Object Deleted'],
      detail: { bucket: { name: [bucketName('oac')] }, object: { key: [{ prefix: 'originals/' }] } },
    });
  });

  test('may tell this distribution and nobody else', () => {
    for (const variant of told) {
      const allowed = new Map<string, Json>();
      for (const { Effect, Action, Resource } of statements(invalidation(variant)))
        if (Effect === 'Allow') for (const action of asList(Action)) allowed.set(action, Resource);
      assert.deepEqual([...allowed.keys()].sort(), [
        'cloudfront:CreateInvalidation',
        'logs:CreateLogStream',
        'logs:PutLogEvents',
        's3:ListBucketVersions',
        'sqs:ChangeMessageVisibility',
        'sqs:DeleteMessage',
        'sqs:GetQueueAttributes',
        'sqs:GetQueueUrl',
        'sqs:ReceiveMessage',
      ]);
      assert.equal(allowed.get('s3:ListBucketVersions'), bucketArn(variant));
      assert.match(JSON.stringify(allowed.get('cloudfront:CreateInvalidation')), /:distribution\/(E1EXAMPLE2DIST)?"/);
      const { Variables } = only(invalidation(variant), 'AWS::Lambda::Function').Properties.Environment;
      const prefix = variant === 'oac' ? '/originals' : '';
      assert.equal(Variables.IMAGE_ORIGIN_SOURCE, `s3://${bucketName(variant)}${prefix}`);
      assert.deepEqual(
        [Variables.IMAGE_ORIGIN_LAMBDA_INVALIDATE, Variables.IMAGE_ORIGIN_LAMBDA_INVALIDATE_BY],
        ['replaced', 'tags'],
      );
    }
  });

  test('makes few calls of many messages, and keeps what fails', () => {
    for (const variant of told) {
      const from = invalidation(variant);
      const { Properties: mapping } = only(from, 'AWS::Lambda::EventSourceMapping');
      assert.deepEqual(
        [
          mapping.BatchSize,
          mapping.MaximumBatchingWindowInSeconds,
          mapping.FunctionResponseTypes,
          mapping.ScalingConfig,
        ],
        [3000, 2, ['ReportBatchItemFailures'], { MaximumConcurrency: 2 }],
      );
      const queues = resources(from, 'AWS::SQS::Queue').map(({ Properties }) => Properties);
      const [queue] = queues.filter(({ RedrivePolicy }) => RedrivePolicy);
      assert.deepEqual([queues.length, queue?.RedrivePolicy.maxReceiveCount], [2, 5]);
      assert.equal(queue?.VisibilityTimeout, 6 * only(from, 'AWS::Lambda::Function').Properties.Timeout);
      assert.ok(queues.every(({ SqsManagedSseEnabled }) => SqsManagedSseEnabled));
      const alarm = only(from, 'AWS::CloudWatch::Alarm').Properties;
      assert.match(alarm.AlarmName, /-StaleAnswers$/);
      assert.equal(alarm.AlarmActions.length, 1);
    }
    assert.ok(readFileSync(`${root}docs/operations.md`, 'utf8').includes('### StaleAnswers'));
  });
});

describe('operation', () => {
  const emf = readFileSync(`${root}src/telemetry/emf.rs`, 'utf8');

  test('graphs metrics that the program writes', () => {
    const body = JSON.stringify(only(template('edge', 'watch'), 'AWS::CloudWatch::Dashboard').Properties.DashboardBody);
    const graphed = [...body.matchAll(/ImageOrigin\\+",\\+"(\w+)/g)].map(([, name]) => name as string);
    assert.deepEqual([...new Set(graphed)].sort(), [
      'BytesIn',
      'BytesOut',
      'ColdStart',
      'Decode',
      'Encode',
      'Fetch',
      'Memory',
      'Requests',
      'Resize',
      'Total',
    ]);
    for (const name of [...graphed, 'ImageOrigin']) assert.ok(emf.includes(`"${name}"`), name);
    assert.ok(emf.includes('[["function"], ["function", "status", "format"]]'), 'the dimensions that the widgets name');
    assert.ok(body.includes('{ImageOrigin,format,function,status}'));
    for (const statistic of ['p50', 'p95', 'p99', 'CacheHitRate']) assert.ok(body.includes(statistic));
  });

  test('alarms have a section in docs/operations.md, and somebody to tell', () => {
    const operations = readFileSync(`${root}docs/operations.md`, 'utf8');
    for (const variant of all) {
      const alarms = ['origin', ...(variant === 'china' ? [] : ['watch'])].flatMap((stack) =>
        resources(template(variant, stack), 'AWS::CloudWatch::Alarm'),
      );
      const names = alarms.map(({ Properties }) => Properties.AlarmName.split('-').pop());
      const ofViewers = variant === 'china' ? [] : ['Viewers5xx'];
      assert.deepEqual(names.sort(), ['Crashes', 'Errors5xx', 'Slow', 'Throttles', ...ofViewers]);
      for (const name of names) assert.ok(operations.includes(`### ${name}`), name);
      for (const { Properties } of alarms) assert.equal(Properties.AlarmActions?.length, 1);
    }
  });

  test('log queries use fields that the program logs', () => {
    const serve = readFileSync(`${root}src/front/serve.rs`, 'utf8');
    const queries = resources(template('edge', 'origin'), 'AWS::Logs::QueryDefinition')
      .map(({ Properties }) => Properties.QueryString)
      .join('\n');
    for (const field of ['path', 'status', 'milliseconds', 'request_id', 'bytes'])
      assert.ok(serve.includes(field) && queries.includes(field), field);
  });
});

describe('the stacks together', () => {
  test('refer to each other weakly, so that none keeps another from changing', () => {
    for (const variant of all)
      for (const stack of stacks(variant)) {
        const text = JSON.stringify(template(variant, stack));
        assert.ok(!text.includes('Fn::ImportValue') && !text.includes('Custom::'), `${variant} ${stack}`);
      }
    const references = JSON.stringify(template('edge', 'cdn')).match(/"Fn::GetStackOutput":\{[^}]*\}/g) ?? [];
    assert.equal(
      references.filter((reference) => reference.includes('"us-east-1"')).length,
      3,
      'the versions of the three functions',
    );
  });

  test('name everything after the deployment, so that two never meet', () => {
    for (const stack of stacks('domain'))
      assert.ok(!JSON.stringify(template('domain', stack)).includes('image-origin-'), stack);
  });
});

describe('CloudFront Functions', () => {
  const edge = template('functions', 'edge');
  const cdn = template('functions', 'cdn');

  test('are small enough, published, and read one store', () => {
    const store = idOf(edge, 'AWS::CloudFront::KeyValueStore');
    const functions = resources(edge, 'AWS::CloudFront::Function');
    assert.deepEqual(functions.map(({ Properties }) => Properties.Name).sort(), [
      'image-origin-viewer-request',
      'image-origin-viewer-response',
    ]);
    for (const { Properties } of functions) {
      assert.ok(Buffer.byteLength(Properties.FunctionCode) <= 10_240, Properties.Name);
      assert.deepEqual([Properties.AutoPublish, Properties.FunctionConfig.Runtime], [true, 'cloudfront-js-2.0']);
      assert.deepEqual(Properties.FunctionConfig.KeyValueStoreAssociations, [
        { KeyValueStoreARN: { 'Fn::GetAtt': [store, 'Arn'] } },
      ]);
    }
    // What the template holds are no rules and no secrets: they are pushed.
    assert.equal(resources(edge, 'AWS::CloudFront::KeyValueStore')[0]?.Properties.ImportSource, undefined);
    assert.equal(resources(edge, 'AWS::Lambda::Function').length, 0);
  });

  test('are called for both viewer events, and nothing of Lambda@Edge is', () => {
    const behavior = only(cdn, 'AWS::CloudFront::Distribution').Properties.DistributionConfig.DefaultCacheBehavior;
    assert.equal(behavior.LambdaFunctionAssociations, undefined);
    assert.deepEqual(
      behavior.FunctionAssociations.map(({ EventType, FunctionARN }: Json) => [
        EventType,
        JSON.stringify(FunctionARN).includes('111122223333:function/image-origin-viewer-'),
      ]),
      [
        ['viewer-request', true],
        ['viewer-response', true],
      ],
    );
    const headers = only(cdn, 'AWS::CloudFront::ResponseHeadersPolicy').Properties.ResponseHeadersPolicyConfig;
    assert.match(headers.SecurityHeadersConfig.ContentSecurityPolicy.ContentSecurityPolicy, /sandbox/);
  });
});
