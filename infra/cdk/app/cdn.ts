// The distribution, and what is the same for one that exists: the images' behaviour, and who may ask.
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { readFileSync } from 'node:fs';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { AaaaRecord, ARecord, HostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import { BlockPublicAccess, Bucket, BucketEncryption, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { accept } from '../lib/accepted.ts';
import type { Artifacts } from '../lib/artifacts.ts';
import { ERROR_RESPONSES, ImageBehavior } from '../lib/image-behavior.ts';
import type { ImageOrigin } from '../lib/image-origin.ts';
import type { EdgeStack } from './edge.ts';
import type { Names } from './names.ts';
import { files, type Options } from './options.ts';

const PRICE_CLASSES = {
  '100': cloudfront.PriceClass.PRICE_CLASS_100,
  '200': cloudfront.PriceClass.PRICE_CLASS_200,
  All: cloudfront.PriceClass.PRICE_CLASS_ALL,
};

export interface CdnStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
  readonly imageOrigin: ImageOrigin;
  readonly edge: EdgeStack;
  readonly artifacts: Artifacts;
}

export class CdnStack extends Stack {
  /** The id of the distribution, new or not. */
  readonly distributionId: string;
  /** Whether the distribution reads files from the bucket itself. */
  readonly readsBucket: boolean;

  constructor(scope: Construct, id: string, props: CdnStackProps) {
    super(scope, id, props);
    const { options, names, imageOrigin, edge, artifacts } = props;
    const { objectLambda, originShield, storage, cacheKey, name } = options;
    const images = new ImageBehavior(this, 'Images', {
      imageOrigin,
      edge: edge.edge,
      artifacts,
      originShield,
      cacheKey,
      cors: storage.cors,
      policyName: `${name}-${this.region}`,
      transformerDomain: objectLambda === 'behind-cdn' ? names.objectLambdaDomain : undefined,
      trustedKeyGroups: this.keyGroups(options),
    });
    this.readsBucket = options.signing === 'oac' && files(options).length > 0;
    if (options.distribution === 'new') {
      this.distributionId = this.distribution(images, props).distributionId;
    } else {
      this.distributionId = options.distribution;
      const attributes = { distributionId: options.distribution, domainName: 'unknown.cloudfront.net' };
      images.allow(cloudfront.Distribution.fromDistributionAttributes(this, 'Distribution', attributes));
      this.describe(images);
    }
    new CfnOutput(this, 'DistributionId', { value: this.distributionId });
    new CfnOutput(this, 'Bucket', { value: names.bucket });
  }

  private distribution(images: ImageBehavior, { options, edge }: CdnStackProps): cloudfront.Distribution {
    const { domain } = options;
    const distribution = new cloudfront.Distribution(this, 'Distribution', {
      comment: options.name,
      defaultBehavior: images.behavior,
      additionalBehaviors: images.fileBehaviors(),
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      enableIpv6: true,
      priceClass: PRICE_CLASSES[options.priceClass],
      minimumProtocolVersion: domain ? cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021 : undefined,
      errorResponses: ERROR_RESPONSES,
      // Cache hit rate is one of the additional metrics.
      publishAdditionalMetrics: true,
      domainNames: domain?.names,
      certificate: edge.certificate,
      webAclId: edge.webAcl,
      enableLogging: options.accessLogDays !== undefined,
      logBucket: this.accessLog(options),
    });
    if (domain) this.records(domain, distribution);
    acceptChoices(options, distribution);
    images.allow(distribution);
    images.tag(distribution);
    if (this.readsBucket)
      images.acceptImportedBucket(
        distribution,
        "The access stack's policy says it; for an imported bucket, an output does.",
      );
    new CfnOutput(this, 'Url', { value: `https://${domain?.names[0] ?? distribution.distributionDomainName}` });
    return distribution;
  }

  /** What a behaviour of a distribution that other tools make must name. */
  private describe(images: ImageBehavior): void {
    const outputs: Record<string, string | undefined> = {
      OriginDomain: images.domainName,
      OriginAccessControlId: images.originAccessControl?.originAccessControlId,
      CacheTagHeader: images.cacheTagHeader,
      CachePolicyId: images.cachePolicy.cachePolicyRef.cachePolicyId,
      OriginRequestPolicyId: images.originRequestPolicy.originRequestPolicyRef.originRequestPolicyId,
      ResponseHeadersPolicyId: images.responseHeadersPolicy.responseHeadersPolicyRef.responseHeadersPolicyId,
    };
    for (const { eventType, functionVersion } of images.options.edgeLambdas ?? [])
      outputs[`${eventType.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase())}Function`] =
        functionVersion.functionArn;
    for (const { eventType, function: made } of images.options.functionAssociations ?? [])
      outputs[`${eventType.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase())}Function`] =
        made.functionRef.functionArn;
    for (const [name, value] of Object.entries(outputs)) if (value) new CfnOutput(this, name, { value });
  }

  private keyGroups({ signedUrls }: Options): cloudfront.IKeyGroup[] | undefined {
    if (!signedUrls) return undefined;
    const existing = signedUrls.keyGroups.map((id) => cloudfront.KeyGroup.fromKeyGroupId(this, `Keys ${id}`, id));
    if (signedUrls.publicKeys.length === 0) return existing;
    const items = signedUrls.publicKeys.map((file, index) => {
      const encodedKey = readFileSync(file, 'utf8');
      return new cloudfront.PublicKey(this, `PublicKey${index}`, { encodedKey });
    });
    return [...existing, new cloudfront.KeyGroup(this, 'Keys', { items })];
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

  private records({ names, zone }: NonNullable<Options['domain']>, distribution: cloudfront.Distribution): void {
    const hostedZone = HostedZone.fromHostedZoneAttributes(this, 'Zone', {
      hostedZoneId: zone.id,
      zoneName: zone.name,
    });
    const target = RecordTarget.fromAlias(new CloudFrontTarget(distribution));
    for (const recordName of names) {
      new ARecord(this, `A ${recordName}`, { zone: hostedZone, recordName: `${recordName}.`, target });
      new AaaaRecord(this, `AAAA ${recordName}`, { zone: hostedZone, recordName: `${recordName}.`, target });
    }
  }
}

function acceptChoices({ domain, waf, accessLogDays }: Options, distribution: cloudfront.Distribution): void {
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
  for (const [rule, reason, chosen] of choices) if (chosen) accept(distribution, rule, reason);
}
