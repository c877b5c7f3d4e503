// The bucket with the originals: private, encrypted, reached over TLS only, kept when the stack goes.
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { BlockPublicAccess, Bucket, BucketEncryption, HttpMethods, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { accept } from './accepted.ts';
import type { Names } from './names.ts';
import type { Options } from './options.ts';

export class StorageStack extends Stack {
  /** `distribution` is the id of the one that is deployed already, if that is known. */
  constructor(
    scope: Construct,
    id: string,
    options: Options,
    names: Names,
    { distribution, ...props }: StackProps & { distribution?: string | undefined },
  ) {
    super(scope, id, props);
    const bucket = new Bucket(this, 'Originals', {
      bucketName: names.bucket,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      lifecycleRules: [
        {
          noncurrentVersionExpiration: Duration.days(options.storage.noncurrentDays),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
      cors: [
        {
          allowedMethods: [HttpMethods.GET, HttpMethods.HEAD],
          allowedOrigins: options.storage.cors,
          allowedHeaders: ['*'],
          exposedHeaders: ['ETag', 'Content-Length', 'Content-Range'],
          maxAge: 86400,
        },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    accept(
      bucket,
      'S1',
      'Every reader is a role of this deployment; data events in CloudTrail tell more than access logs would.',
    );
    if (options.signing === 'oac') bucket.addToResourcePolicy(cloudFrontMayRead(options, names, distribution));
  }
}

/**
 * What the bucket's policy says so that CloudFront's origin access control may read it.
 *
 * One distribution, once it has an id. The bucket is there before it, and a bucket has one policy only: until then any
 * distribution of this account may read.
 */
export function cloudFrontMayRead({ account }: Options, names: Names, distribution = '*'): PolicyStatement {
  return new PolicyStatement({
    effect: Effect.ALLOW,
    principals: [new ServicePrincipal('cloudfront.amazonaws.com')],
    actions: ['s3:GetObject'],
    resources: [names.objectsArn],
    conditions: {
      StringEquals: { 'aws:SourceAccount': account },
      ArnLike: { 'aws:SourceArn': `arn:aws:cloudfront::${account}:distribution/${distribution}` },
    },
  });
}
