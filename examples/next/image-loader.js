import { createLoader } from 'image-origin/next';

export default createLoader({
  base: process.env.NEXT_PUBLIC_IMAGES ?? 'http://127.0.0.1:8080',
  defaults: { format: 'auto' },
});
