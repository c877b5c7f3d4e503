// An image service for Astro: `image: { service: { entrypoint: 'image-origin/astro', config: { base, defaults } } }`.
// Pictures are keys of the server, such as `<Image src="cats/a.jpg" width={800} height={600} alt="" />`; what is imported
// from the project is served as it is.
import { createClient } from './client.js';
import { PARAMETERS } from './grammar.js';

const NAMES = Object.entries(PARAMETERS).flatMap(([name, { aliases }]) => [name, ...aliases]);
/** What Astro takes for itself, and must not become an attribute. */
const OWN = ['src', 'widths', 'densities', 'layout', 'priority', 'position', 'inferSize', 'background', 'formats', 'fallbackFormat'];

/** The parameters among the properties of a component. */
const parameters = (options) => Object.fromEntries(NAMES.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]));
const isImported = ({ src }) => typeof src !== 'string';
const height = ({ width: w, height: h }, width) => (w && h ? Math.max(1, Math.round((width * h) / w)) : undefined);

export default {
  validateOptions(options) {
    if (isImported(options)) return { ...options, width: options.width ?? options.src.width, height: options.height ?? options.src.height };
    if (options.layout !== 'none' && !(options.width && options.height)) {
      throw new Error(`the picture ${options.src} takes a width and a height, so that the page does not jump`);
    }
    return options;
  },

  getURL(options, { service }) {
    if (isImported(options)) return options.src.src;
    return createClient(service.config).url(options.src, parameters(options));
  },

  getSrcSet(options) {
    const { width, widths, densities } = options;
    if (isImported(options)) return [];
    const candidate = (wide, descriptor) => (
      { transform: { ...options, width: wide, height: height(options, wide) }, descriptor, attributes: {} });
    if (widths) return widths.map((wide) => candidate(Math.round(wide), `${Math.round(wide)}w`));
    return (densities ?? []).map((ratio) => candidate(Math.round(width * parseFloat(ratio)), `${parseFloat(ratio)}x`));
  },

  getHTMLAttributes(options) {
    const kept = Object.entries(options).filter(([name]) => !NAMES.includes(name) && !OWN.includes(name));
    const { width, height: high, src } = options;
    return {
      ...Object.fromEntries(kept),
      width: width ?? src.width,
      height: high ?? src.height,
      loading: options.loading ?? 'lazy',
      decoding: options.decoding ?? 'async',
    };
  },
};
