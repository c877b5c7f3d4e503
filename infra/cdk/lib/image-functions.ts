// The viewer functions as CloudFront Functions: a sixth of the price of Lambda@Edge, no start, and rules and keys in a
// KeyValueStore, so that changing them is no deployment. What they cannot do, `image-origin edge check --engine functions` names.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ArnFormat, CfnOutput, Names, Stack } from 'aws-cdk-lib';
import * as cloudfront from 'aws-cdk-lib/aws-cloudfront';
import { Construct } from 'constructs';
import { Artifacts } from './artifacts.ts';
import { temporary } from './folders.ts';

export interface ImageFunctionsProps {
  /** Endings of files that come from the bucket as they are. Default: none. */
  readonly files?: readonly string[] | undefined;
  /** Starts the names of the functions and the store. Default: made of the construct's path. */
  readonly functionNamePrefix?: string | undefined;
  /** Where the program is that writes the functions. Default: in this package. */
  readonly artifacts?: Artifacts | undefined;
}

const EVENTS = {
  'viewer-request': cloudfront.FunctionEventType.VIEWER_REQUEST,
  'viewer-response': cloudfront.FunctionEventType.VIEWER_RESPONSE,
};

/**
 * The functions and their store, for the behaviours of a distribution. Until `image-origin edge push` has filled the store, every
 * viewer is answered with 503: push before a distribution calls the functions.
 */
export class ImageFunctions extends Construct {
  /** CloudFront signs: no function could, without a network and a role. */
  readonly signing = 'oac';
  readonly files: readonly string[];
  readonly store: cloudfront.KeyValueStore;
  private readonly functions = new Map<keyof typeof EVENTS, cloudfront.Function>();

  constructor(scope: Construct, id: string, props: ImageFunctionsProps = {}) {
    super(scope, id);
    this.files = props.files ?? [];
    const artifacts = props.artifacts ?? Artifacts.default();
    const prefix = props.functionNamePrefix ?? Names.uniqueResourceName(this, { maxLength: 40, separator: '-' });
    this.store = new cloudfront.KeyValueStore(this, 'Store', {
      keyValueStoreName: prefix,
      comment: 'Rules and keys; image-origin edge push changes them',
    });
    const written = temporary();
    artifacts.writeFunctions(written);
    for (const name of Object.keys(EVENTS) as (keyof typeof EVENTS)[]) {
      const resource = new cloudfront.Function(
        this,
        name.replace(/(^|-)./g, (start) => start.slice(-1).toUpperCase()),
        {
          functionName: `${prefix}-${name}`,
          comment: `image-origin: ${name}`,
          code: cloudfront.FunctionCode.fromInline(readFileSync(join(written, `${name}.js`), 'utf8')),
          runtime: cloudfront.FunctionRuntime.JS_2_0,
          keyValueStore: this.store,
          autoPublish: true,
        },
      );
      this.functions.set(name, resource);
    }
    new CfnOutput(this, 'StoreArn', { value: this.store.keyValueStoreArn }).overrideLogicalId('KeyValueStoreArn');
  }

  /** What a behaviour calls, as the stack of `scope` knows it. */
  functionAssociations(scope: Construct): cloudfront.FunctionAssociation[] {
    return [...this.functions].map(([name, made]) => ({
      eventType: EVENTS[name],
      function: this.reference(scope, name, made),
    }));
  }

  /** Elsewhere a function is known by its ARN, which its name makes: so no stack keeps another from changing. */
  private reference(scope: Construct, name: string, made: cloudfront.Function): cloudfront.IFunction {
    const [here, home] = [Stack.of(scope), Stack.of(this)];
    if (here === home) return made;
    here.addStackDependency(home);
    // A name that is written out, as it always is here.
    const functionName = (made.node.defaultChild as cloudfront.CfnFunction).name;
    const functionArn = here.formatArn({
      service: 'cloudfront',
      region: '',
      resource: 'function',
      resourceName: functionName,
      arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
    });
    return cloudfront.Function.fromFunctionAttributes(scope, name, { functionName, functionArn });
  }
}
