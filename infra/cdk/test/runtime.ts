// Lambda and S3, as far as one invocation needs them: the runtime API that hands `bootstrap` an event and takes its streamed
// answer, and a bucket with one folder's files.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Json } from './templates.ts';

export interface Answer {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  /** Standard output, where the figures of operation go. */
  readonly figures: string;
  /** Standard error, where the log goes. */
  readonly log: string;
}

const PRELUDE_END = Buffer.alloc(8);
const PATIENCE = 60_000;

async function listen(handler: (request: IncomingMessage, response: ServerResponse) => void): Promise<Server> {
  const server = createServer(handler);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return server;
}

const address = (server: Server) => `127.0.0.1:${(server.address() as AddressInfo).port}`;

/** The bucket's files, below the bucket's name, for whoever signs. */
function bucket(name: string, folder: string): Promise<Server> {
  return listen((request, response) => {
    const path = decodeURIComponent(new URL(request.url as string, 'http://s3').pathname);
    const signed = request.headers.authorization?.startsWith('AWS4-HMAC-SHA256 ');
    if (!signed || !path.startsWith(`/${name}/`)) return void response.writeHead(403).end();
    const content = readFileSync(join(folder, path.slice(name.length + 2)));
    const headers = {
      etag: '"original"',
      'content-length': content.length,
      'last-modified': 'Sat, 01 Aug 2026 00:00:00 GMT',
    };
    response.writeHead(200, headers).end(request.method === 'HEAD' ? undefined : content);
  });
}

/** Hands out one event, and resolves with what comes back for it. */
async function runtimeApi(event: Json): Promise<{ server: Server; answered: Promise<Buffer> }> {
  let resolve!: (answer: Buffer) => void;
  let reject!: (error: Error) => void;
  const answered = new Promise<Buffer>((good, bad) => ([resolve, reject] = [good, bad]));
  let handedOut = false;
  const server = await listen((request, response) => {
    const { url = '' } = request;
    if (url.endsWith('/invocation/next')) {
      // Whoever asks again waits for the next event, which does not come.
      if (handedOut) return;
      handedOut = true;
      const headers = {
        'lambda-runtime-aws-request-id': '8476a536-e9f4-11e8-9739-2dfe598c3fcd',
        'lambda-runtime-deadline-ms': `${Date.now() + 30_000}`,
        'lambda-runtime-invoked-function-arn':
          'arn:aws:lambda:eu-west-1:111122223333:function:image-origin-transformer',
      };
      return void response.writeHead(200, headers).end(JSON.stringify(event));
    }
    const chunks: Buffer[] = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('end', () => {
      response.writeHead(202).end();
      const body = Buffer.concat(chunks);
      if (url.endsWith('/response')) resolve(body);
      else reject(new Error(`${url}: ${body}`));
    });
  });
  return { server, answered };
}

/** Runs the `bootstrap` of an unpacked function with the variables of its template on one event. */
export async function invoke(
  task: string,
  variables: Record<string, string>,
  originals: string,
  event: Json,
): Promise<Answer> {
  const store = await bucket((variables['IMAGE_ORIGIN_SOURCE'] as string).replace('s3://', ''), originals);
  const { server, answered } = await runtimeApi(event);
  const env = {
    ...variables,
    AWS_LAMBDA_RUNTIME_API: address(server),
    AWS_LAMBDA_FUNCTION_NAME: 'image-origin-transformer',
    AWS_LAMBDA_FUNCTION_MEMORY_SIZE: '1769',
    AWS_LAMBDA_FUNCTION_VERSION: '$LATEST',
    AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/image-origin-transformer',
    AWS_LAMBDA_LOG_STREAM_NAME: '2026/11/21/[$LATEST]0',
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'ASIAEXAMPLE',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'token',
    IMAGE_ORIGIN_S3_ENDPOINT: `http://${address(store)}`,
    IMAGE_ORIGIN_S3_PATH_STYLE: 'true',
  };
  const bootstrap = spawn(join(task, 'bootstrap'), { cwd: task, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [figures, log] = ['', ''];
  bootstrap.stdout.on('data', (data) => (figures += data));
  bootstrap.stderr.on('data', (data) => (log += data));
  const ended = new Promise<never>((_, fail) =>
    bootstrap.on('close', (status) => fail(new Error(`bootstrap ended (${status}): ${log}`))),
  );
  const late = new Promise<never>((_, fail) =>
    setTimeout(() => fail(new Error(`no answer: ${log}`)), PATIENCE).unref(),
  );
  try {
    const packed = await Promise.race([answered, ended, late]);
    const end = packed.indexOf(PRELUDE_END);
    const prelude = JSON.parse(packed.subarray(0, end).toString());
    return { ...prelude, body: packed.subarray(end + PRELUDE_END.length), figures, log };
  } finally {
    ended.catch(() => {});
    bootstrap.kill();
    for (const each of [server, store]) {
      each.closeAllConnections();
      each.close();
    }
  }
}
