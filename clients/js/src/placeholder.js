// What a page shows until a picture is there: its colour, its size, and a blurred likeness of a few hundred bytes, made
// from the answer to `info=true` without another request.

/** Coefficients of one channel of a ThumbHash: a triangle of cosines, without the constant one, four bits each. */
function channel(nibbles, columns, rows, scale) {
  const terms = [];
  for (let y = 0; y < rows; y += 1) {
    for (let x = y ? 0 : 1; x * rows < columns * (rows - y); x += 1) {
      terms.push({ x, y, factor: (nibbles() / 7.5 - 1) * scale });
    }
  }
  return terms;
}

/** The cosines of one axis: by frequency, then by position. */
const cosines = (count, size) =>
  Array.from({ length: count }, (_, frequency) =>
    Array.from({ length: size }, (_, at) => Math.cos((Math.PI / size) * (at + 0.5) * frequency)),
  );

/**
 * Paints a ThumbHash (https://evanw.github.io/thumbhash/) as RGBA, with this many pixels on its longer side.
 */
export function thumbHashToRGBA(hash, size = 32) {
  if (hash.length < 5) throw new RangeError('a ThumbHash has at least five bytes');
  const [head, tail] = [hash[0] | (hash[1] << 8) | (hash[2] << 16), hash[3] | (hash[4] << 8)];
  const hasAlpha = (head >> 23) === 1;
  const isLandscape = (tail >> 15) === 1;
  const short = Math.max(3, tail & 7);
  const long = hasAlpha ? 5 : 7;
  const [columns, rows] = isLandscape ? [long, short] : [short, long];
  const ratio = (isLandscape ? long : tail & 7) / (isLandscape ? tail & 7 : long);
  let at = hasAlpha ? 12 : 10;
  const nibbles = () => {
    const byte = hash[at >> 1] ?? 0;
    at += 1;
    return at % 2 ? byte & 15 : byte >> 4;
  };
  // Chroma is stored with a quarter more range than it has.
  const luma = channel(nibbles, columns, rows, ((head >> 18) & 31) / 31);
  const yellow = channel(nibbles, 3, 3, (((tail >> 3) & 63) / 63) * 1.25);
  const red = channel(nibbles, 3, 3, (((tail >> 9) & 63) / 63) * 1.25);
  const alpha = hasAlpha ? channel(nibbles, 5, 5, (hash[5] >> 4) / 15) : [];

  const width = Math.max(1, Math.round(ratio > 1 ? size : size * ratio));
  const height = Math.max(1, Math.round(ratio > 1 ? size / ratio : size));
  const [across, down] = [cosines(Math.max(columns, 5), width), cosines(Math.max(rows, 5), height)];
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const sum = (constant, terms) =>
        terms.reduce((value, term) => value + 2 * term.factor * across[term.x][x] * down[term.y][y], constant);
      const l = sum((head & 63) / 63, luma);
      const p = sum(((head >> 6) & 63) / 31.5 - 1, yellow);
      const q = sum(((head >> 12) & 63) / 31.5 - 1, red);
      const a = hasAlpha ? sum((hash[5] & 15) / 15, alpha) : 1;
      const blue = l - (2 / 3) * p;
      const r = (3 * l - blue + q) / 2;
      const offset = (y * width + x) * 4;
      [r, r - q, blue, a].forEach((value, i) => { pixels[offset + i] = value * 255; });
    }
  }
  return { width, height, pixels };
}

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? 0xedb88320 ^ (crc >>> 1) : crc >>> 1;
  return crc;
});
const crc32 = (bytes) => ~bytes.reduce((crc, byte) => CRC[(crc ^ byte) & 255] ^ (crc >>> 8), -1) >>> 0;
const u32 = (value) => [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
const u16 = (value) => [value & 255, value >>> 8];

/** A chunk of PNG (PNG specification, 5.3). */
function chunk(name, data) {
  const body = [...name].map((letter) => letter.charCodeAt(0)).concat(data);
  return [...u32(data.length), ...body, ...u32(crc32(body))];
}

/** RGBA as a PNG whose samples are stored, not compressed: at this size the tables would be larger than the gain. */
function png({ width, height, pixels }) {
  const opaque = pixels.every((value, i) => i % 4 !== 3 || value === 255);
  const rows = [];
  pixels.forEach((value, i) => {
    if (i % (width * 4) === 0) rows.push(0);
    if (!opaque || i % 4 !== 3) rows.push(value);
  });
  let [a, b] = [1, 0];
  for (const byte of rows) [a, b] = [(a + byte) % 65521, (b + a + byte) % 65521];
  // RFC 1950 around one stored block of RFC 1951, whose length has 16 bits.
  const zlib = [0x78, 1, 1, ...u16(rows.length), ...u16(~rows.length & 0xffff), ...rows, ...u16(b).reverse(), ...u16(a).reverse()];
  const header = [...u32(width), ...u32(height), 8, opaque ? 2 : 6, 0, 0, 0];
  return [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10, ...chunk('IHDR', header), ...chunk('IDAT', zlib), ...chunk('IEND', [])];
}

/**
 * What to show until the picture is there, from the document that `info=true` answers with. `size` is the longer side of
 * the likeness in pixels, at most 96.
 */
export function placeholder({ thumbhash, dominant_color: color, width, height }, { size = 16 } = {}) {
  const hash = Uint8Array.from(atob(thumbhash), (letter) => letter.charCodeAt(0));
  const bytes = png(thumbHashToRGBA(hash, Math.min(96, size)));
  const src = `data:image/png;base64,${btoa(String.fromCharCode(...bytes))}`;
  const style = `background: ${color} url("${src}") center / cover no-repeat; aspect-ratio: ${width} / ${height}`;
  return { src, color, width, height, style };
}
