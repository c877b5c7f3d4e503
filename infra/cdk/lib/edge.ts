// The functions at the edge, and what else CloudFront takes from us-east-1 only: the certificate and the firewall.
//
// Every change of a function is a new version. Old ones are kept, because CloudFront's copies of them live for hours
// after a distribution has gone over to the new one, and Lambda deletes no version that has copies.
import { Duration, RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { Certificate, CertificateValidation } from 'aws-cdk-lib/aws-certificatemanager';
import { CompositePrincipal, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { HostedZone } from 'aws-cdk-lib/aws-route53';
import { CfnWebACL } from 'aws-cdk-lib/aws-wafv2';
import type { Construct } from 'constructs';
import { accept, acceptWildcards } from './accepted.ts';
import type { Names } from './names.ts';
import type { Options } from './options.ts';
import { mayAsk } from './origin.ts';
import { EDGE_FUNCTIONS, edgeConfig, edgePackage, type EdgeFunction, type Issuer } from './packages.ts';

export class EdgeStack extends Stack {
  readonly versions = new Map<EdgeFunction, lambda.IVersion>();
  readonly certificate: Certificate | undefined;
  readonly webAcl: string | undefined;

  constructor(scope: Construct, id: string, options: Options, names: Names, props: StackProps & { issuer?: Issuer }) {
    super(scope, id, props);
    const config = edgeConfig(options, names, props.issuer);
    for (const name of EDGE_FUNCTIONS) this.versions.set(name, this.version(name, config, options, names));
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

  private version(name: EdgeFunction, config: string, options: Options, names: Names): lambda.IVersion {
    const functionName = `${options.name}-${name}`;
    const id = name.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase());
    const made = new lambda.Function(this, id, {
      functionName,
      description: `image-origin: ${name}`,
      // Lambda@Edge takes x86_64 only, no layers and no variables.
      runtime: lambda.Runtime.NODEJS_22_X,
      handler: 'index.handler',
      code: lambda.Code.fromAsset(edgePackage(name, config, options)),
      memorySize: 128,
      timeout: Duration.seconds(5),
      role: this.role(
        id,
        functionName,
        name === 'origin-request' && options.signing === 'edge' ? mayAsk(options, names) : [],
      ),
      currentVersionOptions: { removalPolicy: RemovalPolicy.RETAIN },
    });
    accept(made, 'L1', 'The newest that Lambda@Edge is documented to take.');
    return made.currentVersion;
  }

  private role(id: string, functionName: string, statements: PolicyStatement[]): Role {
    // Each region that runs a copy has a log of its own, in a group that is made there at the first event.
    const log = `arn:aws:logs:*:${this.account}:log-group:/aws/lambda/us-east-1.${functionName}`;
    const logs = new PolicyStatement({
      actions: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      resources: [log, `${log}:*`],
    });
    const role = new Role(this, `${id}Role`, {
      assumedBy: new CompositePrincipal(
        new ServicePrincipal('lambda.amazonaws.com'),
        new ServicePrincipal('edgelambda.amazonaws.com'),
      ),
      inlinePolicies: { edge: new PolicyDocument({ statements: [logs, ...statements] }) },
    });
    acceptWildcards(role, 'Copies run in every region, and write their own streams.', log, `${log}:*`);
    const objects = statements.flatMap(({ resources }) => resources).filter((resource) => resource.includes('*'));
    acceptWildcards(role, 'All originals are what it signs for.', ...objects);
    return role;
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
