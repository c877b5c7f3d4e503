// The stacks of one deployment and the order they come in. A reference from one to another, across regions or not, is
// weak: it is read when the stack that needs it is deployed, so no stack keeps another from changing.
import { type App, Tags, Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks } from 'cdk-nag';
import { Artifacts } from '../lib/artifacts.ts';
import { AccessStack } from './access.ts';
import { AuthStack, deployedPool } from './auth.ts';
import { CdnStack } from './cdn.ts';
import { EdgeStack } from './edge.ts';
import { InvalidationStack } from './invalidation.ts';
import { Names } from './names.ts';
import { invalidates, type Options } from './options.ts';
import { OriginStack } from './origin.ts';
import { StorageStack } from './storage.ts';
import { WatchStack } from './watch.ts';

/** What is deployed already, by stack: the names that only AWS gives. */
export type Outputs = Record<string, Record<string, string>>;

export interface Surroundings {
  readonly outputs?: Outputs;
  readonly artifacts?: Artifacts;
}

/** Adds the stacks to the app. Without its pool's names a private deployment is the pool only, and the answer is false. */
export function build(app: App, options: Options, surroundings: Surroundings = {}): boolean {
  const { outputs = {}, artifacts = Artifacts.default() } = surroundings;
  const names = new Names(options);
  const { account, name, region } = options;
  const here = { env: { account, region }, crossRegionReferences: true };
  // CloudFront takes functions, certificates and firewalls from here only, and has its metrics here.
  const virginia = { env: { account, region: 'us-east-1' }, crossRegionReferences: true };
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
  Tags.of(app).add('deployment', name);

  const userPool = options.cognito ? deployedPool(outputs[`${name}-auth`], region) : undefined;
  if (options.cognito) {
    new AuthStack(app, `${name}-auth`, { ...here, poolName: name });
    if (!userPool) return false;
  }
  const known = { options, names, artifacts };
  const storage = options.storage.import ? undefined : new StorageStack(app, `${name}-storage`, { ...here, ...known });
  const origin = new OriginStack(app, `${name}-origin`, { ...here, ...known });
  // By name only: an access point of Object Lambda wants its bucket to be there.
  if (storage) origin.addStackDependency(storage);
  const { imageOrigin } = origin;
  let cdn: CdnStack | undefined;
  if (options.distribution !== 'none') {
    const edge = new EdgeStack(app, `${name}-edge`, { ...virginia, ...known, imageOrigin, userPool });
    cdn = new CdnStack(app, `${name}-cdn`, { ...here, ...known, imageOrigin, edge });
    cdn.addStackDependency(origin);
    cdn.addStackDependency(edge);
    const { distributionId } = cdn;
    const watch = new WatchStack(app, `${name}-watch`, { ...virginia, ...known, distributionId });
    watch.addStackDependency(cdn);
    if (invalidates(options)) {
      const tells = { ...here, ...known, imageOrigin, distributionId };
      const invalidation = new InvalidationStack(app, `${name}-invalidation`, tells);
      invalidation.addStackDependency(cdn);
    }
  }
  const distributionId = cdn?.readsBucket ? cdn.distributionId : undefined;
  if (storage || distributionId !== undefined) {
    const access = new AccessStack(app, `${name}-access`, { ...here, ...known, distributionId });
    if (storage) access.addStackDependency(storage);
    if (cdn) access.addStackDependency(cdn);
  }
  return true;
}
