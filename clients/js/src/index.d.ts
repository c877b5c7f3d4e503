import type { TransformOptions } from './grammar.js';

export { PARAMETERS } from './grammar.js';
export type { ParameterRow, TransformOptions } from './grammar.js';

/** A parameter has a value that is not allowed; the server would answer 400. */
export declare class BadParameter extends RangeError {
  /** Canonical name of the parameter. */
  readonly parameter: string;
  /** What was given. */
  readonly value: string;
  /** What is allowed, in words. */
  readonly allowed: string;
}

export interface ClientSettings {
  /** Where the server is, such as `https://img.example.com` or `/images`; the page's own origin without it. */
  base?: string;
  /** Parameters of every picture that does not say otherwise. */
  defaults?: TransformOptions;
}

export interface SrcsetOptions extends Omit<TransformOptions, 'dpr'> {
  /** Widths in pixels for descriptors such as `640w`; {@link WIDTHS} without it, unless `w` is given. */
  widths?: readonly number[];
  /** Ratios for descriptors such as `2x`, for a picture whose `w` or `h` is fixed; 1 and 2 with `w` and no `widths`. */
  dpr?: readonly number[];
  /** Width of the original, if it is known: no wider candidate is offered. */
  max?: number;
  /** How wide the layout shows the picture; `100vw` without it. */
  sizes?: string;
}

export interface ImageAttributes {
  src: string;
  srcset: string;
  /** Only beside widths. */
  sizes?: string;
}

export interface PictureOptions extends Omit<SrcsetOptions, 'format' | 'f' | 'fm'> {
  /** Formats of the sources, the best first; AVIF and WebP without it. */
  formats?: readonly ('avif' | 'webp' | 'jpeg' | 'png' | 'gif')[];
}

export interface PictureAttributes {
  /** The attributes of each `<source>`. */
  sources: { type: string; srcset: string; sizes?: string }[];
  img: ImageAttributes;
}

/** The answer to `info=true`; the server may tell more. */
export interface Info {
  format: string;
  width: number;
  height: number;
  orientation: number;
  alpha: boolean;
  frames: number;
  delays?: number[];
  loop?: number;
  bytes: number;
  bits: number;
  color_space: string;
  dominant_color: string;
  /** Up to five colours, the most frequent one first. */
  palette: string[];
  thumbhash: string;
  blurhash: string;
  /** A CSS gradient. */
  gradient: string;
  /** A tiny picture as a data URI of at most 400 bytes. */
  placeholder?: string;
  /** The alternative text of the file. */
  alt?: string;
  digital_source_type?: string;
  warnings: string[];
  [more: string]: unknown;
}

export interface Client {
  /**
   * The canonical URL of a picture: equal options give equal texts, which the edge does not rewrite and caches keep once.
   *
   * @param key The name of the original, not percent-encoded, such as `cats/a b.jpg`.
   * @throws BadParameter if a value is not allowed.
   */
  url(key: string, options?: TransformOptions): string;
  /** What an `<img>` takes: candidates by width, or by pixel ratio. */
  srcset(key: string, options?: SrcsetOptions): ImageAttributes;
  /** What a `<picture>` takes: candidates in each format, and those of the original's format for other browsers. */
  picture(key: string, options?: PictureOptions): PictureAttributes;
  /** Asks the server for facts about an original. */
  info(key: string, init?: RequestInit): Promise<Info>;
}

export declare function createClient(settings?: ClientSettings): Client;

export declare const url: Client['url'];
export declare const srcset: Client['srcset'];
export declare const picture: Client['picture'];
export declare const info: Client['info'];

/** The widths that a `srcset` offers where nothing else is said. */
export declare const WIDTHS: readonly number[];

export interface SignOptions {
  /** A secret of `url_secrets` in the edge's keys: its text, or its bytes. At least 32 bytes. It belongs on servers only. */
  secret: string | Uint8Array<ArrayBuffer>;
  /** When the URL ends: a time, or whole seconds since 1970. */
  expires?: Date | number;
  /** Seconds until then, where `expires` is absent; an hour without either. */
  expiresIn?: number;
}

/**
 * Signs a path with its query, or a whole URL, as `image-origin sign` does. What is signed is the meaning: the result has
 * the canonical query, without parameters that the server does not know.
 */
export declare function sign(url: string, options: SignOptions): Promise<string>;

export interface Placeholder {
  /** A likeness as a `data:` URL, of about a kilobyte. */
  src: string;
  /** The most frequent colour, as `#rrggbb`. */
  color: string;
  width: number;
  height: number;
  /** CSS declarations for the element that the picture will fill. */
  style: string;
}

/** What to show until a picture is there. `size` is the longer side of the likeness in pixels: 16 unless given, at most 96. */
export declare function placeholder(
  info: Pick<Info, 'thumbhash' | 'dominant_color' | 'width' | 'height'>,
  options?: { size?: number },
): Placeholder;

/** Paints a ThumbHash. */
export declare function thumbHashToRGBA(
  hash: Uint8Array,
  size?: number,
): { width: number; height: number; pixels: Uint8ClampedArray };
