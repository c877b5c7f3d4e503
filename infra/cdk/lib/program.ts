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

function run(...args: string[]): string {
  const { status, stdout, stderr, error } = spawnSync(program(), args, {
    encoding: 'utf8',
    env: { PATH: process.env['PATH'] },
  });
  if (status !== 0) throw new BuildError((error?.message ?? stderr).trim());
  return stdout;
}

/** The names that a canonical query is made of: aliases are folded into them at the edge. */
export function parameterNames(): string[] {
  const { parameters } = JSON.parse(run('grammar', '--json')) as { parameters: { name: string }[] };
  return parameters.map(({ name }) => name);
}

/** The document that is packaged with the edge's functions, from the TOML file at `path`. */
export function compileEdge(path: string): string {
  return run('edge', 'compile', path).trim();
}
