// The transformer with what operation adds to it, and the access point of S3 Object Lambda, for accounts that still have that.
import { CfnOutput, Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Key } from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { BlockPublicAccess, Bucket, BucketEncryption, CfnAccessPoint } from 'aws-cdk-lib/aws-s3';
import { CfnAccessPoint as CfnObjectLambda } from 'aws-cdk-lib/aws-s3objectlambda';
import type { Construct } from 'constructs';
import { accept } from '../lib/accepted.ts';
import { OriginAlarms } from '../lib/alarms.ts';
import type { Artifacts } from '../lib/artifacts.ts';
import { ImageOrigin, type ResultStore } from '../lib/image-origin.ts';
import type { Names } from './names.ts';
import type { Options } from './options.ts';
import { queries } from './queries.ts';
import { topic } from './topic.ts';

export interface OriginStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
  readonly artifacts: Artifacts;
}

export class OriginStack extends Stack {
  readonly imageOrigin: ImageOrigin;

  constructor(scope: Construct, id: string, props: OriginStackProps) {
    super(scope, id, props);
    const { options, names, artifacts } = props;
    const { architecture, memory, timeout, concurrency, features, config, sources, settings, logDays, results } =
      options.function;
    const { keyArn, prefix } = options.storage;
    const logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${names.function}`,
      retention: logDays as RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // By name: the bucket may be the operator's own.
    const bucket = Bucket.fromBucketAttributes(this, 'Originals', {
      bucketArn: names.bucketArn,
      region: options.region,
      ...(keyArn ? { encryptionKey: Key.fromKeyArn(this, 'Key', keyArn) } : {}),
    });
    this.imageOrigin = new ImageOrigin(this, 'Transformer', {
      bucket,
      prefix,
      configFile: config,
      ...(sources && { sources: sources.map((name) => Bucket.fromBucketName(this, `Source-${name}`, name)) }),
      settings,
      results: results && this.resultStore(results.days),
      features,
      artifacts,
      functionName: names.function,
      architecture: architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      memorySize: memory,
      timeout: Duration.seconds(timeout),
      logGroup,
      initialPolicy: options.objectLambda === 'off' ? [] : [mayAnswer(names)],
      ...(concurrency === undefined ? {} : { reservedConcurrentExecutions: concurrency }),
    });
    new CfnOutput(this, 'FunctionUrl', { value: this.imageOrigin.url.url });
    if (options.objectLambda !== 'off') this.objectLambda(names);
    new OriginAlarms(this, 'Alarms', {
      imageOrigin: this.imageOrigin,
      topic: topic(this, options),
      namePrefix: this.stackName,
      errorsPercent: options.alarms.errorsPercent,
      durationPercent: options.alarms.durationPercent,
    });
    queries({ scope: this, name: options.name, logGroup });
  }

  /** A bucket for results, which expire. It stays when the stack goes, since only empty ones can be removed. */
  private resultStore(days: number): ResultStore {
    const bucket = new Bucket(this, 'Results', {
      blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
      encryption: BucketEncryption.S3_MANAGED,
      enforceSSL: true,
      lifecycleRules: [{ expiration: Duration.days(days), abortIncompleteMultipartUploadAfter: Duration.days(1) }],
      removalPolicy: RemovalPolicy.RETAIN,
    });
    accept(bucket, 'S1', 'Only the function reads and writes it.');
    return { bucket };
  }

  private objectLambda(names: Names): void {
    const transformer = this.imageOrigin.function;
    const blocked = {
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    };
    const supporting = new CfnAccessPoint(this, 'SupportingAccessPoint', {
      bucket: names.bucket,
      name: names.supportingAccessPoint,
      publicAccessBlockConfiguration: blocked,
    });
    const transformed = new CfnObjectLambda(this, 'ObjectLambda', {
      name: names.objectLambda,
      objectLambdaConfiguration: {
        supportingAccessPoint: names.supportingAccessPointArn,
        cloudWatchMetricsEnabled: true,
        allowedFeatures: ['GetObject-Range', 'GetObject-PartNumber', 'HeadObject-Range', 'HeadObject-PartNumber'],
        transformationConfigurations: [
          {
            actions: ['GetObject', 'HeadObject', 'ListObjects', 'ListObjectsV2'],
            contentTransformation: { AwsLambda: { FunctionArn: transformer.functionArn } },
          },
        ],
      },
    });
    transformed.addResourceDependency(supporting);
  }
}

/** What the function's role needs to hand its answers back. */
function mayAnswer({ objectLambdaArn }: Names): PolicyStatement {
  return new PolicyStatement({ actions: ['s3-object-lambda:WriteGetObjectResponse'], resources: [objectLambdaArn] });
}

/** What the role of whoever signs for the access point needs, so that it, the bucket and the function take it. */
export function mayAskObjectLambda(names: Names): PolicyStatement[] {
  const viaObjectLambda = { 'ForAnyValue:StringEquals': { 'aws:CalledVia': ['s3-object-lambda.amazonaws.com'] } };
  return [
    new PolicyStatement({ actions: ['s3-object-lambda:GetObject'], resources: [names.objectLambdaArn] }),
    new PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: [names.functionArn],
      conditions: viaObjectLambda,
    }),
    new PolicyStatement({
      actions: ['s3:GetObject'],
      resources: [`${names.supportingAccessPointArn}/object/*`],
      conditions: viaObjectLambda,
    }),
  ];
}
