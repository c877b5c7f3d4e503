// The project's own binary, asked at synthesis for what it alone knows: the query grammar, and whether a configuration
// of the edge is good. Nothing of that is typed here again.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The repository. */
export const root = fileURLToPath(new URL('../../../', import.meta.url));

/** What was built before the synthesis is missing, or refuses what it is given. */
export class BuildError extends Error {}

function program(): string {
  const places = [
    process.env['IMAGE_ORIGIN'],
    `${root}target/release/image-origin`,
    `${root}target/debug/image-origin`,
  ];
  const found = places.find((place) => place && existsSync(place));
  if (!found) throw new BuildError('image-origin is not built: cargo build --release');
  return found;
}

function run(args: string[], variables: Record<string, string> = {}): string {
  const { status, stdout, stderr, error } = spawnSync(program(), args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'], ...variables },
  });
  if (status !== 0) throw new BuildError((error?.message ?? stderr).trim());
  return stdout;
}

/** The names that a canonical query is made of: aliases are folded into them at the edge. */
export function parameterNames(): string[] {
  const { parameters } = JSON.parse(run(['grammar', '--json'])) as { parameters: { name: string }[] };
  return parameters.map(({ name }) => name);
}

/**
 * The document that is packaged with the edge's functions, from the TOML file at `path`. The keys in the other file must be
 * readable, and enough for the rules: functions that cannot read theirs answer every viewer with 503.
 */
export function compileEdge(path: string, keys: string): string {
  run(['edge', 'check', path, '--keys', keys]);
  return run(['edge', 'compile', path]).trim();
}

/** Checks that the transformer would start with this file of settings, if there is one, and these variables. */
export function checkSettings(config: string | undefined, variables: Record<string, string>): void {
  run(['config', 'check', ...(config ? [config] : [])], variables);
}
