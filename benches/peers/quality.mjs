// How near an output is to the best picture of its size: a full decode, and Lanczos with three lobes in floating point.

import { readFile } from "node:fs/promises";
import sharp from "sharp";

/** Red, green and blue over white, upright. */
export async function pixels(input, raw) {
  const image = sharp(input, raw ? { raw } : {});
  if (!raw) image.autoOrient();
  const white = image.flatten({ background: "#ffffff" }).toColourspace("srgb");
  const { data, info } = await white.raw().toBuffer({ resolveWithObject: true });
  if (info.channels === 3) return { data, width: info.width, height: info.height };
  const wide = Uint8Array.from({ length: info.width * info.height * 3 }, (_, i) => data[Math.floor(i / 3) * info.channels]);
  return { data: wide, width: info.width, height: info.height };
}

/** The same, each in its own plane of floats. */
async function planes(input, raw) {
  const { data, width, height } = await pixels(input, raw);
  const split = [0, 1, 2].map((channel) => Float32Array.from({ length: width * height }, (_, i) => data[i * 3 + channel]));
  return { split, width, height };
}

function lanczos3(x) {
  if (x === 0) return 1;
  if (Math.abs(x) >= 3) return 0;
  const t = Math.PI * x;
  return (3 * Math.sin(t) * Math.sin(t / 3)) / (t * t);
}

/** For each output sample, where its window of input samples starts, and their weights. */
function windows(from, to) {
  const scale = Math.max(from / to, 1);
  return Array.from({ length: to }, (_, i) => {
    const center = ((i + 0.5) * from) / to;
    const first = Math.max(Math.floor(center - 3 * scale), 0);
    const last = Math.min(Math.ceil(center + 3 * scale), from);
    const weights = Array.from({ length: last - first }, (_, k) => lanczos3((first + k + 0.5 - center) / scale));
    const sum = weights.reduce((a, b) => a + b, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

/** Resizes the rows of a plane, and turns the result so that a second call resizes the columns. */
function resizeAndTranspose(plane, width, height, to) {
  const out = new Float32Array(to * height);
  windows(width, to).forEach(({ first, weights }, x) => {
    for (let y = 0; y < height; y++) {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += weights[k] * plane[y * width + first + k];
      out[x * height + y] = sum;
    }
  });
  return out;
}

function resized({ split, width, height }, to) {
  if (width === to.width && height === to.height) return split;
  return split.map((plane) => {
    const turned = resizeAndTranspose(plane, width, height, to.width);
    return resizeAndTranspose(turned, height, to.width, to.height).map((v) => Math.min(Math.max(v, 0), 255));
  });
}

function luma([red, green, blue]) {
  return red.map((_, i) => 0.299 * red[i] + 0.587 * green[i] + 0.114 * blue[i]);
}

/** Structural similarity of luma (Wang et al. 2004): windows of 8 by 8 every 4 pixels, averaged. */
function ssim(one, other, width, height) {
  const [c1, c2, side] = [6.5025, 58.5225, Math.min(8, width, height)];
  let [total, count] = [0, 0];
  for (let top = 0; top + side <= height; top += 4) {
    for (let left = 0; left + side <= width; left += 4) {
      let [a, b, aa, bb, ab] = [0, 0, 0, 0, 0];
      for (let y = top; y < top + side; y++) {
        for (let x = left; x < left + side; x++) {
          const [p, q] = [one[y * width + x], other[y * width + x]];
          a += p;
          b += q;
          aa += p * p;
          bb += q * q;
          ab += p * q;
        }
      }
      const n = side * side;
      const [ma, mb] = [a / n, b / n];
      const [va, vb, cov] = [aa / n - ma * ma, bb / n - mb * mb, ab / n - ma * mb];
      total += ((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
      count++;
    }
  }
  return total / count;
}

let [original, references] = [undefined, new Map()];

/** The best picture of a size in planes. Those of the original that was asked for last are kept. */
async function best({ file, raw }, size) {
  if (original?.file !== file) {
    original = { file, planes: await planes(raw ? await readFile(file) : file, raw) };
    references = new Map();
  }
  const key = `${size.width}x${size.height}`;
  if (!references.has(key)) references.set(key, resized(original.planes, size));
  return references.get(key);
}

/** The reference for an original at a size, as bytes of red, green and blue. */
export async function reference(job, size) {
  const split = await best(job, size);
  return Uint8Array.from({ length: size.width * size.height * 3 }, (_, i) => Math.round(split[i % 3][Math.floor(i / 3)]));
}

/** SSIM of the output in the file `out` to the reference that is made of the original. */
export async function similarity(job, out) {
  const output = await planes(out);
  return ssim(luma(await best(job, output)), luma(output.split), output.width, output.height);
}
