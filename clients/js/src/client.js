// URLs, and what `<img>` and `<picture>` need of them.
import { canonicalPairs, encode, query } from './canonical.js';
import { PARAMETERS } from './grammar.js';

/** Widths that a `srcset` offers where nothing else is said: steps of at most a third, from small phones to large screens. */
export const WIDTHS = [320, 480, 640, 828, 1080, 1440, 1920, 2560];

/** The path of an original: its name, percent-encoded. */
function path(key) {
  const name = String(key).replace(/^\//, '');
  if (!name) throw new TypeError('the key of a picture cannot be empty');
  const segments = name.split('/');
  if (segments.some((segment) => segment === '.' || segment === '..') || /\p{Cc}/u.test(name)) {
    throw new TypeError(`${JSON.stringify(key)} is no key of a picture: it has dot segments or control characters`);
  }
  return `/${segments.map(encode).join('/')}`;
}

/** Canonical options as an object that can be changed further. */
const canonical = (options) => Object.fromEntries(canonicalPairs(options));

/** The widths of a `srcset`, ascending, none beyond what `max` or the server allows. */
function widthsUpTo(widths, max = PARAMETERS.w.max) {
  const most = Math.min(max, PARAMETERS.w.max);
  const kept = widths.map(Math.round).filter((width) => width > 0 && width <= most);
  // The original's own width, rather than one between it and the next smaller step.
  if (widths.some((width) => width > most)) kept.push(most);
  return [...new Set(kept)].sort((a, b) => a - b);
}

/**
 * Makes URLs for one server. `base` is where it is, such as `https://img.example.com` or `/images`; `defaults` hold for
 * every picture that does not say otherwise.
 */
export function createClient({ base = '', defaults = {} } = {}) {
  const root = base.replace(/\/+$/, '');

  function url(key, options = {}) {
    const search = query({ ...defaults, ...options });
    return `${root}${path(key)}${search && `?${search}`}`;
  }

  function srcset(key, { widths, dpr, max, sizes, ...options } = {}) {
    const { w, h, ...rest } = canonical({ ...defaults, ...options });
    const at = (width, height) => url(key, { ...rest, w: width, h: height });
    const scaled = (ratio) => [w && Math.round(w * ratio), h && Math.round(h * ratio)];
    if (dpr || (w && !widths)) {
      if (!w && !h) throw new TypeError('a srcset by dpr takes w or h');
      const ratios = [dpr ?? [1, 2]].flat().filter((ratio) => Math.max(...scaled(ratio).map((side) => side ?? 0)) <= PARAMETERS.w.max);
      const candidates = ratios.map((ratio) => `${at(...scaled(ratio))} ${ratio}x`);
      return { src: at(w, h), srcset: candidates.join(', ') };
    }
    // With both sides the picture keeps its ratio at every width.
    const height = (width) => (w && h ? Math.max(1, Math.round((width * h) / w)) : h);
    const all = widthsUpTo(widths ?? WIDTHS, max);
    const candidates = all.map((width) => `${at(width, height(width))} ${width}w`);
    const middle = w ?? all[Math.floor((all.length - 1) / 2)];
    return { src: at(middle, height(middle)), srcset: candidates.join(', '), sizes: sizes ?? '100vw' };
  }

  function picture(key, { formats = ['avif', 'webp'], ...options } = {}) {
    const sources = formats.map((format) => {
      const { srcset: candidates, sizes } = srcset(key, { ...options, format });
      return { type: `image/${format}`, srcset: candidates, ...(sizes && { sizes }) };
    });
    return { sources, img: srcset(key, options) };
  }

  async function info(key, init) {
    const response = await fetch(url(key, { info: true }), init);
    const document = await response.json();
    if (!response.ok) throw new Error(document.detail ?? `the server answered ${response.status}`);
    return document;
  }

  return { url, srcset, picture, info };
}
