// CloudFront's four functions, in us-east-1, where CloudFront takes them from.
//
// Every change of a function is a new version. Old ones are kept, because CloudFront's copies of them live for hours
// after a distribution has gone over to the new one, and Lambda deletes no version that has copies.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, ArnFormat, CfnOutput, Duration, Fn, Lazy, Names, RemovalPolicy, Stack, Stage, Token } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { CompositePrincipal, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { CfnBucket, type IBucket } from 'aws-cdk-lib/aws-s3';
import { RegionInfo } from 'aws-cdk-lib/region-info';
import { Construct, type IConstruct } from 'constructs';
import { accept, acceptWildcards } from './accepted.ts';
import {
  asRules,
  edgeDocument,
  hasPrivate,
  PUBLIC,
  readRules,
  withoutPublic,
  type Access,
  type OriginTarget,
  type UserPool,
} from './access.ts';
import { Artifacts, BuildError, type EdgeFunction } from './artifacts.ts';
import { temporary, write } from './folders.ts';
import { wildcards, type ImageOrigin } from './image-origin.ts';

/** Who signs requests to the function: CloudFront's origin access control, or our origin-request function. */
export type Signing = 'oac' | 'edge';

/**
 * All there are. They are always deployed, whether a distribution calls them or not: a function that it has called a
 * moment ago cannot be deleted, nor its name be used again.
 */
export const EDGE_FUNCTIONS: readonly EdgeFunction[] = [
  'viewer-request',
  'origin-request',
  'origin-response',
  'viewer-response',
];

const EVENTS: Record<EdgeFunction, cloudfront.LambdaEdgeEventType> = {
  'viewer-request': cloudfront.LambdaEdgeEventType.VIEWER_REQUEST,
  'origin-request': cloudfront.LambdaEdgeEventType.ORIGIN_REQUEST,
  'origin-response': cloudfront.LambdaEdgeEventType.ORIGIN_RESPONSE,
  'viewer-response': cloudfront.LambdaEdgeEventType.VIEWER_RESPONSE,
};

export interface ImageEdgeProps {
  readonly imageOrigin: ImageOrigin;
  /** Who may see what. Default: everybody sees everything. */
  readonly access?: Access | undefined;
  /** The same as a TOML file (docs/auth.md), without `[origins]`. */
  readonly accessFile?: string | undefined;
  /** The file with the secrets. It is packaged with the viewer-request function, and with none else. */
  readonly keysFile?: string | undefined;
  /** Pools whose tokens are good, beside the issuers of `access`. */
  readonly userPools?: readonly UserPool[] | undefined;
  /**
   * `edge` needs names: a `functionName`, and a bucket with one. Default: `oac`.
   */
  readonly signing?: Signing | undefined;
  /** With `edge`: images without parameters lose their metadata, or come from the bucket as they are. */
  readonly originals?: 'strip' | 'direct' | undefined;
  /** Endings of files that come from the bucket as they are. Default: none. */
  readonly files?: readonly string[] | undefined;
  /** What transforms instead of the function's URL, such as an access point of S3 Object Lambda. */
  readonly transformer?: OriginTarget | undefined;
  /** What the origin-request function's role needs for that. */
  readonly transformerStatements?: readonly PolicyStatement[] | undefined;
  /**
   * All answers are private, also those of public rules: the distribution lets viewers in by CloudFront's own signed URLs or
   * cookies. Default: answers of public rules are public.
   */
  readonly private?: boolean | undefined;
  /** Starts the names of the four functions. Default: made of the construct's path. */
  readonly functionNamePrefix?: string | undefined;
  /** The stack in us-east-1 that is made where this one is elsewhere. Default: this stack's name, and `-edge`. */
  readonly stackId?: string | undefined;
  /** Where the WebAssembly is. Default: in this package. */
  readonly artifacts?: Artifacts | undefined;
}

/** The functions of docs/edge.md, for the behaviours of a distribution. */
export class ImageEdge extends Construct {
  readonly signing: Signing;
  readonly files: readonly string[];
  private readonly functions = new Map<EdgeFunction, lambda.Version>();
  private readonly marksPrivate: boolean;
  private readonly home: Stack;

