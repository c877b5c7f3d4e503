// How a distribution answers for images: where requests go, what is one entry in its cache, and which headers leave it. It is
// for a distribution of this app, for one that exists elsewhere, or for one that other tools make.
import { Duration } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { HttpOrigin, S3BucketOrigin } from 'aws-cdk-lib/aws-cloudfront-origins';
import { Construct } from 'constructs';
import { BuildError, Artifacts } from './artifacts.ts';
import type { ImageEdge } from './image-edge.ts';
import { ImageFunctions } from './image-functions.ts';
import { acceptWarning } from './accepted.ts';
import type { ImageOrigin } from './image-origin.ts';
import { originShieldRegion } from './origin-shield.ts';

const MONTH = Duration.days(30);
const YEAR = Duration.days(365);

/** A behaviour's own options; those that are given go before what is made here, such as `cachePolicy`. */
export interface ImageBehaviorProps extends cloudfront.AddBehaviorOptions {
  readonly imageOrigin: ImageOrigin;
  /** The edge's functions. Without them everybody may see everything, and one picture may be many entries in the cache. */
  readonly edge?: ImageEdge | ImageFunctions | undefined;
  /** A region of Origin Shield, or `auto` for the one that AWS recommends. Default: none. */
  readonly originShield?: string | undefined;
  /** Viewers get the header with cache tags, too. Default: CloudFront reads it and takes it away. */
  readonly showCacheTags?: boolean | undefined;
  /** Web origins whose scripts may read pictures. Default: all. */
  readonly cors?: readonly string[] | undefined;
  /**
   * Query strings of the cache's key: all that viewer-request leaves, or the grammar's names once more, for which an
   * account needs a higher quota than the 10 it has. Default: `canonical`.
   */
  readonly cacheKey?: 'canonical' | 'listed' | undefined;
  /** What asks instead of the function's URL, such as an access point of S3 Object Lambda. */
  readonly transformerDomain?: string | undefined;
  /** The names of the policies, which must be unique in an account. Default: the CDK makes them. */
  readonly policyName?: string | undefined;
  /** Where the program is that knows the grammar. Default: in this package. */
  readonly artifacts?: Artifacts | undefined;
}

/** A behaviour for images, and what it needs: `distribution.addBehavior('/img/*', images.origin, images.options)`. */
export class ImageBehavior extends Construct {
  readonly origin: cloudfront.IOrigin;
  readonly options: cloudfront.AddBehaviorOptions;
  readonly cachePolicy: cloudfront.ICachePolicyRef;
  readonly originRequestPolicy: cloudfront.IOriginRequestPolicyRef;
  readonly responseHeadersPolicy: cloudfront.IResponseHeadersPolicyRef;
  /** CloudFront's signature, where it signs. */
  readonly originAccessControl: cloudfront.FunctionUrlOriginAccessControl | undefined;
  /** The host name of the origin. */
  readonly domainName: string;
  /** The header with cache tags, for `CacheTagConfig` of a distribution that other tools make; nothing if there are none. */
  readonly cacheTagHeader: string | undefined;
  private readonly fileOrigin: cloudfront.IOrigin | undefined;
  private readonly props: ImageBehaviorProps;

