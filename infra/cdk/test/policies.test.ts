// Who may do what, over all templates of all variants: nothing stands for more than its reason says, services act for named
// resources, and no secret is in a template.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stacks, template, type Json } from './templates.ts';
import { variants, type Variant } from './variants.ts';

const all = Object.keys(variants) as Variant[];
const asList = (value: Json): Json[] => (Array.isArray(value) ? value : [value]);

interface Found {
  readonly where: string;
  readonly type: string;
  readonly statement: Json;
}

/** Every statement of every policy, whatever resource it belongs to. */
function statements(value: Json, where: string, type: string): Found[] {
  if (typeof value !== 'object' || value === null) return [];
  const own = Array.isArray(value.Statement) && value.Version === '2012-10-17' ? value.Statement : [];
  return [
    ...own.map((statement: Json) => ({ where, type, statement })),
    ...Object.values(value).flatMap((inner) => statements(inner, where, type)),
  ];
}

const found = all.flatMap((variant) =>
  stacks(variant).flatMap((stack) =>
    Object.entries(template(variant, stack).Resources).flatMap(([id, { Type, Properties }]) =>
      statements(Properties, `${variant} ${stack} ${id}`, Type),
    ),
  ),
);
const allowed = found.filter(({ statement }) => statement.Effect === 'Allow');

test('an asterisk in a resource is one of these', () => {
  const reasons: [RegExp, string][] = [
    [/^arn:aws(-cn)?:s3:::[a-z0-9-]+(\/originals)?\/\*$/, 'all originals'],
    [/^\/(claims\/)?\*$/, 'all results in a bucket of their own, and claims on them'],
    [/:accesspoint\/image-origin-originals\/object\/\*$/, 'all originals, through the access point'],
    [/^arn:aws:logs:\*:111122223333:log-group:\/aws\/lambda\/us-east-1\.[a-z-]+(:\*)?$/, 'regions of edge copies'],
    [/^arn:aws(-cn)?:logs:[a-z0-9-]+:111122223333:log-group:(.*):\*$/, 'streams of the own log'],
  ];
  for (const { where, statement } of allowed) {
    for (const action of asList(statement.Action ?? [])) assert.doesNotMatch(action, /\*/, where);
    for (const resource of asList(statement.Resource ?? [])) {
      const text: string =
        typeof resource === 'string'
          ? resource
          : (resource['Fn::Join']?.[1] ?? []).map((part: Json) => (typeof part === 'string' ? part : '')).join('');
      if (text.includes('*'))
        assert.ok(
          reasons.some(([pattern]) => pattern.test(text)),
          `${where}: ${text}`,
        );
    }
  }
  assert.ok(allowed.length > 40);
});

test('what is allowed to services of AWS is bound to this account or to one resource', () => {
  const byService = allowed.filter(({ type, statement }) => statement.Principal && type !== 'AWS::IAM::Role');
  for (const { where, statement } of byService) {
    assert.deepEqual(Object.keys(statement.Principal), ['Service'], where);
    const bound = Object.keys(Object.assign({}, ...Object.values<Json>(statement.Condition ?? {})));
    assert.ok(
      bound.some((name) => name === 'aws:SourceArn' || name === 'aws:SourceAccount'),
      where,
    );
  }
  assert.ok(byService.length > 5);
});

test('nobody is allowed anything without being named', () => {
  for (const { where, statement } of allowed) {
    assert.equal(statement.NotAction ?? statement.NotResource ?? statement.NotPrincipal, undefined, where);
    assert.doesNotMatch(JSON.stringify(statement.Principal ?? {}), /\*/, where);
  }
});

test('no secret is in a template', () => {
  for (const variant of all)
    for (const stack of stacks(variant)) {
      const text = JSON.stringify(template(variant, stack));
      // examples/keys.json, with which the variant `private` is packaged.
      for (const secret of ['an example that everybody knows', 'c4bbcb1fbec99d65'])
        assert.ok(!text.includes(secret), `${variant} ${stack}`);
    }
});
