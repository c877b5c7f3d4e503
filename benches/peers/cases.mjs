// What is compared. `raw` cases encode bare pixels; the others go from the bytes of a file to the bytes of the output.

import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import sharp from "sharp";

const CORPUS = process.env.CORPUS ?? fileURLToPath(new URL("../../../shared/corpus", import.meta.url));
const PHOTOGRAPHS = join(CORPUS, "photos");

const JPEG = ["w=300&format=jpeg&q=80", "w=800&format=jpeg&q=80"];
const WEBP = ["w=300&format=webp&q=80", "w=800&format=webp&q=80"];
const PNG = ["w=300&format=png", "w=800&format=png"];

/** What is added to a picture of 800 pixels, whose own line is above. */
const COMPOSED = [
  "overlay=overlays/mark.png&overlay_w=0.2&overlay_gravity=southeast",
  "radius=40",
  "pad=20&bg=fff",
  "pad=20&extend=mirror",
].map((query) => `w=800&format=jpeg&q=80&${query}`);

const of = (path, queries) => queries.map((query) => ({ name: basename(path), file: path, query }));

/** Those that are compared at the same likeness, at sharp's default quality. */
export function equalCases(folder) {
  const queries = ["avif", "webp"].flatMap((format) => [`w=300&format=${format}`, `w=800&format=${format}`]);
  if (!existsSync(PHOTOGRAPHS)) return of(join(folder, "made-12mp-baseline.jpg"), queries);
  return ["12mp-baseline.jpg", "6mp-real.jpg", "iphone-8mp.jpg"].flatMap((name) => of(join(PHOTOGRAPHS, name), queries));
}

/** Animations of the corpus, where it is there. */
function animations() {
  const names = ["animated-loop-3.gif", "rotating-squares.gif", "animated-loop-3.webp", "rotating-squares.webp"];
  const found = names.map((name) => join(CORPUS, "formats", name)).filter((file) => existsSync(file));
  return found.flatMap((file) => of(file, ["w=100&format=gif&animated", "w=100&format=webp&animated&q=80"]));
}

/** Makes what is not there as a file, and lists the cases. */
export async function cases(program, folder) {
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, "made-drawing.png"))) spawnSync(program, ["make", folder], { stdio: "inherit" });
  const real = existsSync(PHOTOGRAPHS);
  if (!real) console.log(`No real photographs in ${PHOTOGRAPHS}: made pictures take their place.\n`);
  const file = (photograph, made) => (real ? join(PHOTOGRAPHS, photograph) : join(folder, made));
  const baseline = file("12mp-baseline.jpg", "made-12mp-baseline.jpg");
  return [
    ...of(baseline, [...JPEG, ...WEBP]),
    ...of(baseline, COMPOSED),
    ...of(file("12mp-progressive.jpg", "made-12mp-progressive.jpg"), JPEG),
    ...(real ? ["3mp-baseline.jpg", "6mp-real.jpg", "iphone-8mp.jpg"] : []).flatMap((name) => of(file(name), JPEG)),
    ...of(await converted(baseline, join(folder, "12mp-filtered.png"), true), [...JPEG, ...PNG]),
    ...of(await converted(baseline, join(folder, "12mp-unfiltered.png"), false), JPEG),
    ...of(file("paper-alpha.png", "made-4mp-alpha.png"), [...JPEG, ...PNG]),
    ...of(file("4mp-lossy.webp", "made-4mp-lossy.webp"), [...JPEG, ...WEBP]),
    ...animations(),
    ...(await encodes(baseline, folder)),
  ];
}

/** The photograph as a PNG, as programs write it that choose a filter for each row, or without filters. */
async function converted(from, to, adaptiveFiltering) {
  if (!existsSync(to)) await sharp(from).png({ adaptiveFiltering }).toFile(to);
  return to;
}

async function encodes(photograph, folder) {
  const pixels = async (name, image, queries) => {
    const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
    const file = join(folder, `${name}.raw`);
    writeFileSync(file, data);
    const raw = { width: info.width, height: info.height, channels: info.channels };
    return queries.map((query) => ({ name: `pixels ${info.width}x${info.height} ${name}`, file, query, raw }));
  };
  const photo = (width) => sharp(photograph).resize({ width }).removeAlpha();
  const drawing = join(folder, "made-drawing.png");
  const lossy = ["format=jpeg&q=80", "format=webp&q=80"];
  const progressive = "format=jpeg&q=80&progressive=true";
  return [
    ...(await pixels("photo300", photo(300), [...lossy, "format=png"])),
    ...(await pixels("photo800", photo(800), [...lossy, progressive, "format=png", "format=webp&lossless=true"])),
    ...(await pixels("drawing", sharp(drawing).toColourspace("srgb").removeAlpha(), ["format=png", "format=webp&lossless=true"])),
    // Lines that were made smaller have soft edges: more than 256 colours, and no texture.
    ...(await pixels("lines", sharp(drawing).toColourspace("srgb").removeAlpha().resize({ width: 500 }), ["format=png"])),
    ...(await pixels("photo800-alpha", await faded(photo(800)), ["format=png", "format=webp&q=80"])),
  ];
}

/** The picture with its own brightness as alpha. */
async function faded(image) {
  const alpha = await image.clone().greyscale().raw().toBuffer();
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  const raw = { width: info.width, height: info.height, channels: 1 };
  return sharp(data, { raw: { ...raw, channels: 3 } }).joinChannel(alpha, { raw });
}
