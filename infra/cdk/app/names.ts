// Names of everything that must be known before it is deployed, because another region's stack, a policy or a packaged
// configuration speaks of it. All start with the deployment's name, so that two deployments never meet.
import { RegionInfo } from 'aws-cdk-lib/region-info';
import type { Options } from './options.ts';

export class Names {
  readonly bucket: string;
  /** The bucket's own domain, in its region's form: the global one redirects while a bucket is young. */
  readonly bucketDomain: string;
  readonly bucketArn: string;
  /** The partition of AWS that the region is in: `aws`, `aws-cn`, ... */
  readonly partition: string;
  readonly objectsArn: string;
  readonly function: string;
  readonly invalidation: string;
  readonly functionArn: string;
  readonly supportingAccessPoint: string;
  readonly supportingAccessPointArn: string;
  readonly objectLambda: string;
  readonly objectLambdaArn: string;
  readonly objectLambdaDomain: string;

  constructor({ name, account, region, storage }: Options) {
    const info = RegionInfo.get(region);
    const suffix = info.domainSuffix ?? 'amazonaws.com';
    this.partition = info.partition ?? 'aws';
    const arn = (service: string, resource: string) =>
      `arn:${this.partition}:${service}:${region}:${account}:${resource}`;
    this.bucket = storage.import ?? `${name}-${account}-${region}`;
    this.bucketDomain = `${this.bucket}.s3.${region}.${suffix}`;
    this.bucketArn = `arn:${this.partition}:s3:::${this.bucket}`;
    this.objectsArn = `${this.bucketArn}${storage.prefix ?? ''}/*`;
    this.function = `${name}-transformer`;
    this.invalidation = `${name}-invalidation`;
    this.functionArn = arn('lambda', `function:${this.function}`);
    this.supportingAccessPoint = `${name}-originals`;
    this.supportingAccessPointArn = arn('s3', `accesspoint/${this.supportingAccessPoint}`);
    this.objectLambda = `${name}-transformed`;
    this.objectLambdaArn = arn('s3-object-lambda', `accesspoint/${this.objectLambda}`);
    this.objectLambdaDomain = `${this.objectLambda}-${account}.s3-object-lambda.${region}.${suffix}`;
  }
}