  constructor(scope: Construct, id: string, props: ImageEdgeProps) {
    super(scope, id);
    this.signing = props.signing ?? 'oac';
    this.files = props.files ?? [];
    this.home = this.virginia(props.stackId);
    const inside = this.home === Stack.of(this) ? this : new Construct(this.home, `Edge${this.node.addr}`);
    const artifacts = props.artifacts ?? Artifacts.default();
    const config = this.config(props, artifacts);
    this.marksPrivate = hasPrivate(config);
    const prefix = props.functionNamePrefix ?? Names.uniqueResourceName(this, { maxLength: 40, separator: '-' });
    for (const name of EDGE_FUNCTIONS) {
      const code = temporary();
      write(code, 'edge.wasm', readFileSync(artifacts.wasm(name)));
      write(code, 'index.mjs', readFileSync(artifacts.props.shim));
      write(code, 'config.json', config);
      // Secrets are for the one function that judges by them.
      const keys = name === 'viewer-request' && props.keysFile;
      write(code, 'keys.json', keys ? readFileSync(keys) : '{}');
      const statements = name === 'origin-request' && this.signing === 'edge' ? this.signer(props) : [];
      this.functions.set(name, version(inside, name, `${prefix}-${name}`, code, statements));
    }
  }

  /** What a behaviour calls, as the stack of `scope` knows it. */
  edgeLambdas(scope: Construct): cloudfront.EdgeLambda[] {
    const called: Partial<Record<EdgeFunction, boolean>> = {
      // With OAC, CloudFront signs for the origin that the behaviour names; a function that chooses another is in its way.
      'origin-request': this.signing === 'edge',
      // Where everything is public it would be paid for by every request, and change none.
      'viewer-response': this.marksPrivate,
    };
    return [...this.functions]
      .filter(([name]) => called[name] ?? true)
      .map(([name, version]) => ({ eventType: EVENTS[name], functionVersion: this.version(scope, name, version) }));
  }

  private version(scope: Construct, name: EdgeFunction, version: lambda.Version): lambda.IVersion {
    if (Stack.of(scope) === this.home) return version;
    // The output's name changes with the version, so that CloudFormation sees that there is something to do.
    const resource = version.node.defaultChild as lambda.CfnVersion;
    const outputName = Lazy.uncachedString({ produce: () => `${this.home.resolve(resource.logicalId)}Arn` });
    if (!version.node.tryFindChild('Arn'))
      new CfnOutput(version, 'Arn', { value: version.functionArn }).overrideLogicalId(outputName);
    Stack.of(scope).addStackDependency(this.home);
    return lambda.Version.fromVersionArn(scope, name, Fn.getStackOutput(this.home.stackName, outputName, 'us-east-1'));
  }

  /** The stack of the functions: this one, or one beside it. */
  private virginia(stackId: string | undefined): Stack {
    const stack = Stack.of(this);
    if (stack.region === 'us-east-1') return stack;
    if (Token.isUnresolved(stack.region))
      throw new BuildError(
        `${this.node.path}: the stack needs a region in its env, for the edge's functions are in another`,
      );
    const stage = Stage.of(this) ?? (this.node.root as App);
    const name = stackId ?? `${stack.stackName}-edge`;
    const made = stage.node.tryFindChild(name) as Stack | undefined;
    return made ?? new Stack(stage, name, { env: { account: stack.account, region: 'us-east-1' } });
  }

  private config(props: ImageEdgeProps, artifacts: Artifacts): string {
    const { access, accessFile, keysFile, imageOrigin, originals = 'strip', userPools = [] } = props;
    if (access && accessFile) throw new BuildError('access and accessFile are two ways to say the same; choose one');
    const { region } = imageOrigin.function.env;
    const bucket = this.literal(bucketNameOf(imageOrigin.bucket));
    // The function URL has no name before it is deployed: then the origin is whichever the distribution names.
    const own: OriginTarget =
      this.signing === 'edge' ? { service: 'lambda', region: this.known(region, 'region') } : { service: 'none' };
    const storage =
      bucket && !Token.isUnresolved(region) ? bucketTarget(bucket, region, imageOrigin.prefix) : undefined;
    if (this.signing === 'edge') this.known(bucket, 'bucket');
    for (const { userPoolId, userPoolClientId } of userPools)
      if (Token.isUnresolved(userPoolId) || Token.isUnresolved(userPoolClientId))
        throw new BuildError(
          'userPools: the ids are packaged, so they must be known at synthesis: deploy the pool first',
        );
    const rules = accessFile ? readRules(accessFile) : asRules(access ?? PUBLIC);
    const document = edgeDocument(
      props.private ? withoutPublic(rules) : rules,
      {
        originals,
        files: this.files,
        transformer: { ...(props.transformer ?? own), readTimeoutSeconds: imageOrigin.timeout.toSeconds() },
        storage,
      },
      userPools,
    );
    const folder = temporary();
    const file = join(folder, 'edge.toml');
    writeFileSync(file, document);
    const keys = keysFile ?? join(folder, 'keys.json');
    if (!keysFile) writeFileSync(keys, '{}');
    try {
      return artifacts.compileEdge(file, keys);
    } catch (error) {
      // The file is made of theirs.
      const theirs = accessFile ?? 'access';
      throw error instanceof BuildError ? new BuildError(error.message.replaceAll(file, theirs)) : error;
    }
  }

