// Before the cache: who asks, and for what. The decisions are those of `viewer_request.rs`.
const crypto = require('crypto');

// Not `toLowerCase`, which makes an ASCII letter of the Kelvin sign.
const lower = (text) => text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());

const namesOf = Object.keys;

// A decimal number in units of its last place, rounded half up; nothing for anything else, or out of range.
const decimal = (text, places, min, max) => {
  const match = /^(?=\.?\d)(\d*)(\.\d*)?$/.exec(text);
  if (!match) return;
  const digits = `${(match[2] || '.').slice(1)}00000`;
  const units = +(match[1] + digits.slice(0, places)) + (digits[places] > 4);
  if (units >= min && units <= max) return units;
};

// Such a number as the origin prints it; `point` keeps the point of whole ones.
const print = (units, places, point) => {
  if (units === undefined) return;
  const scale = Math.pow(10, places);
  const fraction = `${scale + (units % scale)}`.slice(1).replace(/0+$/, '');
  return Math.floor(units / scale) + (fraction || point ? `.${fraction || 0}` : '');
};

// Numbers with commas between: so many, each in range, or nothing.
const list = (text, counts, places, max) => {
  const numbers = text.split(',', 5).map((part) => decimal(trim(part), places, 0, max));
  if (contains(counts, numbers.length) && !contains(numbers, undefined)) return numbers;
};

const largest = (numbers) => Math.max.apply(0, [0].concat(numbers));

const area = (text, counts) => {
  const places = contains(text, '.') ? 4 : 0;
  const numbers = list(text, counts, places, places ? SHARE : U32);
  if (numbers && !contains(numbers.slice(-2), 0)) return numbers.map((units) => print(units, places, places)).join();
};

// As few numbers as say the same, in the order of CSS.
const printSides = (sides) => {
  const all = sides[2] === undefined ? [0, 1, 0, 1].map((i) => sides[sides[1] === undefined ? 0 : i]) : sides;
  return all[0] !== all[2] || all[1] !== all[3] ? all.join() : `${all[0] === all[1] ? all[0] : all.slice(0, 2)}`;
};
const printRadii = (radii) => `${radii.every((radius) => radius === radii[0]) ? radii[0] : radii}`;

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

// The colours that the query names, as hex digits: the store knows them.
let colors;

// The parameters that the query may name. The store knows those that are rare.
let grammar;

