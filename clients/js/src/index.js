import { createClient } from './client.js';

export { BadParameter } from './canonical.js';
export { WIDTHS, createClient } from './client.js';
export { PARAMETERS } from './grammar.js';
export { placeholder, thumbHashToRGBA } from './placeholder.js';
export { sign } from './sign.js';

/** The functions of a client of the page's own server, without defaults. */
export const { url, srcset, picture, info } = createClient();
