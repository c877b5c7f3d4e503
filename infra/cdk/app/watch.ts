// What can be seen of a deployment at a glance, in us-east-1, where CloudFront's metrics are. The function's own figures
// come from the lines of src/telemetry/emf.rs.
import { Duration, Stack, type StackProps } from 'aws-cdk-lib';
import * as cloudwatch from 'aws-cdk-lib/aws-cloudwatch';
import type { Construct } from 'constructs';
import { DistributionAlarms, distributionMetric, lambdaMetric } from '../lib/alarms.ts';
import type { Names } from './names.ts';
import type { Options } from './options.ts';
import { topic } from './topic.ts';

// As in src/telemetry/emf.rs; a test compares the two.
const NAMESPACE = 'ImageOrigin';
const STAGES = ['Fetch', 'Decode', 'Resize', 'Encode', 'Total'];
const PERIOD = Duration.minutes(5);
const WIDTH = 8;

export interface WatchStackProps extends StackProps {
  readonly options: Options;
  readonly names: Names;
  readonly distributionId: string;
}

export class WatchStack extends Stack {
  constructor(scope: Construct, id: string, props: WatchStackProps) {
    super(scope, id, props);
    const { options, names, distributionId } = props;
    const viewers = (metricName: string, statistic: string, label: string) =>
      distributionMetric({ distributionId, metricName, statistic, label });
    const transformer = (metricName: string, statistic: string, label: string) =>
      new cloudwatch.Metric({
        namespace: NAMESPACE,
        metricName,
        dimensionsMap: { function: names.function },
        statistic,
        period: PERIOD,
        region: options.region,
        label,
      });
    const ofLambda = (metricName: string, statistic: string) =>
      lambdaMetric({ functionName: names.function, metricName, statistic, region: options.region });
    const graph = (title: string, left: cloudwatch.IMetric[], more: Partial<cloudwatch.GraphWidgetProps> = {}) =>
      new cloudwatch.GraphWidget({ title, left, width: WIDTH, region: options.region, ...more });
    const requests = `{${NAMESPACE},format,function,status} MetricName="Requests" function="${names.function}"`;
    const refused = `${requests} NOT status="200" NOT status="304"`;
    const byStatus = new cloudwatch.SearchExpression({
      expression: `SEARCH('${refused}', 'Sum', 300)`,
      searchRegion: options.region,
      period: PERIOD,
      label: "${PROP('Dim.status')}",
    });
    const percent = { leftYAxis: { min: 0, max: 100, label: '%', showUnits: false } };
    new cloudwatch.Dashboard(this, 'Dashboard', {
      dashboardName: options.name,
      defaultInterval: Duration.hours(12),
      widgets: [
        [
          graph('Requests', [
            viewers('Requests', 'Sum', 'of viewers'),
            transformer('Requests', 'Sum', 'to the transformer'),
          ]),
          graph('Cache hit rate', [viewers('CacheHitRate', 'Average', 'hits')], percent),
          graph(
            'Errors that viewers get',
            [viewers('4xxErrorRate', 'Average', '4xx'), viewers('5xxErrorRate', 'Average', '5xx')],
            percent,
          ),
        ],
        ['p50', 'p95', 'p99'].map((statistic) =>
          graph(
            `Time by stage, ${statistic}`,
            STAGES.map((stage) => transformer(stage, statistic, stage)),
          ),
        ),
        [
          graph('Answers of the transformer that are no picture, by status', [byStatus]),
          graph('Bytes saved', [
            new cloudwatch.MathExpression({
              expression: 'FILL(read, 0) - FILL(sent, 0)',
              usingMetrics: {
                read: transformer('BytesIn', 'Sum', 'read'),
                sent: transformer('BytesOut', 'Sum', 'sent'),
              },
              label: 'originals read less answers sent',
              period: PERIOD,
              searchRegion: options.region,
            }),
          ]),
          graph('Cold starts', [transformer('ColdStart', 'Sum', 'cold starts')], {
            right: [transformer('Memory', 'Maximum', 'memory')],
          }),
        ],
        [
          graph('Function: time', [
            ofLambda('Duration', 'p50'),
            ofLambda('Duration', 'p99'),
            ofLambda('Duration', 'Maximum'),
          ]),
          graph('Function: copies', [ofLambda('ConcurrentExecutions', 'Maximum')], {
            right: [ofLambda('Throttles', 'Sum')],
          }),
          graph('Function: failures', [ofLambda('Errors', 'Sum'), ofLambda('Url5xxCount', 'Sum')]),
        ],
      ],
    });
    new DistributionAlarms(this, 'Alarms', {
      distributionId,
      topic: topic(this, options),
      namePrefix: this.stackName,
      errorsPercent: options.alarms.errorsPercent,
    });
  }
}
