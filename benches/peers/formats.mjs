// Whether every picture of a folder decodes to what sharp decodes: the same size and transparency, and a mean colour
// difference (CIEDE2000) that nobody sees. Animations are made smaller, too, and compared frame by frame.
//
//   node formats.mjs PROGRAM FOLDER...
//
// PROGRAM is the binary of image-origin. sharp knows nothing of PNG's gAMA, which is applied here to what it gives.

import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";

// Outputs take the names of earlier ones.
sharp.cache(false);

const [LIMIT, LIMIT_OF_INKS, LIMIT_OF_FRAMES] = [1, 2, 2];
const [program, ...folders] = process.argv.slice(2);
const out = mkdtempSync(join(tmpdir(), "formats-"));

/** Red, green, blue and alpha of the first frame, upright, in sRGB. */
async function pixels(input) {
  const image = sharp(input, { limitInputPixels: false }).autoOrient().toColourspace("srgb").ensureAlpha();
  const { data, info } = await image.raw().toBuffer({ resolveWithObject: true });
  return { data, width: info.width, height: info.height };
}

/** The gAMA of a PNG without a better description of its colours, where it is not that of sRGB (PNG 3rd edition, 4.3). */
function gamma(bytes) {
  if (bytes.toString("latin1", 1, 4) !== "PNG") return undefined;
  let found;
  for (let at = 8; at + 12 <= bytes.length; at += bytes.readUInt32BE(at) + 12) {
    const name = bytes.toString("latin1", at + 4, at + 8);
    if (["cICP", "iCCP", "sRGB"].includes(name)) return undefined;
    if (name === "gAMA") found = bytes.readUInt32BE(at + 8) / 100000;
    if (name === "IDAT") break;
  }
  return found && Math.abs(found * 2.2 - 1) > 0.05 ? found : undefined;
}

const encode = (light) => (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);
const decode = (sample) => (sample <= 0.04045 ? sample / 12.92 : ((sample + 0.055) / 1.055) ** 2.4);