const hexColor = (text, alpha) => {
  let digits = colors[lower(text)] || lower(text).replace(/^#/, '');
  if (!/^([\da-f]{3,4}|[\da-f]{6}|[\da-f]{8})$/.test(digits)) return;
  if (digits.length < 5) digits = digits.replace(/./g, '$&$&');
  digits = digits.replace(/^(.{6})ff$/, '$1');
  if (alpha || !digits[6]) return digits;
};

// How a value is read, by the kind or the name of its parameter: the canonical text, or nothing where it is not allowed.
const number = (text, row) => print(decimal(text, row[2], row[3], row[4]), row[2]);
const angle = (text) => {
  const units = decimal(text.replace(/^-/, ''), 2, 0, 36000);
  if (units >= 0) return print((text[0] === '-' ? 36000 - units : units) % 36000, 2);
};
const bool = (text) => {
  const at = ' true 1 on yes false 0 off no'.split(' ').indexOf(lower(text));
  if (at >= 0) return at < 5 ? 'true' : OFF;
};
const choice = (text, row) => {
  const word = lower(text).replace(/^jpg$/, 'jpeg');
  if (contains(row[2].split(' '), word)) return word;
};
const color = (text, row) => hexColor(text, row[2]);
const gravity = (text, row) => {
  const shares = list(text, [2], 4, SHARE);
  return shares ? shares.map((units) => print(units, 4, 1)).join() : choice(text, row);
};
const crop = (text) => area(text, [2, 4]);
const ar = (text) => {
  const at = cut(text, ':');
  const across = decimal(trim(text.slice(0, at)), 4, 1, U32);
  const down = at < U32 ? decimal(trim(text.slice(at + 1)), 4, 1, U32) : SHARE;
  const common = divisor(across, down);
  if (across <= 100 * down && down <= 100 * across && Math.max(across, down) / common < 429497)
    return `${across / common}:${down / common}`;
};
const redact = (text) => {
  const areas = text.split(';', 65).map((one) => area(trim(one), [4]));
  if (lower(text) === 'faces') return 'faces';
  if (areas.length < 65 && !contains(areas, undefined)) return areas.join(';');
};
const redact_mode = (text, row) => choice(text, row) || hexColor(text);
const length = (text, row) => {
  const places = contains(text, '.') ? 4 : 0;
  const units = decimal(text, places, row[2], places ? SHARE : MAX_SIDE);
  const shown = units && places;
  return print(units, shown, shown);
};
const pad = (text) => {
  const sides = list(text, [1, 2, 4], 0, MAX_SIDE);
  return sides && printSides(sides);
};
const radius = (text) => {
  const radii = list(text, [1, 4], 0, MAX_SIDE);
  return lower(text) === 'max' ? 'max' : radii && printRadii(radii);
};
const q = (text, row) => {
  const target = /^auto\s*:([\s\S]*)$/i.exec(text);
  if (!target) return choice(text, row) || print(decimal(text, 0, 1, 100), 0);
  const units = decimal(trim(target[1]), 0, 30, 95);
  return units === 80 ? 'auto' : units && `auto:${units}`;
};
const short = (text, end) => {
  const count = encodeURIComponent(text).replace(/%[89AB]./g, '').replace(/%../g, '_').length;
  if (count < end && !CONTROL.test(text)) return text;
};
const v = (text) => short(text, 65);
const download = (text) => bool(text) || short(text, 129);
const preset = () => {};

const MAX_SIDE = __MAX_SIDE__;
const OFF = 'false';
const READERS = {
  a: angle,
  b: bool,
  c: choice,
  d: radius,
  f: download,
  g: gravity,
  h: redact,
  k: color,
  l: length,
  m: redact_mode,
  n: number,
  o: overlay,
  p: preset,
  q: q,
  r: ar,
  s: pad,
  v: v,
  x: crop,
};
// `rows` has by name how the value is read, what holds without it, and what the reader needs to know.
const COMMON = __GRAMMAR__;

// Multiplies `dpr` into the pixels: `w=300&dpr=2` and `w=600` are one picture. False where a side becomes too long.
const multiply = (given) => {
  const ratio = Math.round((given.dpr || 1) * 100);
  delete given.dpr;
  return grammar.scaled.every((name) => {
    if (!/^[\d,]+$/.test(given[name])) return true;
    const scaled = given[name].split(',').map((side) => +side && Math.max(1, Math.round((side * ratio) / 100)));
    given[name] = (name === 'radius' ? printRadii : printSides)(scaled);
    return largest(scaled) <= MAX_SIDE;
  });
};

// Folds the ratio into the side that is missing: `w=300&ar=3:2` and `w=300&h=200&fit=cover` are one picture.
const foldRatio = (given) => {
  if (!given.ar) return true;
  if (given.fit !== 'contain') given.fit = 'cover';
  if (!given.w && !given.h) return true;
  if (given.w && given.h) return false;
  const terms = given.ar.split(':');
  const other = given.w ? 'h' : 'w';
  if (given.w) terms.reverse();
  const missing = Math.max(1, Math.round(((given.w || given.h) * terms[0]) / terms[1]));
  given[other] = `${missing}`;
  delete given.ar;
  return missing <= MAX_SIDE;
};

// The known pairs as the origin would write them; as they are where a preset or a value is the origin's to judge.
const canonicalQuery = (raw) => {
  let names = namesOf(raw).sort();
  let given = {};
  const isGood = names.every((name) => {
    const row = grammar.rows[name];
    given[name] = READERS[row[0]](trim(raw[name]), row);
    return given[name] !== undefined;
  });
  if (isGood && multiply(given) && foldRatio(given)) {
    if (!given.redact) delete given.redact_mode;
    if (!given.colors) delete given.dither;
    if (!given.sharpen) delete given.sharpen_limit;
    if (!given.overlay) names.forEach((name) => /^overlay_/.test(name) && delete given[name]);
    if (given.showExif === 'true') delete given.info;
    const isInside = !given.fit || given.fit === 'inside';
    const usual = { enlarge: `${!isInside}`, fit: given.ar ? 'cover' : 'inside' };
    names = namesOf(given).sort().filter((name) => given[name] != (usual[name] || grammar.rows[name][1]));
  } else {
    given = raw;
    if (raw.preset) {
      const listed = raw.preset.split(',', 9).map(trim);
      // Of one that is repeated the last counts. More than eight are the origin's to refuse.
      if (listed.length < 9) given.preset = listed.filter((name, i) => listed.lastIndexOf(name) === i).join();
    }
  }
  return names.map((name) => `${name}=${encode(given[name])}`).join('&');
};

// The first parts between separators, of which those in quoted strings are none (RFC 9110, section 5.6.4).
const splitQuoted = (text, separator) => {
  const parts = [];
  let start = 0;
  let isQuoted = false;
  for (let i = 0; i < text.length && parts.length < __MAX_PARTS__; i++) {
    if (text[i] === '"') isQuoted = !isQuoted;
    if (text[i] === separator && !isQuoted) {
      parts.push(text.slice(start, i));
      start = i + 1;
    }
    if (text[i] === '\\' && isQuoted) i++;
  }
  return parts.concat(text.slice(start)).slice(0, __MAX_PARTS__);
};

// The weight with which a header names a type (RFC 9110, section 12.4.2).
const weigh = (ranges, type) => {
  const weights = ranges.map((range) => {
    if (lower(trim(range[0])) !== type) return 0;
    const quality = range.slice(1).map(trim).filter((part) => /^q\s*(=|$)/i.test(part))[0];
    const match = /^q=(0(\.\d{0,3})?|1(\.0{0,3})?)$/i.exec(quality === undefined ? 'q=1' : quality);
    return match ? +match[1] : 0;
  });
  return largest(weights);
};

// The negotiable types that a header names, in the order of their weights.
const negotiate = (accept) => {
  const named = splitQuoted(accept, ',').filter((range) => /image/i.test(range));
  const ranges = named.map((range) => splitQuoted(range, ';'));
  const types = ['__FIRST__', '__SECOND__'];
  const weights = types.map((type) => weigh(ranges, type));
  if (weights[0] < weights[1]) types.reverse();
  if (weights[0] && weights[1]) return types.join() + (weights[0] === weights[1] ? '' : ';q=0.9');
  return largest(weights) ? types[0] : '*/*';
};

const sign = (secret, text) => crypto.createHmac('sha256', secret).update(text).digest('base64url');

const hash = (text) => crypto.createHash('sha256').update(text).digest('hex');

// Whether a text is one of these. Hashes are compared: in which character they differ tells nothing of the texts.
const isOneOf = (candidates, text) => contains(candidates.map(hash), hash(text));

// A JSON object in base64url, of which no name occurs twice (RFC 7519, section 4). Throws for anything else.
const readObject = (part) => {
  const text = `${bytes(part, 'base64url')}`;
  const object = JSON.parse(text);
  let depth = 0;
  let names = 0;
  text.replace(/"([^"\\]|\\[\s\S])*"\s*(:?)|[{[\]}]/g, (token, last, colon) => {
    if (!token[1]) depth += contains('{[', token) ? 1 : -1;
    else if (colon && depth < 2) names++;
  });
  if (bytes(text).toString('base64url') !== part || trim(text)[0] !== '{' || namesOf(object).length !== names) throw part;
  return object;
};

