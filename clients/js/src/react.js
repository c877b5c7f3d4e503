// `<Picture>` for React: AVIF, WebP and the original's format, each in the widths that the layout may need.
import { createElement } from 'react';

import { createClient } from './client.js';

/** Makes a component for the pictures of one server. */
export function createPicture(settings) {
  const client = createClient(settings);

  return function Picture({ image, formats, widths, dpr, max, sizes, options, priority = false, ...rest }) {
    const { sources, img } = client.picture(image, { ...options, formats, widths, dpr, max, sizes });
    const { srcset, ...attributes } = img;
    const loading = priority ? { loading: 'eager', fetchPriority: 'high' } : { loading: 'lazy', decoding: 'async' };
    return createElement(
      'picture',
      null,
      ...sources.map(({ srcset: srcSet, ...source }) => createElement('source', { key: source.type, srcSet, ...source })),
      // Sizes before the candidates, so that browsers do not choose without knowing them.
      createElement('img', { ...loading, sizes: attributes.sizes, srcSet: srcset, src: attributes.src, ...rest }),
    );
  };
}
