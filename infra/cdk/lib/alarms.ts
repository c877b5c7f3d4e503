// What calls for somebody, and whom. docs/operations.md says what to do for each.
import { Annotations, Duration } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { ImageOrigin } from './image-origin.ts';

const PERIOD = Duration.minutes(5);

/** What alarms have in common. */
export interface AlarmsProps {
  /** Who is told. Without a topic an alarm is a colour in the console, and the synthesis says so. */
  readonly topic?: ITopic | undefined;
  /** Starts the alarms' names. Default: CloudFormation makes them. */
  readonly namePrefix?: string | undefined;
  /** How many of all answers in five minutes may be 5xx, in percent. Default: 1. */
  readonly errorsPercent?: number | undefined;
}

interface What {
  readonly name: string;
  readonly says: string;
  readonly metric: cloudwatch.IMetric;
  readonly above: number;
  /** Of the last so many periods, all must be above. */
  readonly periods?: number;
}

abstract class Alarms extends Construct {
  protected readonly errorsPercent: number;
  private readonly props: AlarmsProps;

  constructor(scope: Construct, id: string, props: AlarmsProps) {
    super(scope, id);
    this.props = props;
    this.errorsPercent = props.errorsPercent ?? 1;
    if (!props.topic)
      Annotations.of(this).addWarningV2(
        'image-origin:alarmsWithoutRecipient',
        'These alarms tell nobody: give them a topic (the option alarms.email).',
      );
  }

  protected alarm({ name, says, metric, above, periods = 1 }: What): void {
    const { topic, namePrefix } = this.props;
    const made = new cloudwatch.Alarm(this, name, {
      ...(namePrefix ? { alarmName: `${namePrefix}-${name}` } : {}),
      alarmDescription: `${says} See docs/operations.md.`,
      metric,
      threshold: above,
      comparisonOperator: cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
      evaluationPeriods: periods,
      treatMissingData: cloudwatch.TreatMissingData.NOT_BREACHING,
    });
    if (topic) made.addAlarmAction(new SnsAction(topic));
  }
}

export interface OriginAlarmsProps extends AlarmsProps {
  readonly imageOrigin: ImageOrigin;
  /** How much of the time limit the slowest hundredth may take, in percent. Default: 80. */
  readonly durationPercent?: number | undefined;
}

/** The alarms of the transformer, in its region. */
export class OriginAlarms extends Alarms {
  constructor(scope: Construct, id: string, props: OriginAlarmsProps) {
    super(scope, id, props);
    const { imageOrigin, durationPercent = 80 } = props;
    const { errorsPercent } = this;
    const metric = (name: string, statistic = 'Sum') =>
      lambdaMetric({ functionName: imageOrigin.function.functionName, metricName: name, statistic });
    this.alarm({
      name: 'Errors5xx',
      says: `More than ${errorsPercent} % of the transformer's answers are 5xx.`,
      metric: new cloudwatch.MathExpression({
        expression: 'IF(all >= 20, 100 * bad / all, 0)',
        usingMetrics: { bad: metric('Url5xxCount'), all: metric('UrlRequestCount') },
        label: '5xx of all answers, %',
        period: PERIOD,
      }),
      above: errorsPercent,
      periods: 2,
    });
    this.alarm({
      name: 'Crashes',
      says: 'The transformer ended without an answer: out of memory, out of time, or a bug.',
      metric: metric('Errors'),
      above: 5,
    });
    this.alarm({
      name: 'Throttles',
      says: 'Lambda turned requests away, because no more copies of the transformer may run.',
      metric: metric('Throttles'),
      above: 0,
      periods: 2,
    });
    this.alarm({
      name: 'Slow',
      says: `The slowest hundredth takes more than ${durationPercent} % of the time limit.`,
      metric: metric('Duration', 'p99'),
      above: imageOrigin.timeout.toSeconds() * 10 * durationPercent,
      periods: 3,
    });
  }
}

export interface InvalidationAlarmsProps extends AlarmsProps {
  readonly queue: IQueue;
  readonly deadLetterQueue: IQueue;
}

/** The alarm of an invalidation, in its region. */
export class InvalidationAlarms extends Alarms {
  constructor(scope: Construct, id: string, props: InvalidationAlarmsProps) {
    super(scope, id, props);
    const { queue, deadLetterQueue } = props;
    this.alarm({
      name: 'StaleAnswers',
      says: 'CloudFront was not told that originals have changed: messages failed, or have waited for a quarter of an hour.',
      metric: new cloudwatch.MathExpression({
        expression: 'FILL(failed, 0) + IF(FILL(age, 0) > 900, 1, 0)',
        usingMetrics: {
          failed: deadLetterQueue.metricApproximateNumberOfMessagesVisible({ period: PERIOD, statistic: 'Maximum' }),
          age: queue.metricApproximateAgeOfOldestMessage({ period: PERIOD, statistic: 'Maximum' }),
        },
        label: 'messages that failed or are late',
        period: PERIOD,
      }),
      above: 0,
    });
  }
}

export interface DistributionAlarmsProps extends AlarmsProps {
  readonly distributionId: string;
}

/** The alarm of a distribution, in us-east-1, where its metrics are. */
export class DistributionAlarms extends Alarms {
  constructor(scope: Construct, id: string, props: DistributionAlarmsProps) {
    super(scope, id, props);
    const { errorsPercent } = this;
    this.alarm({
      name: 'Viewers5xx',
      says: `More than ${errorsPercent} % of what viewers get is 5xx.`,
      metric: distributionMetric({
        distributionId: props.distributionId,
        metricName: '5xxErrorRate',
        statistic: 'Average',
        label: '5xx',
      }),
      above: errorsPercent,
      periods: 2,
    });
  }
}

export interface LambdaMetricProps extends cloudwatch.MetricOptions {
  readonly functionName: string;
  readonly metricName: string;
}

/** A metric of Lambda's for one function. */
export function lambdaMetric({ functionName, ...props }: LambdaMetricProps): cloudwatch.Metric {
  const dimensionsMap = { FunctionName: functionName };
  return new cloudwatch.Metric({ period: PERIOD, ...props, namespace: 'AWS/Lambda', dimensionsMap });
}

export interface DistributionMetricProps extends cloudwatch.MetricOptions {
  readonly distributionId: string;
  readonly metricName: string;
}

/** A metric of CloudFront's for one distribution. */
export function distributionMetric({ distributionId, ...props }: DistributionMetricProps): cloudwatch.Metric {
  return new cloudwatch.Metric({
    period: PERIOD,
    region: 'us-east-1',
    ...props,
    namespace: 'AWS/CloudFront',
    dimensionsMap: { DistributionId: distributionId, Region: 'Global' },
  });
}
