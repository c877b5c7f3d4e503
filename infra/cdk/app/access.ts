// The policy of the bucket, in a stack of its own that is deployed last: the policy names the distribution, which is there only
// after the bucket and the function, and a bucket has one policy. Until then nobody but the roles may read the bucket.
import { CfnOutput, Stack, type StackProps } from 'aws-cdk-lib';
import { AnyPrincipal, Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Bucket, BucketPolicy } from 'aws-cdk-lib/aws-s3';
import type { Construct } from 'constructs';
import type { Names } from './names.ts';
import type { Options } from './options.ts';

export interface AccessStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
  /** The distribution that reads files from the bucket itself, if one does. */
  readonly distributionId?: string | undefined;
}

export class AccessStack extends Stack {
  constructor(scope: Construct, id: string, props: AccessStackProps) {
    super(scope, id, props);
    const { options, names, distributionId } = props;
    const statement = distributionId === undefined ? undefined : this.cloudFrontMayRead(names, distributionId);
    const { storage } = options;
    if (!storage.import) {
      const bucket = Bucket.fromBucketAttributes(this, 'Originals', { bucketName: names.bucket, region: this.region });
      const policy = new BucketPolicy(this, 'Policy', { bucket });
      policy.document.addStatements(...tlsOnly(names), ...(statement ? [statement] : []));
    } else if (statement) {
      // The policy of a bucket that this deployment has not made is its owner's to change.
      const value = this.toJsonString(statement.toStatementJson());
      new CfnOutput(this, 'BucketPolicyStatement', { description: "To be added to the bucket's policy", value });
    }
    if (storage.keyArn && statement && distributionId !== undefined) {
      const value = this.toJsonString(this.cloudFrontMayDecrypt(names, distributionId).toStatementJson());
      new CfnOutput(this, 'KeyPolicyStatement', { description: "To be added to the key's policy", value });
    }
  }

  private cloudFrontMayRead(names: Names, distributionId: string): PolicyStatement {
    return new PolicyStatement({
      actions: ['s3:GetObject'],
      resources: [names.objectsArn],
      ...this.cloudFront(names, distributionId),
    });
  }

  private cloudFrontMayDecrypt(names: Names, distributionId: string): PolicyStatement {
    return new PolicyStatement({
      actions: ['kms:Decrypt'],
      resources: ['*'],
      ...this.cloudFront(names, distributionId),
    });
  }

  /** This distribution, and none else. */
  private cloudFront(names: Names, distributionId: string) {
    const distribution = `arn:${names.partition}:cloudfront::${this.account}:distribution/${distributionId}`;
    return {
      principals: [new ServicePrincipal('cloudfront.amazonaws.com')],
      conditions: { StringEquals: { 'aws:SourceArn': distribution } },
    };
  }
}

function tlsOnly({ bucketArn }: Names): PolicyStatement[] {
  const resources = [bucketArn, `${bucketArn}/*`];
  const deny = { effect: Effect.DENY, principals: [new AnyPrincipal()], actions: ['s3:*'], resources };
  return [
    new PolicyStatement({ ...deny, conditions: { Bool: { 'aws:SecureTransport': 'false' } } }),
    new PolicyStatement({ ...deny, conditions: { NumericLessThan: { 's3:TlsVersion': 1.2 } } }),
  ];
}