  constructor(scope: Construct, id: string, props: ImageBehaviorProps) {
    super(scope, id);
    const {
      imageOrigin,
      edge,
      originShield,
      cors,
      showCacheTags,
      cacheKey,
      transformerDomain,
      policyName,
      artifacts,
      ...options
    } = props;
    this.props = props;
    const header = `${imageOrigin.settings['cache_tag_header'] ?? 'Cache-Tag'}`;
    this.cacheTagHeader = header === 'none' ? undefined : header;
    if (!props.responseHeadersPolicy && 'cors' in imageOrigin.settings)
      throw new BuildError(
        'settings.cors has no effect behind a distribution, whose own headers replace it: say it once, by cors of the behaviour (the option storage.cors)',
      );
    this.cachePolicy = props.cachePolicy ?? this.key();
    this.originRequestPolicy = props.originRequestPolicy ?? this.forwarded();
    this.responseHeadersPolicy = props.responseHeadersPolicy ?? this.headers(cors ?? ['*']);
    const signedHere = (edge?.signing ?? 'oac') === 'oac';
    this.originAccessControl = signedHere
      ? new cloudfront.FunctionUrlOriginAccessControl(this, 'Signature')
      : undefined;
    this.domainName = transformerDomain ?? imageOrigin.domainName(this);
    const shield = originShield && originShieldRegion(originShield, imageOrigin.function.env.region);
    const shielded = shield ? { originShieldRegion: shield } : {};
    this.origin = new HttpOrigin(this.domainName, {
      ...shielded,
      protocolPolicy: cloudfront.OriginProtocolPolicy.HTTPS_ONLY,
      originSslProtocols: [cloudfront.OriginSslPolicy.TLS_V1_2],
      readTimeout: imageOrigin.timeout,
      originAccessControlId: this.originAccessControl?.originAccessControlId,
    });
    // Our origin-request function chooses the bucket; CloudFront chooses by the path.
    const { bucket, prefix } = imageOrigin;
    if (signedHere && edge && edge.files.length > 0)
      this.fileOrigin = S3BucketOrigin.withOriginAccessControl(bucket, {
        ...shielded,
        originPath: prefix || undefined,
      });
    this.options = {
      allowedMethods: cloudfront.AllowedMethods.ALLOW_GET_HEAD,
      cachedMethods: cloudfront.CachedMethods.CACHE_GET_HEAD,
      viewerProtocolPolicy: cloudfront.ViewerProtocolPolicy.REDIRECT_TO_HTTPS,
      // Pictures are compressed already.
      compress: false,
      ...options,
      cachePolicy: this.cachePolicy,
      originRequestPolicy: this.originRequestPolicy,
      responseHeadersPolicy: this.responseHeadersPolicy,
      ...(edge instanceof ImageFunctions
        ? { functionAssociations: [...edge.functionAssociations(this), ...(options.functionAssociations ?? [])] }
        : { edgeLambdas: [...(edge?.edgeLambdas(this) ?? []), ...(options.edgeLambdas ?? [])] }),
    };
  }

  /** The same with its origin, as a new distribution takes it for its default. */
  get behavior(): cloudfront.BehaviorOptions {
    return { ...this.options, origin: this.origin };
  }

  /** Behaviours for the files that come from the bucket as they are, by their patterns below that of the images. */
  fileBehaviors(pathPattern = '*'): Record<string, cloudfront.BehaviorOptions> {
    const origin = this.fileOrigin;
    if (!origin) return {};
    const folder = pathPattern.replace(/\*$/, '');
    const patterns = (this.props.edge?.files ?? []).map((ending) => `${folder}*.${ending}`);
    return Object.fromEntries(patterns.map((pattern) => [pattern, { ...this.options, origin }]));
  }

  /** Adds the behaviour to a distribution of this app, and lets the distribution ask the function. */
  addTo(distribution: cloudfront.Distribution, pathPattern: string): void {
    for (const [pattern, { origin, ...options }] of Object.entries(this.fileBehaviors(pathPattern)))
      distribution.addBehavior(pattern, origin, options);
    distribution.addBehavior(pathPattern, this.origin, this.options);
    this.allow(distribution);
    this.tag(distribution);
  }

  /** Has a distribution of this app read cache tags, so that answers can be taken back by them. */
  tag(distribution: cloudfront.Distribution): void {
    const resource = distribution.node.defaultChild;
    if (this.cacheTagHeader !== undefined && resource instanceof cloudfront.CfnDistribution)
      resource.addPropertyOverride('DistributionConfig.CacheTagConfig.HeaderName', this.cacheTagHeader);
  }

  /** Lets a distribution, and none else, ask the function, where CloudFront signs. */
  allow(distribution: cloudfront.IDistribution): void {
    if (this.originAccessControl) this.props.imageOrigin.allowDistribution(this, distribution);
  }

