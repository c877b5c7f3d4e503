// What calls for somebody, and whom. docs/operations.md says what to do for each.
import { Duration, Stack } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Function } from 'aws-cdk-lib/aws-lambda';
import { Subscription, SubscriptionProtocol, Topic } from 'aws-cdk-lib/aws-sns';
import type { Construct } from 'constructs';
import type { Options } from './options.ts';

const PERIOD = Duration.minutes(5);

/** Where alarms of this region go, if somebody wants to be told. */
export function topic(scope: Construct, { alarms: { email }, account }: Options): Topic | undefined {
  if (!email) return undefined;
  const made = new Topic(scope, 'Alarms', { enforceSSL: true });
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

interface What {
  readonly name: string;
  readonly says: string;
  readonly metric: cloudwatch.IMetric;
  readonly above: number;
  /** Of the last so many periods, all must be above. */
  readonly periods?: number;
}

function alarm(scope: Construct, { name, says, metric, above, periods = 1 }: What, told?: Topic): void {
  const made = new cloudwatch.Alarm(scope, name, {
    alarmName: `${Stack.of(scope).stackName}-${name}`,
    alarmDescription: `${says} See docs/operations.md.`,
    metric,
    threshold: above,
    comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    evaluationPeriods: periods,
    treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
  });
  if (told) made.addAlarmAction(new SnsAction(told));
}

/** A metric of Lambda's for one function. */
export function lambdaMetric(
  functionName: string,
  metricName: string,
  statistic: string,
  region?: string,
): cloudwatch.Metric {
  return new cloudwatch.Metric({
    namespace: 'AWS/Lambda',
    metricName,
    dimensionsMap: { FunctionName: functionName },
    statistic,
    period: PERIOD,
    region,
  });
}

/** The alarms of the transformer, in its region. */
export function functionAlarms(scope: Construct, transformer: Function, options: Options, told?: Topic): void {
  const {
    alarms,
    function: { timeout },
  } = options;
  const metric = (name: string, statistic = 'Sum') => lambdaMetric(transformer.functionName, name, statistic);
  alarm(
    scope,
    {
      name: 'Errors5xx',
      says: `More than ${alarms.errorsPercent} % of the transformer's answers are 5xx.`,
      metric: new cloudwatch.MathExpression({
        expression: 'IF(all >= 20, 100 * bad / all, 0)',
        usingMetrics: { bad: metric('Url5xxCount'), all: metric('UrlRequestCount') },
        label: '5xx of all answers, %',
        period: PERIOD,
      }),
      above: alarms.errorsPercent,
      periods: 2,
    },
    told,
  );
  alarm(
    scope,
    {
      name: 'Crashes',
      says: 'The transformer ended without an answer: out of memory, out of time, or a bug.',
      metric: metric('Errors'),
      above: 5,
    },
    told,
  );
  alarm(
    scope,
    {
      name: 'Throttles',
      says: 'Lambda turned requests away, because no more copies of the transformer may run.',
      metric: metric('Throttles'),
      above: 0,
      periods: 2,
    },
    told,
  );
  alarm(
    scope,
    {
      name: 'Slow',
      says: `The slowest hundredth takes more than ${alarms.durationPercent} % of the time limit.`,
      metric: metric('Duration', 'p99'),
      above: timeout * 10 * alarms.durationPercent,
      periods: 3,
    },
    told,
  );
}

/** The alarm of the distribution, whose metrics are in us-east-1. */
export function distributionAlarms(scope: Construct, errors: cloudwatch.IMetric, options: Options, told?: Topic): void {
  alarm(
    scope,
    {
      name: 'Viewers5xx',
      says: `More than ${options.alarms.errorsPercent} % of what viewers get is 5xx.`,
      metric: errors,
      above: options.alarms.errorsPercent,
      periods: 2,
    },
    told,
  );
}
