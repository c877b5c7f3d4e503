export default defineNuxtConfig({
  compatibilityDate: '2026-11-01',
  modules: ['@nuxt/image'],
  telemetry: false,
  image: {
    provider: 'imageOrigin',
    providers: {
      imageOrigin: {
        provider: 'image-origin/nuxt',
        options: { baseURL: process.env.IMAGES ?? 'http://127.0.0.1:8080', defaults: { format: 'auto' } },
      },
    },
  },
});
