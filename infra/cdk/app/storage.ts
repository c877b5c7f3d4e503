// The bucket with the originals: private, encrypted, kept when the stack goes. Its policy is the access stack's.
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Key } from 'aws-cdk-lib/aws-kms';
import { BlockPublicAccess, Bucket, BucketEncryption, HttpMethods, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import { accept } from '../lib/accepted.ts';
import { sendEvents } from '../lib/image-invalidation.ts';
import type { Names } from './names.ts';
import { invalidates, type Options } from './options.ts';

export interface StorageStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
}

export class StorageStack extends Stack {
  constructor(scope: Construct, id: string, props: StorageStackProps) {
    super(scope, id, props);
    const { keyArn, noncurrentDays, cors } = props.options.storage;
    const bucket = new Bucket(this, 'Originals', {
      bucketName: props.names.bucket,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      ...(keyArn
        ? {
            encryption: BucketEncryption.KMS,
            encryptionKey: Key.fromKeyArn(this, 'Key', keyArn),
            bucketKeyEnabled: true,
          }
        : { encryption: BucketEncryption.S3_MANAGED }),
      versioned: true,
      lifecycleRules: [
        {
          noncurrentVersionExpiration: Duration.days(noncurrentDays),
          abortIncompleteMultipartUploadAfter: Duration.days(7),
        },
      ],
      cors: [
        {
          allowedMethods: [HttpMethods.GET, HttpMethods.HEAD],
          allowedOrigins: cors,
          allowedHeaders: ['*'],
          exposedHeaders: ['ETag', 'Content-Length', 'Content-Range'],
          maxAge: 86400,
        },
      ],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    if (invalidates(props.options)) sendEvents(bucket);
    accept(
      bucket,
      'S1',
      'Every reader is a role of this deployment; data events in CloudTrail tell more than access logs would.',
    );
    accept(bucket, 'S10', 'The access stack has its policy, which denies what does not come over TLS.');
  }
}
