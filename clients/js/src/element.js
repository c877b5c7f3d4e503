// `<image-origin src="cats/a.jpg" base="https://img.example.com" fit="cover" sizes="50vw" alt="">`: a picture without a
// framework. Parameters are attributes, by any of their names; `widths`, `dpr` and `formats` are lists with commas between.
import { createClient } from './client.js';
import { PARAMETERS } from './grammar.js';

const NAMES = Object.entries(PARAMETERS).flatMap(([name, { aliases }]) => [name, ...aliases]);
const OWN = ['src', 'base', 'alt', 'sizes', 'widths', 'formats', 'max', 'loading'];
const list = (text) => text?.split(',').map((part) => part.trim());

export class ImageOrigin extends HTMLElement {
  static observedAttributes = [...NAMES, ...OWN].map((name) => name.toLowerCase());

  #waits = false;

  connectedCallback() {
    this.#render();
  }

  attributeChangedCallback() {
    if (!this.isConnected || this.#waits) return;
    this.#waits = true;
    // Once for all attributes that change together.
    queueMicrotask(() => {
      this.#waits = false;
      if (this.isConnected) this.#render();
    });
  }

  #render() {
    const attribute = (name) => this.getAttribute(name) ?? undefined;
    const options = Object.fromEntries(NAMES.map((name) => [name, attribute(name)]).filter(([, value]) => value !== undefined));
    const client = createClient({ base: attribute('base') });
    const { sources, img } = client.picture(this.getAttribute('src') ?? '', {
      ...options,
      formats: list(attribute('formats')),
      widths: list(attribute('widths'))?.map(Number),
      dpr: list(attribute('dpr'))?.map(Number),
      max: attribute('max') && Number(attribute('max')),
      // Lazily loaded pictures have a layout by then, where the browser knows of it.
      sizes: attribute('sizes') ?? 'auto, 100vw',
    });
    const image = document.createElement('img');
    image.alt = attribute('alt') ?? '';
    image.loading = attribute('loading') ?? 'lazy';
    const picture = document.createElement('picture');
    picture.append(...sources.map((source) => Object.assign(document.createElement('source'), source)), image);
    // In the page itself, where its style sheets reach it.
    this.replaceChildren(picture);
    Object.assign(image, img);
  }
}

customElements.define('image-origin', ImageOrigin);
