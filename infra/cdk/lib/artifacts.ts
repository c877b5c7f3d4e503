// What was built before the synthesis: the function's program, the edge's WebAssembly, and the program of this machine, which
// is asked for what it alone knows. In a checkout they are below `target/`, in the published package below `artifacts/`.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What was built before the synthesis is missing, or refuses what it is given. */
export class BuildError extends Error {}

/** Optional formats of originals, as cargo features. */
export type Feature = 'heic' | 'jxl';

export type Architecture = 'arm64' | 'x86_64';
export type EdgeFunction = 'viewer-request' | 'origin-request' | 'origin-response' | 'viewer-response';

// What `e_machine` of the ELF header is for each architecture.
const MACHINES = { x86_64: 0x3e, arm64: 0xb7 };
const HERE: Architecture = process.arch === 'arm64' ? 'arm64' : 'x86_64';

export interface ArtifactsProps {
  /** The folder with `<architecture>/bootstrap`, as `infra/lambda/package.sh` writes it. */
  readonly lambda: string;
  /** The folder with `<function>/edge.wasm`, as `infra/edge/build.sh` writes it. */
  readonly edge: string;
  /** The JavaScript around the WebAssembly. */
  readonly shim: string;
  /** Places where `image-origin` for this machine may be; the first that exists is asked. */
  readonly programs: readonly string[];
}

/** The files that the constructs package and ask. */
export class Artifacts {
  readonly props: ArtifactsProps;

  constructor(props: ArtifactsProps) {
    this.props = props;
  }

  /** Those of the published package, or of the checkout that this file is a part of. */
  static default(changes: Partial<ArtifactsProps> = {}): Artifacts {
    const packaged = fileURLToPath(new URL('../artifacts/', import.meta.url));
    const root = fileURLToPath(new URL('../../../', import.meta.url));
    const own = process.env['IMAGE_ORIGIN'] ?? '';
    if (existsSync(packaged)) {
      const lambda = `${packaged}lambda`;
      // A function's program is the whole program, so on its own architecture it can be asked.
      const programs = [own, ...(process.platform === 'linux' ? [join(lambda, HERE, 'bootstrap')] : [])];
      return new Artifacts({
        lambda,
        edge: `${packaged}edge`,
        shim: `${packaged}edge/index.mjs`,
        programs,
        ...changes,
      });
    }
    return new Artifacts({
      lambda: `${root}target/lambda-package`,
      edge: `${root}target/edge`,
      shim: `${root}infra/edge/index.mjs`,
      programs: [own, `${root}target/release/image-origin`, `${root}target/debug/image-origin`],
      ...changes,
    });
  }

  /** The program of the Lambda function, which must be one for this architecture and with these features. */
  bootstrap(architecture: Architecture, features: readonly Feature[] = []): string {
    const wanted = [...features].sort();
    const build = ['infra/lambda/package.sh', architecture, ...(wanted.length > 0 ? ['lambda', ...wanted] : [])].join(
      ' ',
    );
    const bootstrap = join(this.props.lambda, architecture, 'bootstrap');
    if (!existsSync(bootstrap)) throw new BuildError(`there is no ${bootstrap}: ${build}`);
    const header = readFileSync(bootstrap).subarray(0, 20);
    if (
      header.length < 20 ||
      header.readUInt32BE(0) !== 0x7f454c46 ||
      header.readUInt16LE(18) !== MACHINES[architecture]
    )
      throw new BuildError(`${bootstrap} is no program for ${architecture}: ${build}`);
    const noted = join(this.props.lambda, architecture, 'features');
    const built = existsSync(noted) ? readFileSync(noted, 'utf8').split(/\s+/).filter(Boolean).sort() : [];
    if (built.join() !== wanted.join()) {
      const [has, wants] = [built, wanted].map((names) => names.join(', ') || 'no optional features');
      throw new BuildError(`${bootstrap} was built with ${has}, and the function is to have ${wants}: ${build}`);
    }
    return bootstrap;
  }

  /** The WebAssembly of one function at the edge. */
  wasm(name: EdgeFunction): string {
    const wasm = join(this.props.edge, name, 'edge.wasm');
    if (!existsSync(wasm)) throw new BuildError(`there is no ${wasm}: infra/edge/build.sh`);
    return wasm;
  }

  /** The names that a canonical query is made of: aliases are folded into them at the edge. */
  parameterNames(): string[] {
    const { parameters } = JSON.parse(this.run(['grammar', '--json'])) as { parameters: { name: string }[] };
    return parameters.map(({ name }) => name);
  }

  /**
   * The document that is packaged with the edge's functions, from the TOML file at `path`. The keys in the other file must
   * be readable, and enough for the rules: functions that cannot read theirs answer every viewer with 503.
   */
  compileEdge(path: string, keys: string): string {
    this.run(['edge', 'check', path, '--keys', keys]);
    return this.run(['edge', 'compile', path]).trim();
  }

  /** Writes the functions for CloudFront Functions into a folder. */
  writeFunctions(folder: string): void {
    this.run(['edge', 'functions', '--out', folder]);
  }

  /** Checks that CloudFront Functions can do what the rules of a file and its keys, if it needs some, want. */
  checkFunctions(path: string, keys: string | undefined): void {
    this.run(['edge', 'check', '--engine', 'functions', path, ...(keys ? ['--keys', keys] : [])]);
  }

  /** Checks that the transformer would start with this file of settings, if there is one, and these variables. */
  checkSettings(config: string | undefined, variables: Record<string, string>): void {
    this.run(['config', 'check', ...(config ? [config] : [])], variables);
  }

  private run(args: string[], variables: Record<string, string> = {}): string {
    const program = this.props.programs.find((place) => place && existsSync(place));
    if (!program)
      throw new BuildError('there is no image-origin for this machine: cargo build, or name one in IMAGE_ORIGIN');
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'], ...variables },
    });
    if (status !== 0) throw new BuildError((error?.message ?? stderr).trim());
    return stdout;
  }
}
