// Findings of cdk-nag's AwsSolutions rules that are accepted, each where it arises and with the reason.
import { Stack, Validations } from 'aws-cdk-lib';
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
  for (const resource of resources)
    accept(construct, `IAM5[Resource::${written(Stack.of(construct).resolve(resource))}]`, reason);
}

/** A name as cdk-nag writes it in its findings: references in angle brackets. */
function written(resolved: unknown): string {
  if (typeof resolved !== 'object' || resolved === null) return String(resolved);
  const [[operation, value]] = Object.entries(resolved) as [[string, unknown]];
  if (operation === 'Fn::Join') return ((value as [string, unknown[]])[1] ?? []).map(written).join('');
  return `<${Array.isArray(value) ? value.join('.') : String(value)}>`;
}