  /** Accepts that the policy of the bucket is said elsewhere, where the bucket is not of this stack. */
  acceptImportedBucket(distribution: cloudfront.Distribution, reason: string): void {
    acceptWarning(distribution, '@aws-cdk/aws-cloudfront-origins:updateImportedBucketPolicyOac', reason);
  }

  /**
   * One entry in the cache for what means the same. The viewer-request function leaves only the grammar's names in a query,
   * in one order, so that all of it can be the key.
   */
  private key(): cloudfront.CachePolicy {
    const { cacheKey, policyName, artifacts = Artifacts.default() } = this.props;
    const { allowList, all } = cloudfront.CacheQueryStringBehavior;
    return new cloudfront.CachePolicy(this, 'Key', {
      ...(policyName ? { cachePolicyName: policyName } : {}),
      comment: 'Path, query and negotiable types are one picture',
      queryStringBehavior: cacheKey === 'listed' ? allowList(...artifacts.parameterNames()) : all(),
      headerBehavior: cloudfront.CacheHeaderBehavior.allowList('Accept'),
      cookieBehavior: cloudfront.CacheCookieBehavior.none(),
      enableAcceptEncodingGzip: false,
      enableAcceptEncodingBrotli: false,
      // A longer one would keep what says no-store, too.
      minTtl: Duration.seconds(0),
      defaultTtl: MONTH,
      maxTtl: YEAR,
    });
  }

  private forwarded(): cloudfront.OriginRequestPolicy {
    const { policyName } = this.props;
    return new cloudfront.OriginRequestPolicy(this, 'OriginRequests', {
      ...(policyName ? { originRequestPolicyName: policyName } : {}),
      comment: 'Beside what is in the key of the cache, only the trace goes on',
      headerBehavior: cloudfront.OriginRequestHeaderBehavior.allowList('traceparent', 'tracestate'),
    });
  }

  private headers(cors: readonly string[]): cloudfront.ResponseHeadersPolicy {
    const { policyName } = this.props;
    return new cloudfront.ResponseHeadersPolicy(this, 'Headers', {
      ...(policyName ? { responseHeadersPolicyName: policyName } : {}),
      corsBehavior: {
        accessControlAllowCredentials: false,
        accessControlAllowHeaders: ['Range', 'If-None-Match', 'If-Modified-Since'],
        accessControlAllowMethods: ['GET', 'HEAD'],
        accessControlAllowOrigins: [...cors],
        accessControlExposeHeaders: ['ETag', 'Content-Length', 'Content-Range', 'Image-Quality'],
        accessControlMaxAge: Duration.days(1),
        originOverride: true,
      },
      securityHeadersBehavior: {
        // What origin-response does elsewhere: an upload must not become a page that runs scripts on this host.
        ...(this.props.edge instanceof ImageFunctions
          ? {
              contentSecurityPolicy: {
                contentSecurityPolicy: "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox",
                override: true,
              },
            }
          : {}),
        contentTypeOptions: { override: true },
        referrerPolicy: { referrerPolicy: cloudfront.HeadersReferrerPolicy.NO_REFERRER, override: true },
        strictTransportSecurity: { accessControlMaxAge: Duration.days(365), includeSubdomains: false, override: true },
      },
      customHeadersBehavior: {
        customHeaders: [{ header: 'Cross-Origin-Resource-Policy', value: 'cross-origin', override: true }],
      },
      ...(this.cacheTagHeader !== undefined && !this.props.showCacheTags
        ? { removeHeaders: [this.cacheTagHeader] }
        : {}),
    });
  }
}

// Errors that CloudFront would keep for ten seconds. The origin says in Cache-Control how long each may be kept.
const ERRORS = [400, 403, 404, 405, 414, 416, 500, 501, 502, 503, 504];

/** For `errorResponses` of a distribution: errors are kept as long as the origin says, and no longer. */
export const ERROR_RESPONSES: cloudfront.ErrorResponse[] = ERRORS.map((httpStatus) => ({
  httpStatus,
  ttl: Duration.seconds(0),
}));
