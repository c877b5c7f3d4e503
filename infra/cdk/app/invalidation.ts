// What tells the distribution of originals that have changed, beside the bucket, whose events it takes.
import { Stack, type StackProps } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Artifacts } from '../lib/artifacts.ts';
import { ImageInvalidation } from '../lib/image-invalidation.ts';
import type { ImageOrigin } from '../lib/image-origin.ts';
import type { Names } from './names.ts';
import { invalidation, type Options } from './options.ts';
import { topic } from './topic.ts';

export interface InvalidationStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
  readonly artifacts: Artifacts;
  readonly imageOrigin: ImageOrigin;
  readonly distributionId: string;
}

export class InvalidationStack extends Stack {
  constructor(scope: Construct, id: string, props: InvalidationStackProps) {
    super(scope, id, props);
    const { options, names, artifacts, imageOrigin, distributionId } = props;
    const which = invalidation(options);
    new ImageInvalidation(this, 'Invalidation', {
      imageOrigin,
      distributionId,
      artifacts,
      which: which === 'off' ? undefined : which,
      functionName: names.invalidation,
      logRetention: options.function.logDays as RetentionDays,
      features: options.function.features,
      topic: topic(this, options),
      namePrefix: this.stackName,
    });
  }
}
