// What makes a distribution forget the answers of originals that have changed: the bucket's events, a queue that makes one
// batch of many, and a function that names them to CloudFront. It is the transformer's program, with another role.
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Rule } from 'aws-cdk-lib/aws-events';
import { SqsQueue } from 'aws-cdk-lib/aws-events-targets';
import { PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnBucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { acceptWildcards } from './accepted.ts';
import { InvalidationAlarms, type AlarmsProps } from './alarms.ts';
import { Artifacts, type Feature } from './artifacts.ts';
import { program, temporary } from './folders.ts';
import { distributionArn, logGroupArn, type ImageOrigin } from './image-origin.ts';

/** Messages of one call of the function: as many items as CloudFront works on at a time. */
const BATCH = 3000;

export interface ImageInvalidationProps extends Pick<AlarmsProps, 'topic' | 'namePrefix'> {
  readonly imageOrigin: ImageOrigin;
  readonly distributionId: string;
  /**
   * `replaced` leaves out originals that were not there before, for which CloudFront would bill as for others; the bucket must
   * be versioned. Default: `all`.
   */
  readonly which?: 'all' | 'replaced' | undefined;
  /** `paths` for distributions without cache tags, 15 originals at a time. Default: `tags`. */
  readonly by?: 'tags' | 'paths' | undefined;
  /** Default: CloudFormation makes one. */
  readonly functionName?: string | undefined;
  /** Default: 30 days. */
  readonly logRetention?: RetentionDays | undefined;
  /** The optional formats that the program was built with. */
  readonly features?: readonly Feature[] | undefined;
  /** Where the program is. Default: in this package. */
  readonly artifacts?: Artifacts | undefined;
}

/**
 * Tells a distribution of changed originals. The bucket must send its events to EventBridge: `sendEvents` turns that on for one
 * of this app.
 */
export class ImageInvalidation extends Construct {
  readonly function: lambda.Function;
  readonly queue: Queue;
  /** What could not be passed on. */
  readonly deadLetterQueue: Queue;

  constructor(scope: Construct, id: string, props: ImageInvalidationProps) {
    super(scope, id);
    const { imageOrigin, distributionId, which = 'all', by = 'tags', functionName, features } = props;
    const { topic, namePrefix, artifacts = Artifacts.default() } = props;
    const { bucket, prefix } = imageOrigin;
    const timeout = Duration.seconds(60);
    const encrypted = { encryption: QueueEncryption.SQS_MANAGED, enforceSSL: true };
    this.deadLetterQueue = new Queue(this, 'Failed', { ...encrypted, retentionPeriod: Duration.days(14) });
    this.queue = new Queue(this, 'Changes', {
      ...encrypted,
      // Lambda wants six times the function's time, so that a batch is not given to two copies.
      visibilityTimeout: Duration.seconds(6 * timeout.toSeconds()),
      deadLetterQueue: { queue: this.deadLetterQueue, maxReceiveCount: 5 },
    });
    new Rule(this, 'Rule', {
      description: 'image-origin: originals that have changed',
      eventPattern: {
        source: ['aws.s3'],
        detailType: ['Object Created', 'Object Deleted'],
        detail: {
          bucket: { name: [bucket.bucketName] },
          ...(prefix ? { object: { key: [{ prefix: `${prefix.slice(1)}/` }] } } : {}),
        },
      },
      targets: [new SqsQueue(this.queue)],
    });

    const code = temporary();
    const { architecture } = imageOrigin.function;
    const built = architecture === lambda.Architecture.ARM_64 ? 'arm64' : 'x86_64';
    program(code, 'bootstrap', artifacts.bootstrap(built, features));
    const logGroup = new LogGroup(this, 'Log', {
      logGroupName: functionName && `/aws/lambda/${functionName}`,
      retention: props.logRetention ?? RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.function = new lambda.Function(this, 'Function', {
      ...(functionName ? { functionName } : {}),
      description: 'image-origin: tells CloudFront of changed originals',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(code),
      architecture,
      memorySize: 256,
      timeout,
      environment: {
        IMAGE_ORIGIN_SOURCE: `s3://${bucket.bucketName}${prefix}`,
        IMAGE_ORIGIN_METRICS: 'none',
        IMAGE_ORIGIN_LAMBDA_DISTRIBUTION: distributionId,
        IMAGE_ORIGIN_LAMBDA_INVALIDATE: which,
        IMAGE_ORIGIN_LAMBDA_INVALIDATE_BY: by,
      },
      role: this.role(props, logGroup),
      logGroup,
    });
    this.function.addEventSource(
      new SqsEventSource(this.queue, {
        batchSize: BATCH,
        maxBatchingWindow: Duration.seconds(2),
        // The fewest that there can be: more would only wait for CloudFront together.
        maxConcurrency: 2,
        reportBatchItemFailures: true,
      }),
    );
    new InvalidationAlarms(this, 'Alarms', {
      queue: this.queue,
      deadLetterQueue: this.deadLetterQueue,
      topic,
      namePrefix,
    });
  }

  private role({ imageOrigin, distributionId, which }: ImageInvalidationProps, logGroup: LogGroup): Role {
    const distribution = distributionArn(this, { distributionId });
    const stream = `${logGroupArn(logGroup)}:*`;
    const statements = [
      new PolicyStatement({ actions: ['cloudfront:CreateInvalidation'], resources: [distribution] }),
      new PolicyStatement({ actions: ['logs:CreateLogStream', 'logs:PutLogEvents'], resources: [stream] }),
    ];
    if (which === 'replaced')
      statements.push(
        new PolicyStatement({ actions: ['s3:ListBucketVersions'], resources: [imageOrigin.bucket.bucketArn] }),
      );
    const made = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: { invalidate: new PolicyDocument({ statements }) },
    });
    acceptWildcards(made, 'Each copy writes a stream of its own.', stream);
    return made;
  }
}

/** Turns on a bucket's events, without a function that does it: for a bucket that the CDK makes in this app. */
export function sendEvents(bucket: IBucket): void {
  const resource = bucket.node.defaultChild;
  if (resource instanceof CfnBucket)
    resource.addPropertyOverride('NotificationConfiguration.EventBridgeConfiguration.EventBridgeEnabled', true);
}
