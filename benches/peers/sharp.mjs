// sharp's side of the comparison: one piece of work for each line of JSON on standard input, as peer.rs does it.
// `node sharp.mjs once FILE QUERY OUT` does one and ends.

import { readFile, writeFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

// One thread, and no result that was already there.
sharp.concurrency(1);
sharp.cache(false);

/** libwebp's quality for the one that is asked for, which is on JPEG's scale (crates/codec/src/webp/encode.rs). */
const LIBWEBP_QUALITY = { 80: 83 };

const FIXTURES = fileURLToPath(new URL("../../fixtures/", import.meta.url));
const overlays = new Map();

/** The overlay at its size, which is made once: a share of the output's width. */
function overlay(asked) {
  const width = Math.round(Number(asked.get("overlay_w")) * Number(asked.get("w")));
  const name = `${asked.get("overlay")} ${width}`;
  if (!overlays.has(name)) overlays.set(name, sharp(FIXTURES + asked.get("overlay")).resize({ width }).png({ compressionLevel: 0 }).toBuffer());
  return overlays.get(name);
}

/** The shape of a picture with round corners, whose height is three quarters of its width. */
const corners = (width, radius) =>
  `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${(width * 3) / 4}"><rect width="100%" height="100%" rx="${radius}"/></svg>`;

/**
 * The pipeline that does what the query asks of image-origin: upright, Lanczos with three lobes, 4:2:0 for JPEG. All
 * frames only where the query says `animated`, which image-origin ignores; `format=raw` is the resize alone.
 */
async function pipeline(input, raw, query) {
  const asked = new URLSearchParams(query);
  const image = sharp(input, raw ? { raw } : { animated: asked.has("animated") });
  if (!raw) image.autoOrient();
  const side = (name) => (asked.has(name) ? Number(asked.get(name)) : undefined);
  const fit = asked.get("fit") ?? "inside";
  if (asked.has("w")) {
    image.resize({ width: side("w"), height: side("h"), fit, kernel: "lanczos3", withoutEnlargement: true });
  }
  if (asked.has("blur")) image.blur(Number(asked.get("blur")));
  if (asked.has("sharpen")) image.sharpen();
  const pad = side("pad");
  if (pad) {
    const extendWith = asked.get("extend") === "mirror" ? "mirror" : "background";
    image.extend({ top: pad, bottom: pad, left: pad, right: pad, extendWith, background: "#ffffff" });
  }
  const layers = [];
  if (asked.has("radius")) layers.push({ input: Buffer.from(corners(side("w"), side("radius"))), blend: "dest-in" });
  if (asked.has("overlay")) layers.push({ input: await overlay(asked), gravity: asked.get("overlay_gravity") });
  if (layers.length > 0) image.composite(layers);
  const quality = asked.has("q") ? Number(asked.get("q")) : undefined;
  switch (asked.get("format")) {
    case "png":
      return image.png();
    case "webp":
      return image.webp({
        quality: LIBWEBP_QUALITY[quality] ?? quality,
        lossless: asked.get("lossless") === "true",
        effort: 4,
        smartSubsample: false,
      });
    case "avif":
      return image.avif({ quality });
    case "gif":
      return image.gif();
    case "raw":
      return image.raw();
    default:
      return image
        .flatten({ background: "#ffffff" })
        .jpeg({ quality, chromaSubsampling: "4:2:0", progressive: asked.get("progressive") === "true" });
  }
}

async function work({ file, query, raw, out }) {
  const input = await readFile(file);
  const [start, cpuStart] = [performance.now(), process.cpuUsage()];
  const bytes = await (await pipeline(input, raw, query)).toBuffer();
  const [ms, cpu] = [performance.now() - start, process.cpuUsage(cpuStart)];
  if (out) await writeFile(out, bytes);
  return { ms, cpu_ms: (cpu.user + cpu.system) / 1000, bytes: bytes.length };
}

const [command, file, query, out] = process.argv.slice(2);
if (command === "once") {
  await (await pipeline(file, undefined, query)).toFile(out);
} else {
  for await (const line of createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await work(JSON.parse(line))));
  }
}
