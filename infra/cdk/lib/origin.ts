// The transformer: the Lambda function with its URL, which streams and takes signed requests only, its role, its log, its
// alarms; and the access point of S3 Object Lambda, for accounts that still have that.
import { CfnOutput, Duration, Fn, RemovalPolicy, Size, Stack, type StackProps } from 'aws-cdk-lib';
import { Effect, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { CfnAccessPoint } from 'aws-cdk-lib/aws-s3';
import { CfnAccessPoint as CfnObjectLambda } from 'aws-cdk-lib/aws-s3objectlambda';
import type { Construct } from 'constructs';
import { acceptWildcards } from './accepted.ts';
import { functionAlarms, topic } from './alarms.ts';
import type { Names } from './names.ts';
import type { Options } from './options.ts';
import { CONFIG_FILE, lambdaPackage } from './packages.ts';
import { checkSettings } from './program.ts';
import { queries } from './queries.ts';

export class OriginStack extends Stack {
  /** The domain of the function URL, for stacks that are deployed later. */
  readonly domain: string;

  constructor(scope: Construct, id: string, options: Options, names: Names, props: StackProps & { packages?: string }) {
    super(scope, id, props);
    const logGroup = new LogGroup(this, 'Log', {
      logGroupName: `/aws/lambda/${names.function}`,
      retention: options.function.logDays as RetentionDays,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { architecture, memory, timeout, concurrency } = options.function;
    const transformer = new lambda.Function(this, 'Transformer', {
      functionName: names.function,
      description: 'image-origin: transforms images by their query string',
      runtime: lambda.Runtime.PROVIDED_AL2023,
      architecture: architecture === 'arm64' ? lambda.Architecture.ARM_64 : lambda.Architecture.X86_64,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(lambdaPackage(options, props.packages)),
      memorySize: memory,
      timeout: Duration.seconds(timeout),
      ephemeralStorageSize: Size.mebibytes(512),
      environment: environment(options, names),
      role: this.role(options, names, logGroup),
      logGroup,
      reservedConcurrentExecutions: concurrency,
    });
    const { url } = transformer.addFunctionUrl({
      authType: lambda.FunctionUrlAuthType.AWS_IAM,
      invokeMode: lambda.InvokeMode.RESPONSE_STREAM,
    });
    // Taken out of the URL here: other stacks read outputs, and take nothing out of them.
    new CfnOutput(this, 'Domain', { value: Fn.select(2, Fn.split('/', url)) });
    this.domain = Fn.getStackOutput(this.stackName, 'Domain', this.region);
    if (options.objectLambda !== 'off') this.objectLambda(transformer, names);
    functionAlarms(this, transformer, options, topic(this, options));
    queries(this, options.name, logGroup);
  }

  /** Reads the originals and writes its own log; with S3 Object Lambda it also hands its answers back. */
  private role({ objectLambda }: Options, names: Names, logGroup: LogGroup): Role {
    const statements = [
      new PolicyStatement({ actions: ['s3:GetObject'], resources: [names.objectsArn] }),
      new PolicyStatement({
        actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        resources: [logGroup.logGroupArn],
      }),
    ];
    if (objectLambda !== 'off')
      statements.push(
        new PolicyStatement({
          actions: ['s3-object-lambda:WriteGetObjectResponse'],
          resources: [names.objectLambdaArn],
        }),
      );
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: { transform: new PolicyDocument({ statements }) },
    });
    acceptWildcards(role, 'All originals are what it serves.', names.objectsArn);
    return role;
  }

  private objectLambda(transformer: lambda.Function, names: Names): void {
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

/**
 * Everything the function is told by variables. Settings are checked here: with one that it cannot use it would not start,
 * and every miss would be a 502.
 */
function environment(options: Options, names: Names): Record<string, string> {
  const { config } = options.function;
  const variables = settings(options);
  checkSettings(config, variables);
  return {
    ...variables,
    IMAGE_ORIGIN_SOURCE: `s3://${names.bucket}${options.storage.prefix ?? ''}`,
    ...(config ? { IMAGE_ORIGIN_CONFIG: `/var/task/${CONFIG_FILE}` } : {}),
  };
}

/**
 * The settings, as variables. What memory is for follows from how much there is, unless the operator says otherwise: a
 * function works on one picture at a time, and some 50 MB are the program's own.
 */
function settings({ function: { memory, settings } }: Options): Record<string, string> {
  const derived = {
    request_memory: `${Math.floor(memory / 2)}M`,
    download_memory: `${Math.floor(memory / 4)}M`,
    cache: `${Math.floor(memory / 16)}M`,
  };
  const variables = Object.entries({ ...derived, ...settings }).map(([name, value]) => [
    `IMAGE_ORIGIN_${name.toUpperCase()}`,
    `${value}`,
  ]);
  return Object.fromEntries(variables);
}

/** What the role of whoever signs requests needs, so that the transformer and the bucket take them. */
export function mayAsk({ objectLambda }: Options, names: Names): PolicyStatement[] {
  const statements = [new PolicyStatement({ actions: ['s3:GetObject'], resources: [names.objectsArn] })];
  if (objectLambda !== 'behind-cdn')
    return [
      ...statements,
      // Since October 2025 Lambda wants both, the second bound to calls through the URL.
      new PolicyStatement({
        actions: ['lambda:InvokeFunctionUrl'],
        resources: [names.functionArn],
        conditions: { StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' } },
      }),
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources: [names.functionArn],
        conditions: { Bool: { 'lambda:InvokedViaFunctionUrl': 'true' } },
      }),
    ];
  const viaObjectLambda = { 'ForAnyValue:StringEquals': { 'aws:CalledVia': ['s3-object-lambda.amazonaws.com'] } };
  return [
    ...statements,
    new PolicyStatement({ actions: ['s3-object-lambda:GetObject'], resources: [names.objectLambdaArn] }),
    new PolicyStatement({
      actions: ['lambda:InvokeFunction'],
      resources: [names.functionArn],
      conditions: viaObjectLambda,
    }),
    new PolicyStatement({
      effect: Effect.ALLOW,
      actions: ['s3:GetObject'],
      resources: [`${names.supportingAccessPointArn}/object/*`],
      conditions: viaObjectLambda,
    }),
  ];
}
