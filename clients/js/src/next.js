// A loader for next/image: `images: { loader: 'custom', loaderFile: './image-loader.js' }` names a file whose default
// export this makes.
import { createClient } from './client.js';

/** The width comes from the layout, the quality from the component; the rest holds for all pictures. */
export function createLoader(settings) {
  const { url } = createClient(settings);
  return ({ src, width, quality }) => url(src, { w: width, ...(quality && { q: quality }) });
}
