// Private images behind a distribution of their own: whoever is signed in at a user pool sees what is in their folder, and
// what is in `public/` is for everybody.
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { Certificate, CertificateValidation, type ICertificate } from 'aws-cdk-lib/aws-certificatemanager';
import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import { AaaaRecord, ARecord, type IHostedZone, RecordTarget } from 'aws-cdk-lib/aws-route53';
import { CloudFrontTarget } from 'aws-cdk-lib/aws-route53-targets';
import { BlockPublicAccess, Bucket, BucketEncryption, type IBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import { Construct } from 'constructs';
import { accept } from './accepted.ts';
import type { Access } from './access.ts';
import { type Artifacts, BuildError } from './artifacts.ts';
import { ERROR_RESPONSES, ImageBehavior } from './image-behavior.ts';
import { ImageEdge } from './image-edge.ts';
import { ImageInvalidation, sendEvents } from './image-invalidation.ts';
import { ImageOrigin, type ImageOriginProps } from './image-origin.ts';

/** A folder for each user of the pool, and one for everybody. */
const FOLDERS: Access = {
  rules: [
    { path: '/public/*', allow: ['public'] },
    { path: '/users/{sub}/*', allow: ['jwt'] },
  ],
  jwtCookie: 'session',
};

export interface CustomDomain {
  readonly domainName: string;
  /** The hosted zone that holds the name: its records are made there. */
  readonly zone: IHostedZone;
  /** A certificate in us-east-1. Default: one is made, in a stack that is in us-east-1. */
  readonly certificate?: ICertificate;
}

/** A distribution's own options, but for what is made here. */
export interface PrivateImagesProps extends Omit<
  cloudfront.DistributionProps,
  'defaultBehavior' | 'certificate' | 'domainNames'
> {
  /** The name of a new bucket, which is kept when the construct goes. Default: CloudFormation makes one. */
  readonly bucketName?: string | undefined;
  /** A bucket that exists, instead. */
  readonly bucket?: IBucket | undefined;
  readonly customDomain?: CustomDomain | undefined;
  readonly userPoolId: string;
  readonly userPoolClientId: string;
  /** Default: `/users/{sub}/*` is for the user whose id that is, `/public/*` for everybody. JWTs may be in the cookie `session`. */
  readonly access?: Access | undefined;
  /** More about the function. */
  readonly function?: Omit<ImageOriginProps, 'bucket' | 'artifacts'> | undefined;
  /** Who is told when CloudFront is not told of changed originals. Default: nobody. */
  readonly alarmTopic?: ITopic | undefined;
  readonly artifacts?: Artifacts | undefined;
}

/** Private images: a bucket, a function, the edge and a distribution. */
export class PrivateImages extends Construct {
  readonly bucket: IBucket;
  readonly imageOrigin: ImageOrigin;
  readonly edge: ImageEdge;
  readonly distribution: cloudfront.Distribution;
  /** Where the images are. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: PrivateImagesProps) {
    super(scope, id);
    const {
      bucketName,
      bucket,
      customDomain,
      userPoolId,
      userPoolClientId,
      access = FOLDERS,
      function: options,
      alarmTopic,
      artifacts,
      ...distribution
    } = props;
    if (bucket && bucketName) throw new BuildError('bucket and bucketName are two ways to say the same; choose one');
    this.bucket = bucket ?? this.newBucket(bucketName);
    this.imageOrigin = new ImageOrigin(this, 'Origin', { ...options, bucket: this.bucket, artifacts });
    const { region } = Stack.of(this);
    const userPools = [
      {
        userPoolId,
        userPoolClientId,
        region: userPoolId.includes('_') ? (userPoolId.split('_')[0] as string) : region,
      },
    ];
    this.edge = new ImageEdge(this, 'Edge', { imageOrigin: this.imageOrigin, access, userPools, artifacts });
    const images = new ImageBehavior(this, 'Images', { imageOrigin: this.imageOrigin, edge: this.edge, artifacts });
    this.distribution = new cloudfront.Distribution(this, 'Distribution', {
      httpVersion: cloudfront.HttpVersion.HTTP2_AND_3,
      errorResponses: ERROR_RESPONSES,
      minimumProtocolVersion: customDomain && cloudfront.SecurityPolicyProtocol.TLS_V1_2_2021,
      ...distribution,
      defaultBehavior: images.behavior,
      ...(customDomain ? { domainNames: [customDomain.domainName], certificate: this.certificate(customDomain) } : {}),
    });
    images.allow(this.distribution);
    images.tag(this.distribution);
    // The bucket is of this construct, so its events are as well.
    if (!bucket) {
      sendEvents(this.bucket);
      new ImageInvalidation(this, 'Invalidation', {
        imageOrigin: this.imageOrigin,
        distributionId: this.distribution.distributionId,
        which: 'replaced',
        topic: alarmTopic,
        features: options?.features,
        artifacts,
      });
    }
    this.url = `https://${customDomain?.domainName ?? this.distribution.distributionDomainName}`;
    if (customDomain) this.records(customDomain);
  }

  private newBucket(bucketName: string | undefined): Bucket {
    const made = new Bucket(this, 'Originals', {
      bucketName,
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      minimumTLSVersion: 1.2,
      versioned: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
    accept(made, 'S1', 'The function and CloudFront are its only readers; data events in CloudTrail tell more.');
    return made;
  }

  private certificate({ domainName, zone, certificate }: CustomDomain): ICertificate {
    if (certificate) return certificate;
    if (Stack.of(this).region !== 'us-east-1')
      throw new BuildError(
        'customDomain: CloudFront takes certificates of us-east-1 only; give it one, or put this stack there',
      );
    return new Certificate(this, 'Certificate', { domainName, validation: CertificateValidation.fromDns(zone) });
  }

  private records({ domainName, zone }: CustomDomain): void {
    const record = {
      zone,
      recordName: `${domainName}.`,
      target: RecordTarget.fromAlias(new CloudFrontTarget(this.distribution)),
    };
    new ARecord(this, 'A', record);
    new AaaaRecord(this, 'AAAA', record);
  }
}