  /** What the origin-request function's role needs, so that the transformer and the bucket take what it signs. */
  private signer({ imageOrigin, transformerStatements }: ImageEdgeProps): PolicyStatement[] {
    this.known(imageOrigin.physicalName, 'functionName');
    const invoke = imageOrigin.invokeStatements(this.home);
    return [...imageOrigin.readStatements(), ...(transformerStatements ?? invoke)];
  }

  /** A value as this stack knows it at synthesis, or nothing. */
  private literal(value: string): string | undefined {
    const resolved: unknown = this.home.resolve(value);
    return typeof resolved === 'string' ? resolved : undefined;
  }

  private known(value: string | undefined, what: string): string {
    if (value !== undefined && !Token.isUnresolved(value)) return value;
    throw new BuildError(
      `signing=edge packages names before the deployment gives them: the image origin needs a ${what} that is written out`,
    );
  }
}

/** The name that a bucket of this app was given, or what is known of another. */
function bucketNameOf(bucket: IBucket): string {
  const resource: IConstruct | undefined = bucket.node.defaultChild;
  return (resource instanceof CfnBucket ? resource.bucketName : undefined) ?? bucket.bucketName;
}

/** The bucket by its region's domain: the global one redirects while a bucket is young. */
function bucketTarget(bucket: string, region: string, path: string): OriginTarget {
  const suffix = RegionInfo.get(region).domainSuffix ?? 'amazonaws.com';
  return { service: 's3', domain: `${bucket}.s3.${region}.${suffix}`, region, ...(path ? { path } : {}) };
}

function version(
  scope: Construct,
  name: EdgeFunction,
  functionName: string,
  code: string,
  statements: PolicyStatement[],
): lambda.Version {
  const id = name.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase());
  const made = new lambda.Function(scope, id, {
    functionName,
    description: `image-origin: ${name}`,
    // Lambda@Edge takes x86_64 only, no layers and no variables.
    runtime: lambda.Runtime.NODEJS_22_X,
    handler: 'index.handler',
    code: lambda.Code.fromAsset(code),
    memorySize: 128,
    timeout: Duration.seconds(5),
    role: role(scope, `${id}Role`, functionName, statements),
    currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
  });
  accept(made, 'L1', 'The newest that Lambda@Edge is documented to take.');
  return made.currentVersion;
}

function role(scope: Construct, id: string, functionName: string, statements: PolicyStatement[]): Role {
  // Each region that runs a copy has a log of its own, in a group that is made there at the first event.
  const log = Stack.of(scope).formatArn({
    service: 'logs',
    region: '*',
    resource: 'log-group',
    resourceName: `/aws/lambda/us-east-1.${functionName}`,
    arnFormat: ArnFormat.COLON_RESOURCE_NAME,
  });
  const logs = new PolicyStatement({
    actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
    resources: [log, `${log}:*`],
  });
  const made = new Role(scope, id, {
    assumedBy: new CompositePrincipal(
      new ServicePrincipal('lambda.amazonaws.com'),
      new ServicePrincipal('edgelambda.amazonaws.com'),
    ),
    inlinePolicies: { edge: new PolicyDocument({ statements: [logs, ...statements] }) },
  });
  acceptWildcards(made, 'Copies run in every region, and write their own streams.', log, `${log}:*`);
  acceptWildcards(made, 'All originals are what it signs for.', ...wildcards(statements));
  return made;
}
