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

const EFFECTS = ["blur=5", "sharpen=1"].map((query) => `w=800&format=jpeg&q=80&${query}`);

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
    ...(await sources(baseline, join(folder, "sources"))),
    ...of(baseline, EFFECTS),
    ...(await encodes(baseline, folder)),
  ];
}

/** The photograph as a PNG, as programs write it that choose a filter for each row, or without filters. */
async function converted(from, to, adaptiveFiltering) {
  if (!existsSync(to)) await sharp(from).png({ adaptiveFiltering }).toFile(to);
  return to;
}

/** The photograph in every other form that originals have, made by sharp where it is not there. */
async function sources(photograph, folder) {
  mkdirSync(folder, { recursive: true });
  const full = () => sharp(photograph);
  const small = () => sharp(photograph).resize({ width: 2000 }).removeAlpha();
  const alpha = async () => faded(small());
  const [one, two] = [JPEG.slice(0, 1), JPEG];
  const stills = [
    ["48mp.jpg", one, () => full().resize({ width: 8000 }).jpeg({ quality: 88 })],
    ["444.jpg", one, () => full().jpeg({ quality: 92, chromaSubsampling: "4:4:4" })],
    ["grey.jpg", one, () => full().greyscale().jpeg({ quality: 90 })],
    ["display-p3.jpg", one, () => full().withIccProfile("p3").jpeg({ quality: 90 })],
    ["cmyk.jpg", one, () => small().toColourspace("cmyk").jpeg({ quality: 90 })],
    ["uncompressed.tif", two, () => small().tiff({ compression: "none" })],
    ["lzw.tif", two, () => small().tiff({ compression: "lzw", predictor: "none" })],
    ["deflate.tif", two, () => small().tiff({ compression: "deflate" })],
    ["lossless.webp", two, () => small().webp({ lossless: true, effort: 2 })],
    ["alpha.webp", two, async () => (await alpha()).webp({ quality: 80 })],
    ["palette.png", two, () => small().png({ palette: true })],
    ["alpha.png", two, async () => (await alpha()).png({ adaptiveFiltering: true })],
    ["16bit.png", two, () => small().toColourspace("rgb16").png({ adaptiveFiltering: true })],
    ["interlaced.png", two, () => small().png({ adaptiveFiltering: true, progressive: true })],
    ["8bit.avif", two, () => full().avif({ quality: 60, effort: 2, chromaSubsampling: "4:2:0" })],
  ];
  const found = [];
  for (const [name, queries, made] of stills) {
    const file = join(folder, name);
    if (!existsSync(file)) await (await made()).toFile(file);
    found.push(...of(file, queries));
  }
  const [gif, webp] = ["40frames.gif", "40frames.webp"].map((name) => join(folder, name));
  if (!existsSync(webp)) {
    // A window that moves over the photograph.
    const photo = await sharp(photograph).resize({ width: 600 }).png().toBuffer();
    const frame = (number) => sharp(photo).extract({ left: number * 3, top: number * 2, width: 480, height: 320 });
    const frames = await Promise.all(Array.from({ length: 40 }, (_, number) => frame(number).png().toBuffer()));
    const animation = () => sharp(frames, { join: { animated: true } });
    const delay = frames.map(() => 50);
    await animation().gif({ delay, loop: 0 }).toFile(gif);
    await animation().webp({ delay, loop: 0, quality: 75, effort: 2 }).toFile(webp);
  }
  const moving = ["w=240&format=gif&animated", "w=240&format=webp&animated&q=80"];
  return [...found, ...of(gif, moving), ...of(webp, moving)];
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
