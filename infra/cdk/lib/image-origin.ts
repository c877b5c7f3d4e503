// The transformer: a Lambda function with a URL that streams and takes signed requests only, its role and its log.
import { join } from 'node:path';
import { readFileSync } from 'node:fs';
import { Annotations, ArnFormat, CfnOutput, Duration, Fn, RemovalPolicy, Size, Stack, Token } from 'aws-cdk-lib';
import type { IDistribution } from 'aws-cdk-lib/aws-cloudfront';
import {
  type IGrantable,
  type IPrincipal,
  ManagedPolicy,
  PolicyDocument,
  PolicyStatement,
  Role,
  ServicePrincipal,
} from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { type ILogGroupRef, LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import { RegionInfo } from 'aws-cdk-lib/region-info';
import { Construct, type IConstruct } from 'constructs';
import { accept, acceptWildcards } from './accepted.ts';
import { Artifacts, BuildError, type Feature } from './artifacts.ts';
import { program, temporary, write } from './folders.ts';

/** What the file of settings is called in the package. */
const CONFIG_FILE = 'image-origin.toml';
const VARIABLE = 'IMAGE_ORIGIN_';

/** Settings of `image-origin serve --help`, by their names in a TOML file. */
export type Settings = Readonly<Record<string, string | number | boolean>>;

/** Where the function keeps finished pictures. */
export interface ResultStore {
  /** Give it a lifecycle rule: expired results are rendered again. */
  readonly bucket: IBucket;
  /** Only keys below this are used: starts and ends without a slash. */
  readonly prefix?: string | undefined;
}

/** The function's own options, but for what the program decides: `runtime`, `handler` and `code`. */
export interface ImageOriginProps extends lambda.FunctionOptions {
  /** Where the originals are. With `encryptionKey`, the function may decrypt by it. */
  readonly bucket: IBucket;
  /** Only keys below this are served: starts with a slash and ends without one. */
  readonly prefix?: string | undefined;
  /** A TOML file with presets and settings. */
  readonly configFile?: string | undefined;
  /**
   * The buckets that `[[sources]]` of the file read, if it has such tables: all originals are found by them then. `bucket`
   * is where CloudFront finds what is no image, and may be among them.
   */
  readonly sources?: readonly IBucket[] | undefined;
  /** Single settings, which go before those of the file. */
  readonly settings?: Settings | undefined;
  /** Where finished pictures are kept for later and for other environments of the function. Default: nowhere. */
  readonly results?: ResultStore | undefined;
  /** The optional formats that the program was built with. */
  readonly features?: readonly Feature[] | undefined;
  /** Where the program is. Default: in this package. */
  readonly artifacts?: Artifacts | undefined;
}

/** Transforms the images of a bucket. Nobody may ask it before it is said: `grantInvoke`, or a distribution's behaviour. */
export class ImageOrigin extends Construct implements IGrantable {
  readonly function: lambda.Function;
  readonly url: lambda.FunctionUrl;
  readonly logGroup: ILogGroupRef;
  readonly bucket: IBucket;
  readonly prefix: string;
  readonly timeout: Duration;
  readonly settings: Settings;
  /** What `functionName` of the properties says, for those who must know it before the deployment. */
  readonly physicalName: string | undefined;

  constructor(scope: Construct, id: string, props: ImageOriginProps) {
    super(scope, id);
    const {
      bucket,
      prefix = '',
      configFile,
      settings = {},
      features,
      environment = {},
      initialPolicy,
      ...options
    } = props;
    const artifacts = props.artifacts ?? Artifacts.default();
    const architecture = props.architecture ?? lambda.Architecture.ARM_64;
    const memorySize = props.memorySize ?? 1769;
    this.bucket = bucket;
    this.prefix = prefix;
    this.timeout = props.timeout ?? Duration.seconds(30);
    this.settings = settings;
    this.physicalName = props.functionName;
    if (prefix && !/^(\/[A-Za-z0-9._~-]+)+$/.test(prefix))
      throw new BuildError(`prefix ${prefix}: starts with a slash, ends without one`);
    if (props.sources && !configFile) throw new BuildError('sources: are described by [[sources]] of configFile');

    const store = props.results && { results: resultsPlace(props.results) };
    const variables = { ...asVariables(memorySize, { ...settings, ...store }), ...environment };
    // Names of buckets may be known at the deployment only.
    const own = Object.entries(variables).filter(
      ([name, value]) => name.startsWith(VARIABLE) && !Token.isUnresolved(value),
    );
    // With a setting that it cannot use it would not start, and every miss would be a 502.
    artifacts.checkSettings(configFile, Object.fromEntries(own));
    const code = temporary();
    const name = architecture === lambda.Architecture.ARM_64 ? 'arm64' : 'x86_64';
    program(code, 'bootstrap', artifacts.bootstrap(name, features));
    if (configFile) write(code, CONFIG_FILE, readFileSync(configFile));

    this.logGroup = props.logGroup ?? this.log(props.functionName);
    this.function = new lambda.Function(this, 'Function', {
      description: 'image-origin: transforms images by their query string',
      ephemeralStorageSize: Size.mebibytes(512),
      ...options,
      // The role that is made here has it already.
      ...(props.role && initialPolicy ? { initialPolicy } : {}),
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: 'bootstrap',
      code: lambda.Code.fromAsset(code),
      architecture,
      memorySize,
      timeout: this.timeout,
      environment: {
        ...variables,
        ...(props.sources ? {} : { [`${VARIABLE}SOURCE`]: `s3://${bucket.bucketName}${prefix}` }),
        ...(configFile ? { [`${VARIABLE}CONFIG`]: join('/var/task', CONFIG_FILE) } : {}),
      },
      role: props.role ?? this.role(props),
      logGroup: this.logGroup,
    });
    this.url = this.function.addFunctionUrl({
      authType: lambda.FunctionUrlAuthType.AWS_IAM,
      invokeMode: lambda.InvokeMode.RESPONSE_STREAM,
    });
    if (props.reservedConcurrentExecutions === undefined)
      Annotations.of(this).addWarningV2(
        'image-origin:noCostCeiling',
        'Nothing limits what the function can cost: reserve concurrency for it (reservedConcurrentExecutions, the ' +
          'option function.concurrency), or have a budget that alarms.',
      );
  }

  get grantPrincipal(): IPrincipal {
    return this.function.grantPrincipal;
  }

  /** The host name of the function's URL, as it is known in the stack of `scope`. */
  domainName(scope: IConstruct): string {
    const stack = Stack.of(this);
    const domain = Fn.select(2, Fn.split('/', this.url.url));
    if (Stack.of(scope) === stack) return domain;
    // Taken out of the URL here: other stacks read outputs, and take nothing out of them.
    const name = `${this.node.addr}Domain`;
    if (!stack.node.tryFindChild(name)) new CfnOutput(stack, name, { value: domain });
    Stack.of(scope).addStackDependency(stack);
    return Fn.getStackOutput(stack.stackName, name, stack.region);
  }

  /** The function's ARN, without a reference to another stack where the function's name is written out. */
  functionArn(scope: IConstruct): string {
    const { account, region } = this.function.env;
    if (this.physicalName === undefined || Stack.of(scope) === Stack.of(this)) return this.function.functionArn;
    return Stack.of(scope).formatArn({
      service: 'lambda',
      account,
      region,
      resource: 'function',
      resourceName: this.physicalName,
      arnFormat: ArnFormat.COLON_RESOURCE_NAME,
    });
  }

  /** What a role needs to ask the function through its URL. Since October 2025 Lambda wants both. */
  invokeStatements(scope: Construct = this): PolicyStatement[] {
    const resources = [this.functionArn(scope)];
    return [
      new PolicyStatement({
        actions: ['lambda:InvokeFunctionUrl'],
        resources,
        conditions: { StringEquals: { 'lambda:FunctionUrlAuthType': 'AWS_IAM' } },
      }),
      new PolicyStatement({
        actions: ['lambda:InvokeFunction'],
        resources,
        conditions: { Bool: { 'lambda:InvokedViaFunctionUrl': 'true' } },
      }),
    ];
  }

  /** Lets an identity ask the function through its URL. */
  grantInvoke(grantee: IGrantable): void {
    for (const statement of this.invokeStatements()) grantee.grantPrincipal.addToPrincipalPolicy(statement);
  }

  /** Lets one distribution, and none else, ask the function through its URL. The permissions belong to `scope`. */
  allowDistribution(scope: Construct, distribution: IDistribution): void {
    const who = {
      principal: 'cloudfront.amazonaws.com',
      functionName: this.functionArn(scope),
      sourceArn: distributionArn(scope, distribution),
    };
    new lambda.CfnPermission(scope, 'MayInvokeUrl', {
      ...who,
      action: 'lambda:InvokeFunctionUrl',
      functionUrlAuthType: 'AWS_IAM',
    });
    new lambda.CfnPermission(scope, 'MayInvoke', {
      ...who,
      action: 'lambda:InvokeFunction',
      invokedViaFunctionUrl: true,
    });
  }

  /** What a role needs to read the originals. */
  readStatements(): PolicyStatement[] {
    return readStatements(this.bucket, this.prefix);
  }

  private log(functionName: string | undefined): LogGroup {
    return new LogGroup(this, 'Log', {
      logGroupName: functionName && `/aws/lambda/${functionName}`,
      retention: RetentionDays.ONE_MONTH,
      removalPolicy: RemovalPolicy.DESTROY,
    });
  }

  /** Reads the originals and writes its own log, and nothing else. */
  private role(props: ImageOriginProps): Role {
    const originals = props.sources?.flatMap((bucket) => readStatements(bucket)) ?? this.readStatements();
    const statements = [...originals, ...(props.results ? storeStatements(props.results) : [])];
    const streams = `${logGroupArn(this.logGroup)}:*`;
    const role = new Role(this, 'Role', {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
      inlinePolicies: {
        transform: new PolicyDocument({
          statements: [
            ...statements,
            ...(props.initialPolicy ?? []),
            new PolicyStatement({
              actions: ['logs:CreateLogStream', 'logs:PutLogEvents'],
              resources: [streams],
            }),
          ],
        }),
      },
    });
    acceptWildcards(role, 'The streams of its own log.', streams);
    acceptWildcards(role, 'All originals are what it serves, and all results are its own.', ...wildcards(statements));
    if (props.vpc) {
      role.addManagedPolicy(ManagedPolicy.fromAwsManagedPolicyName('service-role/AWSLambdaVPCAccessExecutionRole'));
      accept(
        role,
        'IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AWSLambdaVPCAccessExecutionRole]',
        'Network interfaces are made by Lambda.',
      );
    }
    return role;
  }
}

/** The ARN of a log group, without the asterisk for its streams that some ways to ask for it bring along. */
export function logGroupArn(logGroup: ILogGroupRef): string {
  return Stack.of(logGroup).formatArn({
    service: 'logs',
    resource: 'log-group',
    resourceName: logGroup.logGroupRef.logGroupName,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
}

/** The resources of statements that stand for many. */
export function wildcards(statements: readonly PolicyStatement[]): string[] {
  return statements.flatMap(({ resources }) => resources).filter((resource) => resource.includes('*'));
}

/** The ARN of a distribution, whether it is of this app or not. */
export function distributionArn(scope: Construct, { distributionId }: Pick<IDistribution, 'distributionId'>): string {
  const names = { service: 'cloudfront', region: '', resource: 'distribution', resourceName: distributionId };
  return Stack.of(scope).formatArn(names);
}

/** The store as the program's setting names it. */
function resultsPlace({ bucket, prefix }: ResultStore): string {
  return `s3://${bucket.bucketName}${prefix ? `/${prefix}` : ''}`;
}

/** What a role needs to read the objects of a bucket below a prefix. */
function readStatements(bucket: IBucket, prefix = ''): PolicyStatement[] {
  const statements = [
    new PolicyStatement({
      actions: ['s3:GetObject'],
      resources: [bucket.arnForObjects(`${prefix.slice(1)}${prefix && '/'}*`)],
    }),
  ];
  if (bucket.encryptionKey) statements.push(crypt(bucket.encryptionKey, 'kms:Decrypt'));
  return statements;
}

/** What a role needs to read and write results, and to end its claims on those that it renders. */
function storeStatements({ bucket, prefix }: ResultStore): PolicyStatement[] {
  const keys = prefix ? `${prefix}/` : '';
  const statements = [
    new PolicyStatement({ actions: ['s3:GetObject', 's3:PutObject'], resources: [bucket.arnForObjects(`${keys}*`)] }),
    new PolicyStatement({ actions: ['s3:DeleteObject'], resources: [bucket.arnForObjects(`${keys}claims/*`)] }),
  ];
  if (bucket.encryptionKey) statements.push(crypt(bucket.encryptionKey, 'kms:Decrypt', 'kms:GenerateDataKey'));
  return statements;
}

/** Lets a role use the key for what S3 encrypts by it, and for nothing else. */
function crypt(key: IKey, ...actions: string[]): PolicyStatement {
  const { region } = key.env;
  const suffix = RegionInfo.get(region).domainSuffix ?? 'amazonaws.com';
  const service = Token.isUnresolved(region) ? 's3.*' : `s3.${region}.${suffix}`;
  return new PolicyStatement({
    actions,
    resources: [key.keyArn],
    conditions: { StringLike: { 'kms:ViaService': service } },
  });
}

/**
 * The settings, as variables. What memory is for follows from how much there is, unless the operator says otherwise: a
 * function works on one picture at a time, and some 50 MB are the program's own.
 */
function asVariables(memory: number, settings: Settings): Record<string, string> {
  const derived = {
    request_memory: `${Math.floor(memory / 2)}M`,
    download_memory: `${Math.floor(memory / 4)}M`,
    cache: `${Math.floor(memory / 16)}M`,
  };
  return Object.fromEntries(
    Object.entries({ ...derived, ...settings }).map(([name, value]) => [
      `${VARIABLE}${name.toUpperCase()}`,
      `${value}`,
    ]),
  );
}
