// Reads what was synthesised: templates as plain objects, and assets as files.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { assembly, type Variant } from './variants.ts';

/** What a template holds is CloudFormation's to say. */
export type Json = any;
export interface Resource {
  readonly Type: string;
  readonly Properties: Json;
  readonly Metadata?: Json;
  readonly DeletionPolicy?: string;
}

export interface Template {
  readonly Resources: Record<string, Resource>;
  readonly Outputs?: Record<string, { Value: Json }>;
}

const NAMES: Partial<Record<Variant, string>> = { domain: 'pics' };

/** The template of one stack of a variant. */
export function template(variant: Variant, stack: string): Template {
  const file = `${NAMES[variant] ?? 'image-origin'}-${stack}.template.json`;
  return JSON.parse(readFileSync(join(assembly(variant), file), 'utf8'));
}

/** All stacks of a variant, in the order of their names. */
export function stacks(variant: Variant): string[] {
  const manifest = JSON.parse(readFileSync(join(assembly(variant), 'manifest.json'), 'utf8'));
  const names = Object.entries<Json>(manifest.artifacts).filter(
    ([, artifact]) => artifact.type === 'aws:cloudformation:stack',
  );
  return names.map(([name]) => name.replace(`${NAMES[variant] ?? 'image-origin'}-`, '')).sort();
}

/** The resources of one type. */
export function resources({ Resources }: Template, type: string): Resource[] {
  return Object.values(Resources).filter(({ Type }) => Type === type);
}

/** The only resource of a type. */
export function only(from: Template, type: string): Resource {
  const found = resources(from, type);
  if (found.length !== 1) throw new Error(`${found.length} of ${type}`);
  return found[0] as Resource;
}

/** All statements of the roles' policies in a template. */
export function statements(from: Template): Json[] {
  const inline = resources(from, 'AWS::IAM::Role').flatMap(({ Properties }) => Properties.Policies ?? []);
  const separate = resources(from, 'AWS::IAM::Policy').map(({ Properties }) => Properties);
  return [...inline, ...separate].flatMap((policy: Json) => policy.PolicyDocument.Statement);
}

/** The folder that is uploaded as a function's code. */
export function code(variant: Variant, { Metadata }: Resource): string {
  return join(assembly(variant), Metadata['aws:asset:path']);
}
