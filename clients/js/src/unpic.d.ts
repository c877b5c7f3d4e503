import type { ClientSettings, TransformOptions } from './index.d.ts';

export interface Extracted {
  src: string;
  operations: TransformOptions;
}

/** Splits the URL of a picture into its address and its parameters; null if it has none. */
export declare function extract(url: string | URL): Extracted | null;

/** The URL with these parameters. `src` is a URL of the server, or a key of the one that `base` names. */
export declare function generate(src: string | URL, operations: TransformOptions, options?: ClientSettings): string;

/** Adds parameters to those that the URL has. */
export declare function transform(src: string | URL, operations: TransformOptions, options?: ClientSettings): string;
