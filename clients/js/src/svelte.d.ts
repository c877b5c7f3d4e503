import type { Component } from 'svelte';
import type { HTMLImgAttributes } from 'svelte/elements';

import type { Client, PictureOptions, TransformOptions } from './index.d.ts';

export interface PictureProps
  extends Omit<HTMLImgAttributes, 'src' | 'srcset' | 'sizes'>,
    Pick<PictureOptions, 'formats' | 'widths' | 'dpr' | 'max' | 'sizes'> {
  /** Of `createClient`. */
  client: Client;
  /** The name of the original, such as `cats/a.jpg`. */
  image: string;
  alt: string;
  /** What is to be done with the picture. */
  options?: TransformOptions;
  /** For a picture that is seen at once: it is loaded before others, and not lazily. */
  priority?: boolean;
}

export declare const Picture: Component<PictureProps>;
