// A real Chromium for tests, driven through its DevTools protocol over a pipe, so that nothing has to be installed.
import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

const browser = ['chromium', 'chromium-browser', 'google-chrome'].find(
  (name) => spawnSync(name, ['--version']).status === 0,
);
/** Why tests in a browser are skipped, if they are. */
export const skip = !browser && 'there is no Chromium here';
if (skip) console.log(`SKIPPED in a browser: ${skip}`);

/** A program's first line of output that matches. */
export async function line(program, pattern) {
  for await (const text of createInterface({ input: program.stdout })) {
    const match = text.match(pattern);
    if (match) return match;
  }
  throw new Error(`the program ended without a line like ${pattern}`);
}

/** A page of a new browser. Messages are JSON, each ended by a zero byte. */
export async function openPage(folder) {
  const options = [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update', '--remote-debugging-pipe',
    `--user-data-dir=${folder}`, 'about:blank',
  ];
  const chromium = spawn(browser, options, { stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'] });
  const [, , , input, output] = chromium.stdio;
  const pending = new Map();
  const images = [];
  const errors = [];
  let last = 0;
  let buffer = '';
  output.setEncoding('utf8').on('data', (data) => {
    const messages = (buffer + data).split('\0');
    buffer = messages.pop();
    for (const { id, result, error, method, params } of messages.map((text) => JSON.parse(text))) {
      if (method === 'Network.responseReceived' && params.type === 'Image') images.push(params.response);
      if (method === 'Runtime.exceptionThrown') errors.push(params.exceptionDetails.exception?.description);
      if (method === 'Log.entryAdded' && params.entry.source === 'security') errors.push(params.entry.text);
      if (!pending.has(id)) continue;
      const { resolve, reject } = pending.get(id);
      pending.delete(id);
      error ? reject(new Error(error.message)) : resolve(result);
    }
  });
  const send = (method, params = {}, sessionId = undefined) =>
    new Promise((resolve, reject) => {
      pending.set((last += 1), { resolve, reject });
      input.write(`${JSON.stringify({ id: last, method, params, sessionId })}\0`);
    });
  const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
  const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
  for (const domain of ['Network', 'Page', 'Runtime', 'Log']) await send(`${domain}.enable`, {}, sessionId);
  await send('Network.setCacheDisabled', { cacheDisabled: true }, sessionId);
  return {
    chromium,
    /** Responses with pictures, in the order in which they came. */
    images,
    /** What scripts have thrown, and what the page's policy has refused. */
    errors,
    send: (method, params) => send(method, params, sessionId),
    open: (url) => send('Page.navigate', { url }, sessionId),
    /** Runs a function in the page until it gives something. */
    async run(code, ...args) {
      const expression = `(${code})(...${JSON.stringify(args)})`;
      for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
        const options = { expression, awaitPromise: true, returnByValue: true };
        const { result, exceptionDetails } = await send('Runtime.evaluate', options, sessionId);
        if (exceptionDetails) throw new Error(JSON.stringify(exceptionDetails));
        if (result.value !== undefined && result.value !== null) return result.value;
        if (Date.now() > end) throw new Error(`nothing came of ${code}`);
      }
    },
  };
}
