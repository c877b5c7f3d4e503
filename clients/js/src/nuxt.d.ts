import type { TransformOptions } from './index.d.ts';

export interface ProviderOptions {
  /** Where the server is, such as `https://img.example.com`. */
  baseURL?: string;
  /** Parameters of every picture that does not say otherwise. */
  defaults?: TransformOptions;
}

/** The provider, as `@nuxt/image` takes it. */
declare const provider: () => {
  getImage(src: string, context: ProviderOptions & { modifiers?: TransformOptions }): { url: string };
};
export default provider;
