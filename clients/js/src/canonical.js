// From options to the one text that the server and its caches use for them: names sorted, aliases folded, defaults left
// out, `dpr` multiplied in, numbers as the server prints them. What a parameter takes comes from the generated table;
// only the forms of texts, and what one parameter means for another, are written here.
import { COLORS } from './colors.js';
import { PARAMETERS } from './grammar.js';

const U32 = 0xffffffff;
const MAX_SIDE = PARAMETERS.w.max;

/** A parameter that is unknown, or has a value that is not allowed. The server answers such a URL with 400. */
export class BadParameter extends RangeError {
  name = 'BadParameter';

  constructor(parameter, value, allowed) {
    super(`invalid value ${value} for \`${parameter}\`: expected ${allowed}`);
    this.parameter = parameter;
    this.value = value;
    this.allowed = allowed;
  }
}

const NAMES = new Map();
for (const [name, { aliases }] of Object.entries(PARAMETERS)) {
  for (const known of [name, ...aliases]) NAMES.set(known, name);
}

// Not `toLowerCase`, which makes an ASCII letter of the Kelvin sign.
const lower = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
const trim = (text) => text.replace(/^\p{White_Space}+|\p{White_Space}+$/gu, '');

/** A decimal number in units of its last place, rounded half up; undefined for anything else, and beyond 32 bits. */
function decimal(text, places) {
  const match = /^(\d*)(?:\.(\d*))?$/.exec(text);
  if (!match || !(match[1] || match[2])) return undefined;
  const [, whole, fraction = ''] = match;
  const digits = fraction.padEnd(places + 1, '0');
  const units = Number(whole + digits.slice(0, places)) + (digits[places] >= '5' ? 1 : 0);
  return units <= U32 ? units : undefined;
}

/** Such a number as the server prints it; `point` keeps the point of whole ones. */
function print(units, places, point = false) {
  const whole = Math.floor(units / 10 ** places);
  const fraction = String(units % 10 ** places).padStart(places, '0').replace(/0+$/, '');
  return fraction || point ? `${whole}.${fraction || '0'}` : String(whole);
}

/** Commas between parts, each read by the same function. */
function list(text, counts, read) {
  const parts = text.split(',').map((part) => read(trim(part)));
  return counts.includes(parts.length) && !parts.includes(undefined) ? parts : undefined;
}

const share = (text) => {
  const units = decimal(text, 4);
  return units <= 10_000 ? units : undefined;
};
const pixels = (text) => (/^\d+$/.test(text) && Number(text) <= U32 ? Number(text) : undefined);
const printShares = (shares) => shares?.map((units) => print(units, 4, true)).join(',');