const texts = (claim) => [].concat(claim).filter((text) => typeof text === 'string');

// Makes of a request the one that goes on, or says why it must not: which of the store's problems is the answer.
async function decide(request) {
  if (!contains(['GET', 'HEAD'], request.method)) return 'method_not_allowed';
  const paths = readPath(request.uri);
  if (!paths.map) return paths;
  if (contains(__OPERATORS__, paths[0])) return 'not_found';
  const rules = await readDocument('rules');
  const raw = {};
  const credentials = {};
  const pairs = readQuery(request);
  grammar = COMMON;
  if (pairs.some((pair) => !(pair[0] in COMMON.rows || pair[0] in COMMON.aliases))) grammar = await readDocument('grammar');
  pairs.forEach((pair) => {
    // What every object has is no alias, and no row.
    const name = grammar.aliases[pair[0]] || pair[0];
    const row = grammar.rows[name];
    // Nor is what a newer program has brought into the store.
    if (row && READERS[row[0]]) raw[name] = pair[1];
    // One that occurs twice counts as none.
    credentials[name] = name in credentials ? null : pair[1];
  });
  namesOf(raw).forEach((name) => {
    raw[name] = decodeForm(raw[name]);
  });
  const credential = (name) => credentials[name] && decodeForm(credentials[name]);
  colors = {};
  if (/[g-z]/i.test(grammar.colored.map((name) => raw[name]).join())) colors = await readDocument('colors');
  const query = canonicalQuery(raw);
  const path = encodePath(paths[0]);

  const headers = request.headers;
  const values = (field) => (field ? (field.multiValue || [field]).map((one) => one.value) : []);
  // The tokens of a request, in the order header, query, cookie. More than four are somebody trying.
  const candidates = (cookie) => {
    const authorization = values(headers.authorization);
    const match = authorization.length < 2 && /^bearer  *([\s\S]*[^ ])/i.exec(authorization[0]);
    const cookies = values(cookie && request.cookies[cookie]).map((value) => /^"*([\s\S]*[^"])?/.exec(value)[1]);
    const all = [match && match[1], credential('token')].concat(cookies);
    return all.filter((token) => token).slice(0, 4);
  };
  const now = Math.floor(Date.now() / 1000);
  let keys;
  // Whoever sees the picture sees what lies over it.
  const shown = [paths];
  const over = readOverlay(raw.overlay);
  if (over) shown.push(over);
  for (let i = 0; i < shown.length; i++) {
    const plain = findRule(rules.rules, shown[i][0], (text) => text);
    const loose = findRule(rules.rules, shown[i][1], foldCase);
    const rule = rules.rules[plain[0]];
    if (plain[0] !== loose[0]) return 'bad_path';
    if (!rule) return 'forbidden';
    if (rule[1] !== 'p') keys = await readDocument('keys');
    // Checks a token as RFC 8725 advises: the key says which algorithm it is for, and these are for HS256.
    const checkJwt = (token) => {
      const parts = token.split('.', 4);
      let header;
      let claims;
      try {
        header = readObject(parts[0]);
        claims = readObject(parts[1]);
      } catch (error) {}
      if (!claims || parts.length > 3 || bytes(token).length > rules.size) return INVALID;
      const isType = /^(undefined|"(at\+)?jwt")$/i.test(JSON.stringify(header.typ));
      const issuer = rules.issuers.filter((one) => one.issuer === claims.iss)[0];
      if (!isType || header.crit !== undefined || header.alg !== 'HS256' || !issuer || (rule[3] && !contains(rule[3], claims.iss))) return INVALID;
      const keySet = keys.jwt[claims.iss] || [];
      // Without a name the key is the only one.
      const known = keySet.filter((one) => (header.kid === undefined ? !keySet[1] : header.kid === one[1]));
      if (!known[0] || !isOneOf([sign(bytes(known[0][0], 'base64url'), `${parts[0]}.${parts[1]}`)], parts[2] || '')) return INVALID;
      const isNumber = (claim) => typeof claim === 'number';
      if (!isNumber(claims.exp)) return INVALID;
      if (now >= claims.exp + rules.leeway) return EXPIRED;
      if (
        (claims.nbf !== undefined && !(isNumber(claims.nbf) && now + rules.leeway >= claims.nbf)) ||
        !texts(claims.aud).some((text) => contains(issuer.audiences, text))
      )
        return INVALID;
      const isOurs = rule[2].every((claim, i) => {
        const values = texts(claims[claim[0]]);
        return plain[1][i] && contains(values, plain[1][i]) && contains(values.map(foldCase), loose[1][i]);
      });
      return isOurs ? ALLOWED : FORBIDDEN;
    };
    // Verdicts, from the least to the most telling: nothing was shown (MISSING), or what was is not good (INVALID), was good once
    // (EXPIRED), is not good for this (FORBIDDEN), or is good (ALLOWED). They are numbers, which the generator puts in.
    const judge = (mode) => {
      if (mode === 'p') return ALLOWED;
      if (mode === 's') {
        const expires = credential('expires');
        const signature = credential('signature');
        const text = `__LABEL__\n${path}\n${query}\n${expires}`;
        if (texts([expires, signature]).length < 2) return MISSING;
        if (!/^\d{1,10}$/.test(expires) || !isOneOf(keys.urls.map((secret) => sign(secret, text)), signature)) return INVALID;
        return now < expires ? ALLOWED : EXPIRED;
      }
      const isToken = (token) => (isOneOf(keys.tokens, hash(token)) ? ALLOWED : INVALID);
      return largest(mode === 't' ? candidates(rules.token).map(isToken) : candidates(rules.session).map(checkJwt));
    };
    const verdict = largest(rule[1].split('').map(judge));
    // The store has an answer for each verdict.
    if (verdict < ALLOWED) return `${/t|j/.test(rule[1]) ? 'token' : 'signature'}.${verdict}`;
  }
  if (path.length + query.length > 8191) return 'uri_too_long';
  request.uri = path;
  request.querystring = query;
  request.cookies = {};
  delete headers.authorization;
  headers.accept = { value: /(^|&)(__NEGOTIATED__)(&|$)/.test(query) ? negotiate(values(headers.accept).join()) : '*/*' };
}

async function handler(event) {
  const request = event.request;
  const refusal = await decide(request);
  if (!refusal) return request;
  const text = await store.get(`problem.${refusal}`);
  const answer = JSON.parse(text);
  if (request.method === 'HEAD') answer.body = '';
  return answer;
}