function lab(red, green, blue) {
  const [r, g, b] = [red, green, blue].map((sample) => decode(sample / 255));
  const f = (t) => (t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116);
  const x = f((0.4124564 * r + 0.3575761 * g + 0.1804375 * b) / 0.95047);
  const y = f(0.2126729 * r + 0.7151522 * g + 0.072175 * b);
  const z = f((0.0193339 * r + 0.119192 * g + 0.9503041 * b) / 1.08883);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

/** CIEDE2000 (ISO/CIE 11664-6). */
function difference([l1, a1, b1], [l2, a2, b2]) {
  const [rad, deg] = [Math.PI / 180, 180 / Math.PI];
  const c7 = ((Math.hypot(a1, b1) + Math.hypot(a2, b2)) / 2) ** 7;
  const g = (1 - Math.sqrt(c7 / (c7 + 25 ** 7))) / 2;
  const [p1, p2] = [a1 * (1 + g), a2 * (1 + g)];
  const [c1, c2] = [Math.hypot(p1, b1), Math.hypot(p2, b2)];
  const hue = (a, b) => (a === 0 && b === 0 ? 0 : (Math.atan2(b, a) * deg + 360) % 360);
  const [h1, h2] = [hue(p1, b1), hue(p2, b2)];
  let dh = c1 * c2 === 0 ? 0 : h2 - h1;
  if (dh > 180) dh -= 360;
  if (dh < -180) dh += 360;
  const [dl, dc, dH] = [l2 - l1, c2 - c1, 2 * Math.sqrt(c1 * c2) * Math.sin((dh / 2) * rad)];
  const [l, c] = [(l1 + l2) / 2, (c1 + c2) / 2];
  let h = h1 + h2;
  if (c1 * c2 !== 0) h = Math.abs(h1 - h2) <= 180 ? h / 2 : h < 360 ? (h + 360) / 2 : (h - 360) / 2;
  const cos = (degrees) => Math.cos(degrees * rad);
  const t = 1 - 0.17 * cos(h - 30) + 0.24 * cos(2 * h) + 0.32 * cos(3 * h + 6) - 0.2 * cos(4 * h - 63);
  const sl = 1 + (0.015 * (l - 50) ** 2) / Math.sqrt(20 + (l - 50) ** 2);
  const [sc, sh] = [1 + 0.045 * c, 1 + 0.015 * c * t];
  const rotation = -2 * Math.sqrt(c ** 7 / (c ** 7 + 25 ** 7)) * Math.sin(60 * Math.exp(-(((h - 275) / 25) ** 2)) * rad);
  return Math.sqrt((dl / sl) ** 2 + (dc / sc) ** 2 + (dH / sh) ** 2 + rotation * (dc / sc) * (dH / sh));
}

async function compare(file) {
  let theirs;
  try {
    theirs = await pixels(file);
  } catch (error) {
    return { verdict: `sharp: ${error.message.split("\n")[0]}` };
  }
  const metadata = await sharp(file).metadata();
  try {
    execFileSync(program, ["transform", file, "format=png", "--out-dir", out], { stdio: ["ignore", "ignore", "pipe"] });
  } catch (error) {
    return { verdict: `ours: ${error.stderr}`.trim(), failed: true };
  }
  const [name] = readdirSync(out);
  const ours = await pixels(join(out, name));
  rmSync(join(out, name));
  if (ours.width !== theirs.width || ours.height !== theirs.height) {
    return { verdict: `${ours.width}x${ours.height}, sharp has ${theirs.width}x${theirs.height}`, failed: true };
  }
  const exponent = gamma(readFileSync(file));
  const shown = (sample) => (exponent ? 255 * encode((sample / 255) ** (1 / exponent)) : sample);
  let [sum, worst, alpha, count] = [0, 0, 0, 0];
  for (let i = 0; i < ours.data.length; i += 4) {
    alpha = Math.max(alpha, Math.abs(ours.data[i + 3] - theirs.data[i + 3]));
    if (theirs.data[i + 3] === 0) continue;
    const their = lab(...[0, 1, 2].map((channel) => shown(theirs.data[i + channel])));
    const delta = difference(lab(ours.data[i], ours.data[i + 1], ours.data[i + 2]), their);
    [sum, worst, count] = [sum + delta, Math.max(worst, delta), count + 1];
  }
  const mean = sum / Math.max(count, 1);
  const limit = metadata.space === "cmyk" ? LIMIT_OF_INKS : LIMIT;
  const verdict = `dE2000 mean ${mean.toFixed(3)}, at most ${worst.toFixed(2)}; alpha at most ${alpha}`;
  return { verdict, failed: mean > limit || alpha > 1 };
}

/** Delays, plays and all frames one below the other. */
async function frames(input, width) {
  const image = sharp(input, { animated: true }).resize({ width, withoutEnlargement: true });
  const { loop, delay } = await sharp(input, { animated: true }).metadata();
  const { data, info } = await image.toColourspace("srgb").ensureAlpha().raw().toBuffer({ resolveWithObject: true });
  return { data, loop, delay, width: info.width, height: info.height / delay.length };
}

/** The mean difference of each frame, as it looks on grey: small pictures of few colours have half-transparent edges. */
function apart(ours, theirs) {
  const size = theirs.width * theirs.height * 4;
  return theirs.delay.map((_, frame) => {
    let sum = 0;
    for (let i = frame * size; i < (frame + 1) * size; i += 4) {
      const shown = ({ data }) => lab(...[0, 1, 2].map((c) => 128 + ((data[i + c] - 128) * data[i + 3]) / 255));
      sum += difference(shown(ours), shown(theirs));
    }
    return (sum * 4) / size;
  });
}

/** An animation at another width, as WebP without loss or as GIF. */
async function compareFrames(file, width) {
  const theirs = await frames(file, width);
  execFileSync(program, ["transform", file, `w=${width}&lossless`, "--out-dir", out], { stdio: "ignore" });
  const [name] = readdirSync(out);
  const ours = await frames(join(out, name));
  rmSync(join(out, name));
  const facts = ({ width, height, loop, delay }) => JSON.stringify({ width, height, loop, delay });
  if (facts(ours) !== facts(theirs)) {
    return { verdict: `${facts(ours)}, sharp has ${facts(theirs)}`, failed: true };
  }
  const means = apart(ours, theirs);
  const worst = Math.max(...means);
  const mean = means.reduce((sum, one) => sum + one) / means.length;
  const verdict = `${means.length} frames, dE2000 mean ${mean.toFixed(3)}, of one frame at most ${worst.toFixed(3)}`;
  return { verdict, failed: worst > LIMIT_OF_FRAMES };
}

let failures = 0;
function report(name, { verdict, failed }) {
  failures += failed ? 1 : 0;
  console.log(`${failed ? "FAILED" : "ok    "} ${name.padEnd(52)} ${verdict}`);
}

for (const folder of folders) {
  for (const name of readdirSync(folder).sort()) {
    const file = join(folder, name);
    if (!statSync(file).isFile() || /\.(icm|icc|md|txt)$/i.test(name)) continue;
    report(name, await compare(file));
    const { pages, delay } = await sharp(file).metadata().catch(() => ({}));
    if (!(pages > 1 && delay)) continue;
    for (const width of [100, 50]) report(`${name} w=${width}`, await compareFrames(file, width));
  }
}
rmSync(out, { recursive: true });
process.exit(failures > 0 ? 1 : 0);
