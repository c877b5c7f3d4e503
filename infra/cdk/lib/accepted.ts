// Findings of cdk-nag's AwsSolutions rules, and warnings of the CDK, that are accepted, each where it arises and with the reason.
import { Validations } from 'aws-cdk-lib';
import type { IConstruct } from 'constructs';

export function accept(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `AwsSolutions::AwsSolutions-${rule}`, reason });
}

/** Accepts a warning of the CDK's own. */
export function acceptWarning(construct: IConstruct, warning: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: `Annotation::${warning}`, reason });
}

/** Accepts that a role may use these resources, which stand for many. */
export function acceptWildcards(construct: IConstruct, reason: string, ...resources: string[]): void {
  for (const resource of resources) accept(construct, `IAM5[Resource::${resource}]`, reason);
}
