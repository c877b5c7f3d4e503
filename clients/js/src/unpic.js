// A transformer in the form of unpic: what `Image` of `@unpic/react/base`, `@unpic/vue/base` and the like take.
import { parseQuery } from './canonical.js';
import { createClient } from './client.js';

/** Splits the URL of a picture into its address and what was done to it. */
export function extract(url) {
  const [src, search] = String(url).split('?');
  return search === undefined ? null : { src, operations: parseQuery(search) };
}

/** The URL with these operations; `src` is a URL of the server, or a key of the one that `base` names. */
export function generate(src, operations, { base, defaults } = {}) {
  const [, origin, path] = /^([a-z][a-z0-9+.-]*:\/\/[^/]+)?(.*)$/i.exec(String(src));
  // A URL is encoded, a key is not.
  return origin
    ? createClient({ base: origin, defaults }).url(decodeURIComponent(path), operations)
    : createClient({ base, defaults }).url(path, operations);
}

/** Adds operations to those that the URL has. */
export function transform(src, operations, options) {
  const known = extract(src);
  return generate(known?.src ?? src, { ...known?.operations, ...parameters(operations) }, options);
}

/** By canonical name, so that the same parameter under another name is replaced. */
function parameters(operations) {
  const given = Object.entries(operations).filter(([, value]) => value !== undefined && value !== null);
  return parseQuery(new URLSearchParams(given));
}
