/** The element `image-origin`. Importing this module defines it. */
export declare class ImageOrigin extends HTMLElement {}

declare global {
  interface HTMLElementTagNameMap {
    'image-origin': ImageOrigin;
  }
}
