import type { ComponentPropsWithoutRef, ReactElement } from 'react';

import type { ClientSettings, PictureOptions, TransformOptions } from './index.d.ts';

export interface PictureProps
  extends Omit<ComponentPropsWithoutRef<'img'>, 'src' | 'srcSet' | 'sizes'>,
    Pick<PictureOptions, 'formats' | 'widths' | 'dpr' | 'max' | 'sizes'> {
  /** The name of the original, such as `cats/a.jpg`. */
  image: string;
  alt: string;
  /** What is to be done with the picture. */
  options?: TransformOptions;
  /** For a picture that is seen at once: it is loaded before others, and not lazily. */
  priority?: boolean;
}

/** Makes a component for the pictures of one server. */
export declare function createPicture(settings?: ClientSettings): (props: PictureProps) => ReactElement;
