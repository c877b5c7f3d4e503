// Where the alarms of a stack go.
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Subscription, SubscriptionProtocol, Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Options } from './options.ts';

/** Where alarms of this region go, if somebody wants to be told. */
export function topic(scope: Construct, { alarms: { email }, account }: Options): Topic | undefined {
  if (!email) return undefined;
  const made = new Topic(scope, 'Alarm', { enforceSSL: true });
  made.addToResourcePolicy(
    new PolicyStatement({
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [made.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': account } },
    }),
  );
  new Subscription(scope, 'Subscription', { topic: made, protocol: SubscriptionProtocol.EMAIL, endpoint: email });
  return made;
}
