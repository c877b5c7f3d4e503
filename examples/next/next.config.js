/** @type {import('next').NextConfig} */
export default {
  images: { loader: 'custom', loaderFile: './image-loader.js' },
  turbopack: { root: import.meta.dirname },
};
