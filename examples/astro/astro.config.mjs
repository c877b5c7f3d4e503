import { defineConfig } from 'astro/config';

export default defineConfig({
  image: {
    service: {
      entrypoint: 'image-origin/astro',
      config: { base: process.env.IMAGES ?? 'http://127.0.0.1:8080', defaults: { format: 'auto' } },
    },
  },
});
