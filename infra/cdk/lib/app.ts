// The stacks of one deployment and the order they come in. A reference from one to another, across regions or not, is
// weak: it is read when the stack that needs it is deployed, so no stack keeps another from changing.
import { type App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { AuthStack, issuerOf } from './auth.ts';
import { CdnStack } from './cdn.ts';
import { EdgeStack } from './edge.ts';
import { Names } from './names.ts';
import type { Options } from './options.ts';
import { OriginStack } from './origin.ts';
import { StorageStack } from './storage.ts';
import { WatchStack } from './watch.ts';

/** What is deployed already, by stack: the names that only AWS gives. */
export type Outputs = Record<string, Record<string, string>>;

export interface Surroundings {
  readonly outputs?: Outputs;
  /** Where infra/lambda/package.sh has put its packages. */
  readonly packages?: string | undefined;
}

/** Adds the stacks to the app. Without its pool's names a private deployment is the pool only, and the answer is false. */
export function build(app: App, options: Options, { outputs = {}, packages }: Surroundings = {}): boolean {
  const names = new Names(options);
  const { account, name } = options;
  const here = { env: { account, region: options.region }, crossRegionReferences: true };
  // CloudFront takes functions, certificates and firewalls from here only, and has its metrics here.
  const virginia = { env: { account, region: 'us-east-1' }, crossRegionReferences: true };
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  Tags.of(app).add('deployment', name);

  const issuer = options.cognito ? issuerOf(outputs[`${name}-auth`], options.region) : undefined;
  if (options.cognito) {
    new AuthStack(app, `${name}-auth`, name, here);
    if (!issuer) return false;
  }
  const distribution = outputs[`${name}-cdn`]?.['DistributionId'];
  const storage = options.storage.import
    ? undefined
    : new StorageStack(app, `${name}-storage`, options, names, { ...here, distribution });
  const origin = new OriginStack(app, `${name}-origin`, options, names, { ...here, packages });
  const edge = new EdgeStack(app, `${name}-edge`, options, names, { ...virginia, issuer });
  const cdn = new CdnStack(app, `${name}-cdn`, options, names, origin, edge, here);
  const watch = new WatchStack(app, `${name}-watch`, options, names, cdn.distribution.distributionId, virginia);
  // By name only: an access point of Object Lambda wants its bucket to be there.
  if (storage) origin.addStackDependency(storage);
  cdn.addStackDependency(origin);
  cdn.addStackDependency(edge);
  watch.addStackDependency(cdn);
  return true;
}
