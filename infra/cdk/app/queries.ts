// Saved queries of CloudWatch Logs Insights, over the lines that src/telemetry/emf.rs and the access log write.
import { QueryDefinition, QueryString, type ILogGroup } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';

const QUERIES = {
  'errors by path': {
    fields: ['@timestamp', 'status', 'path', 'request_id'],
    filterStatements: ['ispresent(path) and status >= 400'],
    sort: '@timestamp desc',
    limit: 100,
  },
  'slowest pictures': {
    fields: ['@timestamp', 'milliseconds', 'path', 'bytes', 'request_id'],
    filterStatements: ['ispresent(milliseconds)'],
    sort: 'milliseconds desc',
    limit: 50,
  },
  'time by stage': {
    filterStatements: ['ispresent(Total)'],
    statsStatements: [
      'pct(Fetch, 99) as fetch, pct(Decode, 99) as decode, pct(Resize, 99) as resize, pct(Encode, 99) as encode, pct(Total, 99) as total by bin(5m)',
    ],
  },
  'bytes by format': {
    filterStatements: ['ispresent(BytesOut)'],
    statsStatements: [
      'count(*) as answers, sum(BytesIn) as read, sum(BytesOut) as sent, avg(BytesOut) as mean by format, status',
    ],
    sort: 'answers desc',
  },
  'cold starts and memory': {
    filterStatements: ['@type = "REPORT"'],
    statsStatements: [
      'count(@initDuration) as cold, pct(@initDuration, 50) as init, max(@maxMemoryUsed) as memory, pct(@duration, 99) as slow by bin(1h)',
    ],
  },
};

export interface QueriesProps {
  readonly scope: Construct;
  /** The folder that the queries are saved in. */
  readonly name: string;
  readonly logGroup: ILogGroup;
}

export function queries({ scope, name, logGroup }: QueriesProps): void {
  for (const [title, query] of Object.entries(QUERIES))
    new QueryDefinition(scope, `Query ${title}`, {
      queryDefinitionName: `${name}/${title}`,
      queryString: new QueryString(query),
      logGroups: [logGroup],
    });
}
