// The functions at the edge, and what else CloudFront takes from us-east-1 only: the certificate and the firewall.
import { Stack, type StackProps } from 'aws-cdk-lib';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { CfnWebACL } from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import type { UserPool } from '../lib/access.ts';
import type { Artifacts } from '../lib/artifacts.ts';
import { ImageEdge } from '../lib/image-edge.ts';
import { ImageFunctions } from '../lib/image-functions.ts';
import type { ImageOrigin } from '../lib/image-origin.ts';
import type { Names } from './names.ts';
import { files, type Options } from './options.ts';
import { mayAskObjectLambda } from './origin.ts';

export interface EdgeStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
  readonly imageOrigin: ImageOrigin;
  readonly artifacts: Artifacts;
  /** The pool whose tokens are good, if there is one. */
  readonly userPool?: UserPool | undefined;
}

export class EdgeStack extends Stack {
  readonly edge: ImageEdge | ImageFunctions;
  readonly certificate: Certificate | undefined;
  readonly webAcl: string | undefined;

  constructor(scope: Construct, id: string, props: EdgeStackProps) {
    super(scope, id, props);
    const { options } = props;
    this.edge = this.viewerFunctions(props);
    if (options.domain) {
      const { names: hosts, zone } = options.domain;
      const hostedZone = HostedZone.fromHostedZoneAttributes(this, 'Zone', {
        hostedZoneId: zone.id,
        zoneName: zone.name,
      });
      this.certificate = new Certificate(this, 'Certificate', {
        domainName: hosts[0] as string,
        subjectAlternativeNames: hosts.slice(1),
        validation: CertificateValidation.fromDns(hostedZone),
      });
    }
    if (options.waf) this.webAcl = this.firewall(options.name, options.waf.requestsPerFiveMinutes).attrArn;
  }

  private viewerFunctions({
    options,
    names,
    imageOrigin,
    artifacts,
    userPool,
  }: EdgeStackProps): ImageEdge | ImageFunctions {
    if (options.edge.engine === 'functions') {
      artifacts.checkFunctions(options.edge.config, options.edge.keys);
      return new ImageFunctions(this, 'Functions', {
        files: files(options),
        functionNamePrefix: options.name,
        artifacts,
      });
    }
    const behind = options.objectLambda === 'behind-cdn';
    return new ImageEdge(this, 'Functions', {
      imageOrigin,
      artifacts,
      accessFile: options.edge.config,
      keysFile: options.edge.keys,
      userPools: userPool ? [userPool] : [],
      signing: options.signing,
      originals: options.originals,
      private: options.signedUrls !== undefined,
      files: files(options),
      functionNamePrefix: options.name,
      transformer: behind
        ? { service: 's3-object-lambda', domain: names.objectLambdaDomain, region: options.region }
        : undefined,
      transformerStatements: behind ? mayAskObjectLambda(names) : undefined,
    });
  }

  private firewall(name: string, limit: number): CfnWebACL {
    const visible = (metricName: string) => ({
      metricName,
      cloudWatchMetricsEnabled: true,
      sampledRequestsEnabled: false,
    });
    const managed = (priority: number, group: string) => ({
      name: group,
      priority,
      overrideAction: { none: {} },
      statement: { managedRuleGroupStatement: { vendorName: 'AWS', name: group } },
      visibilityConfig: visible(`${name}-${group}`),
    });
    return new CfnWebACL(this, 'Firewall', {
      name,
      scope: 'CLOUDFRONT',
      defaultAction: { allow: {} },
      visibilityConfig: visible(name),
      rules: [
        {
          name: 'rate',
          priority: 0,
          action: { block: { customResponse: { responseCode: 429 } } },
          statement: { rateBasedStatement: { limit, aggregateKeyType: 'IP', evaluationWindowSec: 300 } },
          visibilityConfig: visible(`${name}-rate`),
        },
        managed(1, 'AWSManagedRulesAmazonIpReputationList'),
        managed(2, 'AWSManagedRulesKnownBadInputsRuleSet'),
      ],
    });
  }
}
