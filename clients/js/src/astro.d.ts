/** The image service, as `image.service.entrypoint` of Astro's configuration takes it. */
declare const service: {
  validateOptions(options: any): any;
  getURL(options: any, config: any): string;
  getSrcSet(options: any): { transform: any; descriptor: string; attributes: Record<string, any> }[];
  getHTMLAttributes(options: any): Record<string, any>;
};
export default service;
