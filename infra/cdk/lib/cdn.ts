// The distribution: where requests go, what is one entry in its cache, and which headers leave it. With signing=oac it is
// also what the function URL lets in.
import { Duration, CfnOutput, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { HttpOrigin, S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { CfnPermission } from 'aws-cdk-lib/aws-lambda';
import { AaaaRecord, ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { accept, acceptWarning } from './accepted.ts';
import type { EdgeStack } from './edge.ts';
import type { Names } from './names.ts';
import { files, type Options } from './options.ts';
import type { OriginStack } from './origin.ts';
import type { EdgeFunction } from './packages.ts';
import { parameterNames } from './program.ts';
import { cloudFrontMayRead } from './storage.ts';

const MONTH = Duration.days(30);

// Errors that CloudFront would keep for ten seconds. The origin says in Cache-Control how long each may be kept.
const ERRORS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

const EVENTS: Record<EdgeFunction, cloudfront.LambdaEdgeEventType> = {
  'viewer-request': cloudfront.LambdaEdgeEventType.VIEWER_REQUEST,
  'origin-request': cloudfront.LambdaEdgeEventType.ORIGIN_REQUEST,
  'origin-response': cloudfront.LambdaEdgeEventType.ORIGIN_RESPONSE,
};

const PRICE_CLASSES = {
  '100': cloudfront.PriceClass.PRICE_CLASS_100,
  '200': cloudfront.PriceClass.PRICE_CLASS_200,
  All: cloudfront.PriceClass.PRICE_CLASS_ALL,
};

export class CdnStack extends Stack {
  readonly distribution: cloudfront.Distribution;

  constructor(
    scope: Construct,
    id: string,
    options: Options,
    names: Names,
    origin: OriginStack,
    edge: EdgeStack,
    props: StackProps,
  ) {
    super(scope, id, props);
    const { domain, signing } = options;
    const behaviour = this.behaviour(options, edge);
    const transformer = this.transformer(options, names, origin);
    // With signing=edge a function chooses the bucket; CloudFront chooses by the path.
    const direct = signing === 'oac' ? files(options).map((ending) => `*.${ending}`) : [];
    const bucket = direct.length > 0 ? this.bucketOrigin(options, names) : undefined;
    this.distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: options.name,
      defaultBehavior: { ...behaviour, origin: transformer },
      additionalBehaviors: Object.fromEntries(
        direct.map((path) => [path, { ...behaviour, origin: bucket as cloudfront.IOrigin }]),
      ),
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      enableIpv6: true,
      priceClass: PRICE_CLASSES[options.priceClass],
      minimumProtocolVersion: domain ? cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021 : undefined,
      errorResponses: ERRORS.map((httpStatus) => ({ httpStatus, ttl: Duration.seconds(0) })),
      // Cache hit rate is one of the additional metrics.
      publishAdditionalMetrics: true,
      domainNames: domain?.names,
      certificate: edge.certificate,
      webAclId: edge.webAcl,
      enableLogging: options.accessLogDays !== undefined,
      logBucket: this.accessLog(options),
    });
    if (domain) this.records(domain);
    this.acceptChoices(options);
    if (signing === 'oac') this.allowTransformer(names);
    if (bucket) this.allowBucket(options, names);
    new CfnOutput(this, 'Url', { value: `https://${domain?.names[0] ?? this.distribution.distributionDomainName}` });
    new CfnOutput(this, 'DistributionId', { value: this.distribution.distributionId });
    new CfnOutput(this, 'Bucket', { value: names.bucket });
  }

  private acceptChoices({ domain, waf, accessLogDays }: Options): void {
    const choices: [string, string, boolean][] = [
      ['CFR1', 'Pictures are for readers everywhere; who may see them, the edge decides.', true],
      ['CFR2', 'A choice of the operator: the option waf.', !waf],
      ['CFR3', 'A choice of the operator: the option accessLogDays.', accessLogDays === undefined],
      [
        'CFR4',
        "The certificate of cloudfront.net has a policy of CloudFront's; the option domain brings TLS 1.2.",
        !domain,
      ],
    ];
    for (const [rule, reason, chosen] of choices) if (chosen) accept(this.distribution, rule, reason);
  }

  /** What is the same for every path. */
  private behaviour(options: Options, edge: EdgeStack): Omit<cloudfront.BehaviorOptions, 'origin'> {
    // With OAC, CloudFront signs for the origin that the behaviour names; a function that chooses another is in its way.
    const called = [...edge.versions].filter(([name]) => options.signing === 'edge' || name !== 'origin-request');
    return {
      allowedMethods: cloudfront.AllowedMethods.ALLOW_GET_HEAD,
      cachedMethods: cloudfront.CachedMethods.CACHE_GET_HEAD,
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
      // Pictures are compressed already.
      compress: false,
      cachePolicy: this.cachePolicy(options),
      originRequestPolicy: new cloudfront.OriginRequestPolicy(this, 'OriginRequests', {
        originRequestPolicyName: `${options.name}-${this.region}`,
        comment: 'Beside what is in the key of the cache, only the trace goes on',
        headerBehavior: cloudfront.OriginRequestHeaderBehavior.allowList('traceparent', 'tracestate'),
      }),
      responseHeadersPolicy: this.headers(options),
      edgeLambdas: called.map(([name, functionVersion]) => ({ functionVersion, eventType: EVENTS[name] })),
    };
  }

  /**
   * One entry in the cache for what means the same. The viewer-request function leaves only the grammar's names in a query,
   * in one order, so that all of it can be the key; to list the names once more needs a higher quota than the 10 that an
   * account has.
   */
  private cachePolicy({ name, cacheKey }: Options): cloudfront.CachePolicy {
    const { allowList, all } = cloudfront.CacheQueryStringBehavior;
    return new cloudfront.CachePolicy(this, 'Key', {
      cachePolicyName: `${name}-${this.region}`,
      comment: 'Path, query and negotiable types are one picture',
      queryStringBehavior: cacheKey === 'listed' ? allowList(...parameterNames()) : all(),
      headerBehavior: cloudfront.CacheHeaderBehavior.allowList('Accept'),
      cookieBehavior: cloudfront.CacheCookieBehavior.none(),
      enableAcceptEncodingGzip: false,
      enableAcceptEncodingBrotli: false,
      minTtl: Duration.seconds(0),
      defaultTtl: MONTH,
      maxTtl: MONTH,
    });
  }

  private headers({ name, storage }: Options): cloudfront.ResponseHeadersPolicy {
    return new cloudfront.ResponseHeadersPolicy(this, 'Headers', {
      responseHeadersPolicyName: `${name}-${this.region}`,
      corsBehavior: {
        accessControlAllowCredentials: false,
        accessControlAllowHeaders: ['Range', 'If-None-Match', 'If-Modified-Since'],
        accessControlAllowMethods: ['GET', 'HEAD'],
        accessControlAllowOrigins: storage.cors,
        accessControlExposeHeaders: ['ETag', 'Content-Length', 'Content-Range'],
        accessControlMaxAge: Duration.days(1),
        originOverride: true,
      },
      securityHeadersBehavior: {
        contentTypeOptions: { override: true },
        referrerPolicy: { referrerPolicy: cloudfront.HeadersReferrerPolicy.NO_REFERRER, override: true },
        strictTransportSecurity: { accessControlMaxAge: Duration.days(365), includeSubdomains: false, override: true },
      },
      customHeadersBehavior: {
        customHeaders: [{ header: 'Cross-Origin-Resource-Policy', value: 'cross-origin', override: true }],
      },
    });
  }

  private transformer(options: Options, names: Names, origin: OriginStack): cloudfront.IOrigin {
    const signed =
      options.signing === 'oac' ? new cloudfront.FunctionUrlOriginAccessControl(this, 'Signature') : undefined;
    return new HttpOrigin(options.objectLambda === 'behind-cdn' ? names.objectLambdaDomain : origin.domain, {
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
      originSslProtocols: [cloudfront.OriginSslPolicy.TLS_V1_2],
      readTimeout: Duration.seconds(options.function.timeout),
      originAccessControlId: signed?.originAccessControlId,
    });
  }

  /** Lets this distribution, and none else, ask the function through its URL. Since October 2025 Lambda wants both. */
  private allowTransformer(names: Names): void {
    const who = {
      principal: 'cloudfront.amazonaws.com',
      functionName: names.functionArn,
      sourceArn: `arn:aws:cloudfront::${this.account}:distribution/${this.distribution.distributionId}`,
    };
    new CfnPermission(this, 'MayInvokeUrl', {
      ...who,
      action: 'lambda:InvokeFunctionUrl',
      functionUrlAuthType: 'AWS_IAM',
    });
    new CfnPermission(this, 'MayInvoke', { ...who, action: 'lambda:InvokeFunction', invokedViaFunctionUrl: true });
  }

  /** The bucket, whose policy is the storage stack's. */
  private bucketOrigin({ region, storage }: Options, names: Names): cloudfront.IOrigin {
    const bucket = Bucket.fromBucketAttributes(this, 'Originals', { bucketName: names.bucket, region });
    return S3BucketOrigin.withOriginAccessControl(bucket, { originPath: storage.prefix });
  }

  /** The policy of a bucket that this deployment has not made is its owner's to change. */
  private allowBucket(options: Options, names: Names): void {
    const warning = '@aws-cdk/aws-cloudfront-origins:updateImportedBucketPolicyOac';
    acceptWarning(
      this.distribution,
      warning,
      "The storage stack's policy says it; for an imported bucket, an output does.",
    );
    if (!options.storage.import) return;
    const statement = cloudFrontMayRead(options, names, this.distribution.distributionId);
    const value = this.toJsonString(statement.toStatementJson());
    new CfnOutput(this, 'BucketPolicyStatement', { description: "To be added to the bucket's policy", value });
  }

  private accessLog({ accessLogDays }: Options): Bucket | undefined {
    if (accessLogDays === undefined) return undefined;
    const bucket = new Bucket(this, 'AccessLog', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      // CloudFront hands its logs over by an access control list.
      objectOwnership: ObjectOwnership.BUCKET_OWNER_PREFERRED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      lifecycleRules: [{ expiration: Duration.days(accessLogDays) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    accept(bucket, 'S1', 'It holds the logs; a log of who reads them would have to be logged, too.');
    return bucket;
  }

  private records({ names, zone }: NonNullable<Options['domain']>): void {
    const hostedZone = HostedZone.fromHostedZoneAttributes(this, 'Zone', {
      hostedZoneId: zone.id,
      zoneName: zone.name,
    });
    const target = RecordTarget.fromAlias(new CloudFrontTarget(this.distribution));
    for (const recordName of names) {
      new ARecord(this, `A ${recordName}`, { zone: hostedZone, recordName: `${recordName}.`, target });
      new AaaaRecord(this, `AAAA ${recordName}`, { zone: hostedZone, recordName: `${recordName}.`, target });
    }
  }
}