function color(text, alpha) {
  const name = lower(text);
  let digits = name === 'transparent' ? '00000000' : (COLORS.get(name) ?? name.replace(/^#/, ''));
  if (!/^[0-9a-f]+$/.test(digits)) return undefined;
  if (digits.length < 5) digits = digits.replace(/./g, '$&$&');
  if (digits.length !== 6 && digits.length !== 8) return undefined;
  if (digits.length === 8 && digits.endsWith('ff')) digits = digits.slice(0, 6);
  return alpha || digits.length === 6 ? digits : undefined;
}

/** The words with which the form of a text begins, such as "center, north, or X,Y". */
const words = (form) => /^(?:[a-z]+, )*/.exec(form)[0].split(', ').filter(Boolean);

/** Terms of a ratio that the server can read back. */
const LARGEST_TERM = Math.floor(U32 / 10_000);
const commonDivisor = (a, b) => (b ? commonDivisor(b, a % b) : a);

/** A whole number of pixels, decimals rounded. */
const side = (text) => {
  const units = decimal(text, 0);
  return units <= MAX_SIDE ? units : undefined;
};
/** One, two or four numbers in the order of CSS, as few as say the same. */
function printPadding(sides) {
  if (!sides) return undefined;
  const [top, right = top, bottom = top, left = right] = sides;
  if (top !== bottom || left !== right) return [top, right, bottom, left].join(',');
  return top === left ? String(top) : `${top},${right}`;
}
const printRadius = (radii) => (radii?.every((radius) => radius === radii[0]) ? String(radii[0]) : radii?.join(','));

/** A whole number of pixels, or a share with a decimal point; `least` is the smallest that counts. */
function length(text, least) {
  const isShare = text.includes('.');
  const units = isShare ? share(text) : side(text);
  if (units === undefined || units < least) return undefined;
  return isShare && units > 0 ? print(units, 4, true) : String(units);
}

/** A text of at most so many characters, none of which is a control character. */
const shortText = (text, most) => ([...text].length <= most && !/\p{Cc}/u.test(text) ? text : undefined);

/** The longest key, in bytes. */
const MAX_KEY = 1024;

/** How texts are read, by name. One that is not listed keeps its text. */
const FORMS = {
  gravity(text, row) {
    const word = lower(text);
    return words(row.form).includes(word) ? word : printShares(list(text, [2], share));
  },
  crop(text) {
    const isShares = text.includes('.');
    const area = list(text, [2, 4], isShares ? share : pixels);
    if (!area || area.slice(-2).includes(0)) return undefined;
    return isShares ? printShares(area) : area.join(',');
  },
  ar(text) {
    const at = text.indexOf(':');
    const [across, down] = (at < 0 ? [text, '1'] : [text.slice(0, at), text.slice(at + 1)]).map((term) => decimal(trim(term), 4));
    if (!across || !down || across > 100 * down || down > 100 * across) return undefined;
    const divisor = commonDivisor(across, down);
    const terms = [across / divisor, down / divisor];
    return Math.max(...terms) <= LARGEST_TERM ? terms.join(':') : undefined;
  },
  redact(text) {
    if (lower(text) === 'faces') return 'faces';
    const areas = text.split(';').map((area) => FORMS.crop(trim(area)));
    return areas.length <= 64 && areas.every((area) => area?.split(',').length === 4) ? areas.join(';') : undefined;
  },
  redact_mode: (text) => (['pixelate', 'blur'].includes(lower(text)) ? lower(text) : color(text, false)),
  // Nothing takes the overlay of a preset away.
  overlay(text) {
    const key = text.replace(/^\//, '');
    const isPlain = key.split('/').every((name) => !['', '.', '..'].includes(name)) && !/\p{Cc}|\\|%[0-9a-f]{2}/iu.test(key);
    return text === '' || (isPlain && new TextEncoder().encode(key).length <= MAX_KEY) ? key : undefined;
  },
  overlay_w: (text) => length(text, 1),
  overlay_h: (text) => length(text, 1),
  overlay_x: (text) => length(text, 0),
  overlay_y: (text) => length(text, 0),
  overlay_gravity: (text, row) => FORMS.gravity(text, row),
  pad: (text) => printPadding(list(text, [1, 2, 4], side)),
  download: (text) => READ.bool(text) ?? shortText(text, 128),
  v: (text) => shortText(text, 64),
  q(text, row) {
    const [, target] = /^auto\s*:([^]*)$/i.exec(text) ?? [];
    if (target === undefined) return words(row.form).includes(lower(text)) ? lower(text) : READ.integer(text, { min: 1, max: 100 });
    const units = READ.integer(trim(target), { min: 30, max: 95 });
    return units === '80' ? 'auto' : units && `auto:${units}`;
  },
  radius: (text) => (lower(text) === 'max' ? 'max' : printRadius(list(text, [1, 4], side))),
};

/** Words that stand for another word. */
const SYNONYMS = { format: { jpg: 'jpeg' } };

/** How a value is read, by the type of its parameter: the canonical text, or undefined where it is not allowed. */
const READ = {
  integer(text, { min, max }) {
    const units = decimal(text, 0);
    return units >= min && units <= max ? String(units) : undefined;
  },
  number(text, { min, max }) {
    const units = decimal(text, 2);
    return units >= Math.round(min * 100) && units <= Math.round(max * 100) ? print(units, 2) : undefined;
  },
  angle(text, { min, max }) {
    const units = decimal(text.replace(/^-/, ''), 2);
    if (!(units <= 100 * (text.startsWith('-') ? -min : max))) return undefined;
    return print((text.startsWith('-') ? 36_000 - units : units) % 36_000, 2);
  },
  bool(text) {
    const word = lower(text);
    if (['', 'true', '1', 'on', 'yes'].includes(word)) return 'true';
    return ['false', '0', 'off', 'no'].includes(word) ? 'false' : undefined;
  },
  choice(text, { values }, name) {
    const word = lower(text);
    const value = SYNONYMS[name]?.[word] ?? word;
    return values.includes(value) ? value : undefined;
  },
  color: (text, { alpha }) => color(text, alpha),
  text: (text, row, name) => (FORMS[name] ? FORMS[name](text, row) : text),
};

/** What a parameter takes, in words. */
function allowed({ type, min, max, values, form }) {
  if (type === 'integer') return `a whole number from ${min} to ${max}`;
  if (type === 'number') return `a number from ${min} to ${max}`;
  if (type === 'bool') return 'true or false';
  if (type === 'choice') return `one of ${values.join(', ')}`;
  if (type === 'color') return 'RRGGBB in hex, or a CSS colour name';
  return form ?? `${type} from ${min} to ${max}`;
}

/** A value of JavaScript as it would stand in a URL. */
function written(value) {
  if (Array.isArray(value)) return value.map(written).join(',');
  const text = String(value);
  // Small numbers without their exponent.
  return typeof value === 'number' && text.includes('e-') ? value.toFixed(20) : text;
}

/** Options by canonical name, each value in its canonical text; of two names for the same the last counts. */
export function read(options) {
  const given = {};
  for (const [known, value] of Object.entries(options)) {
    if (value === undefined || value === null) continue;
    const name = NAMES.get(known);
    if (!name) throw new TypeError(`${known} is no parameter of a picture`);
    given[name] = value;
  }
  for (const [name, value] of Object.entries(given)) {
    const row = PARAMETERS[name];
    const text = written(value);
    given[name] = (READ[row.type] ?? READ.text)(trim(text), row, name);
    if (given[name] === undefined) throw new BadParameter(name, text, allowed(row));
  }
  return given;
}

/** The parameters in CSS pixels, which `dpr` multiplies, and how each prints its numbers. */
const one = ([pixels]) => String(pixels);
const IN_PIXELS = { w: one, h: one, pad: printPadding, radius: printRadius, overlay_w: one, overlay_h: one, overlay_x: one, overlay_y: one };

/** Multiplies `dpr` into the pixels: `w=300&dpr=2` and `w=600` are one picture. */
function multiply(given) {
  const ratio = decimal(given.dpr ?? '1', 2);
  delete given.dpr;
  for (const [name, printed] of Object.entries(IN_PIXELS)) {
    if (given[name] === undefined || given[name] === 'max' || given[name].includes('.')) continue;
    // What is above 0 stays so.
    const scaled = given[name].split(',').map((pixels) => (pixels === '0' ? 0 : Math.max(1, Math.floor((pixels * ratio + 50) / 100))));
    if (Math.max(...scaled) > MAX_SIDE) {
      throw new BadParameter('dpr', print(ratio, 2), `at most what keeps ${name} times dpr within ${MAX_SIDE}`);
    }
    given[name] = printed(scaled);
  }
}

/** Folds the ratio into the side that is missing: `w=300&ar=3:2` and `w=300&h=200&fit=cover` are one picture. */
function fold(given) {
  if (given.ar === undefined) return;
  const { w, h, ar } = given;
  given.fit = given.fit === 'contain' ? 'contain' : 'cover';
  if (w && h) throw new BadParameter('ar', ar, 'effect with at most one of w and h');
  if (!w && !h) return;
  const [across, down] = ar.split(':').map(Number);
  const [missing, pixels] = w ? ['h', (w * down) / across] : ['w', (h * across) / down];
  const rounded = Math.max(1, Math.round(pixels));
  if (rounded > MAX_SIDE) throw new BadParameter('ar', ar, `at most what keeps ${missing} within ${MAX_SIDE}`);
  given[missing] = String(rounded);
  delete given.ar;
}

/** What holds where a parameter is absent, if that depends on others. */
const DEFAULTS = {
  enlarge: ({ fit = 'inside' }) => String(fit !== 'inside'),
  fit: ({ ar }) => (ar === undefined ? 'inside' : 'cover'),
  // Any text is a value, `none` as well.
  v: () => '',
  // Kept: the default is not the same in each format.
  q: () => '',
  overlay: () => '',
};

/** Whether a value may be left out, since it is what holds without it. */
function isDefault(name, value, given) {
  const { type, default: usual } = PARAMETERS[name];
  return type !== 'integer' && value === (DEFAULTS[name]?.(given) ?? usual);
}

/** The canonical pairs of options, sorted by name. */
export function canonicalPairs(options) {
  const given = read(options);
  // What a preset says is known to the server alone, so nothing is a default.
  const isOpen = given.preset !== undefined;
  // Of a preset that is repeated the last one counts.
  if (isOpen) {
    const names = given.preset.split(',').map((name) => name.trim());
    given.preset = names.filter((name, index) => names.lastIndexOf(name) === index).join(',');
  }
  if (!isOpen) {
    multiply(given);
    fold(given);
    if (given.redact === undefined) delete given.redact_mode;
    if (given.colors === undefined) delete given.dither;
    if (given.sharpen === undefined) delete given.sharpen_limit;
    if (!given.overlay) for (const name of Object.keys(given)) if (name.startsWith('overlay_')) delete given[name];
    if (given.showExif === 'true') delete given.info;
  }
  const names = Object.keys(given).sort().filter((name) => isOpen || !isDefault(name, given[name], given));
  return names.map((name) => [name, given[name]]);
}

/** Encodes as RFC 3986 and every signer do: all but unreserved characters. */
export const encode = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

/** The canonical query of options, without its `?`; empty for the original. */
export const query = (options) =>
  canonicalPairs(options)
    .map(([name, value]) => `${name}=${encode(value)}`)
    .join('&');

/** The options that a query gives. Unknown names are left out, as the server ignores them. */
export function parseQuery(text) {
  const options = {};
  for (const [known, value] of new URLSearchParams(text)) {
    const name = NAMES.get(known);
    if (name) options[name] = value;
  }
  return options;
}
