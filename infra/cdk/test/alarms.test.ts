// The alarms as CloudWatch would judge them: figures of five minutes each come in, and it rings or it does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resources, template, type Json } from './templates.ts';

type Figures = Readonly<Record<string, number | undefined>>;

/** The value of an alarm's metric in one period: a figure by its name, or the expression over figures. */
function value({ Properties }: Json, figures: Figures): number | undefined {
  if (!Properties.Metrics) return figures[Properties.MetricName];
  const names = Object.fromEntries(
    Properties.Metrics.filter(({ MetricStat }: Json) => MetricStat).map(({ Id, MetricStat }: Json) => [
      Id,
      figures[MetricStat.Metric.MetricName],
    ]),
  );
  const { Expression = Object.keys(names)[0] } = Properties.Metrics.find(({ Expression }: Json) => Expression) ?? {};
  if (Object.values(names).includes(undefined)) return undefined;
  const condition = (when: boolean, then: number, otherwise: number) => (when ? then : otherwise);
  return new Function('IF', ...Object.keys(names), `return ${Expression}`)(condition, ...Object.values(names));
}

/** Whether it rings after these periods, the last one the newest. */
function rings(alarm: Json, periods: readonly Figures[]): boolean {
  const { EvaluationPeriods, ComparisonOperator, Threshold, TreatMissingData } = alarm.Properties;
  assert.deepEqual([ComparisonOperator, TreatMissingData], ['GreaterThanThreshold', 'notBreaching']);
  const last = periods.slice(-EvaluationPeriods).map((figures) => value(alarm, figures));
  return last.length === EvaluationPeriods && last.every((figure) => figure !== undefined && figure > Threshold);
}

const alarms = new Map<string, Json>(
  ['origin', 'watch']
    .flatMap((stack) => resources(template('edge', stack), 'AWS::CloudWatch::Alarm'))
    .map((alarm) => [alarm.Properties.AlarmName.split('-').pop(), alarm]),
);

test('alarms ring when they are to, and not before', () => {
  const table: [string, Figures[], boolean][] = [
    [
      'Errors5xx',
      [
        { Url5xxCount: 3, UrlRequestCount: 100 },
        { Url5xxCount: 2, UrlRequestCount: 100 },
      ],
      true,
    ],
    [
      'Errors5xx',
      [
        { Url5xxCount: 0, UrlRequestCount: 100 },
        { Url5xxCount: 9, UrlRequestCount: 100 },
      ],
      false,
    ],
    [
      'Errors5xx',
      [
        { Url5xxCount: 1, UrlRequestCount: 100 },
        { Url5xxCount: 1, UrlRequestCount: 100 },
      ],
      false,
    ],
    // Two of three requests at night are no outage.
    [
      'Errors5xx',
      [
        { Url5xxCount: 2, UrlRequestCount: 3 },
        { Url5xxCount: 2, UrlRequestCount: 3 },
      ],
      false,
    ],
    ['Errors5xx', [{}, {}], false],
    ['Crashes', [{ Errors: 6 }], true],
    ['Crashes', [{ Errors: 5 }], false],
    ['Throttles', [{ Throttles: 1 }, { Throttles: 1 }], true],
    ['Throttles', [{ Throttles: 1 }, { Throttles: 0 }], false],
    // Milliseconds, of a limit of 30 seconds.
    ['Slow', [{ Duration: 24_001 }, { Duration: 26_000 }, { Duration: 29_000 }], true],
    ['Slow', [{ Duration: 24_001 }, { Duration: 2_000 }, { Duration: 29_000 }], false],
    ['Viewers5xx', [{ '5xxErrorRate': 1.5 }, { '5xxErrorRate': 1.1 }], true],
    ['Viewers5xx', [{ '5xxErrorRate': 1.5 }], false],
  ];
  for (const [name, periods, expected] of table)
    assert.equal(rings(alarms.get(name), periods), expected, `${name} ${JSON.stringify(periods)}`);
  assert.deepEqual([...alarms.keys()].sort(), [...new Set(table.map(([name]) => name))].sort());
});
