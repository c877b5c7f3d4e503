import type { ClientSettings } from './index.d.ts';

/** Makes the default export of the file that `images.loaderFile` names. */
export declare function createLoader(
  settings?: ClientSettings,
): (request: { src: string; width: number; quality?: number | `${number}` }) => string;
