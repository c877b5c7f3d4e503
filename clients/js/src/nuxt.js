// A provider for @nuxt/image: `image: { providers: { imageOrigin: { provider: 'image-origin/nuxt', options } } }`.
import { createClient } from './client.js';

/** Modifiers are parameters: those of the module have the names of aliases. */
const provider = {
  getImage(src, { modifiers = {}, baseURL, defaults }) {
    return { url: createClient({ base: baseURL, defaults }).url(src, modifiers) };
  },
};

export default () => provider;
