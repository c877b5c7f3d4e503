// What `npx cdk` runs. The options' file is chosen by `-c options=FILE`.
import { chmodSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { App } from 'aws-cdk-lib';
import { build, type Outputs } from '../app/app.ts';
import { load, OptionsError } from '../app/options.ts';
import { Artifacts, BuildError } from '../lib/artifacts.ts';

const app = new App();
// The assembly holds the secrets of the edge: it is for nobody else on this machine.
mkdirSync(app.outdir, { recursive: true });
chmodSync(app.outdir, 0o700);
const tryContext = (name: string) => app.node.tryGetContext(name) as string | undefined;
try {
  const options = load(tryContext('options') ?? 'options.json');
  // Where cdk.json lets the command line write what it has deployed.
  const written = tryContext('outputs') ?? 'outputs.json';
  const outputs = existsSync(written) ? readOutputs(written) : {};
  const lambda = tryContext('packages');
  const whole = build(app, options, { outputs, artifacts: Artifacts.default(lambda ? { lambda } : {}) });
  if (options.accessLogDays !== undefined)
    console.error(
      `${options.name}: access logs hold tokens and signatures that viewers send in the query (infra/README.md).`,
    );
  if (!whole) console.error(`${options.name}: the user pool comes first; deploy once more for the rest.`);
  app.synth();
} catch (error) {
  if (!(error instanceof OptionsError || error instanceof BuildError)) throw error;
  console.error(error.message);
  // At once: an app that is left half made is synthesised on the way out.
  process.exit(1);
}

function readOutputs(file: string): Outputs {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Outputs;
  } catch {
    throw new OptionsError(`${file} cannot be read as JSON; delete it, and deploying writes it anew`);
  }
}
