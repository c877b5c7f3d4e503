// What both functions need: the store, the two readings of a path, and the rule that a path falls under.
//
// Written in what runtime 2.0 of CloudFront Functions has of JavaScript, and short: all of it together takes 10 kB. That has
// `await` in declarations and assignments of async functions only, no loop over values, no destructuring and no spread.
// How it may be written for the minifier stands in minify.rs.
import cf from 'cloudfront';

const store = cf.kvs();

// A document of the store. Its first value names the further ones, so documents of two pushes are never mixed.
async function readDocument(name) {
  const first = await store.get(name);
  const head = first.split('\n');
  let text = head[2];
  for (let i = 1; i < head[1]; i++) {
    const part = await store.get(head[0] + i);
    text += part;
  }
  return JSON.parse(text);
}

// Lower case, character by character: `toLowerCase` alone looks at a sigma's neighbours.
const foldCase = (text) => text.replace(/\u03a3/g, '\u03c3').toLowerCase();

const bytes = (text, encoding) => Buffer.from(text, encoding);

const contains = (list, item) => list.indexOf(item) >= 0;

// RFC 3986, section 5.2.4. Empty segments stay: to S3 they are part of the key.
const removeDotSegments = (path) => {
  if (!/\/\./.test(path)) return path;
  const kept = [];
  path.split('/').forEach((segment, i, all) => {
    const dots = segment === '.' || segment === '..';
    if (dots && segment[1]) kept.pop();
    if (i && (!dots || i > all.length - 2)) kept.push(dots ? '' : segment);
  });
  return `/${kept.join('/')}`;
};

// Decodes escapes; a `%` that starts none stands for itself. Throws for what is not UTF-8.
const decode = (text) => decodeURIComponent(text.replace(/%+(?![\da-f]{2})/gi, (run) => run.split('%').join('%25')));

// The path decoded once, and as a careless reader might read it; or the code of the problem.
const readPath = (uri) => {
  if (bytes(uri).length > 8192 && uri[0] === '/') return 'uri_too_long';
  try {
    const once = decode(uri);
    let full = once;
    let before;
    for (let rounds = 0; full !== before && rounds < 5; rounds++) {
      before = full;
      // Escapes of whole characters in UTF-8 (RFC 3629, section 4).
      full = full.replace(
        /%[0-7][\da-f]|%(c[2-9a-f]|d[\da-f]|e0%[ab][\da-f]|ed%[89][\da-f]|(e[1-9abcef]|f0%[9ab][\da-f]|f4%8[\da-f]|f[1-3]%[89ab][\da-f])%[89ab][\da-f])%[89ab][\da-f]/gi,
        (escape) => decodeURIComponent(escape),
      );
    }
    if (uri[0] === '/' && full === before && !CONTROL.test(once + full))
      return [once, foldCase(full).replace(/[\\\/]+/g, '/')].map(removeDotSegments);
  } catch (error) {}
  return 'bad_path';
};
const CONTROL = /[\0-\x1f\x7f-\x9f]/;

// The first rule that a reading of the path falls under: its position, and what its claims stand against.
const findRule = (rules, path, fold) => {
  for (let i = 0; i < rules.length; i++) {
    const match = RegExp(fold(rules[i][0])).exec(path);
    if (match) return [i, rules[i][2].map((claim) => match[claim[1]])];
  }
  return [-1];
};

// White space as Unicode has it, off both ends. What is kept ends where the last other character is found from behind.
// An empty text is nothing to the runtime's expressions.
const SPACE = '\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const TRIMMED = RegExp(`^[${SPACE}*([\\s\\S]*[^${SPACE})?`);
const trim = (text) => text && (TRIMMED.exec(text)[1] || '');

// Percent-encodes all but unreserved characters.
const encode = (text) => encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
const encodePath = (path) => encode(path).split('%2F').join('/');

// Replaces escapes by their bytes, and bytes that are not UTF-8 by U+FFFD.
const decodeLossily = (text) => {
  const all = bytes(text);
  let length = 0;
  for (let i = 0; i < all.length; i++) {
    const digits = all[i] === 37 ? String.fromCharCode(all[i + 1], all[i + 2]) : '';
    const isEscape = /^[\da-f]{2}$/i.test(digits);
    all[length] = isEscape ? parseInt(digits, 16) : all[i];
    length++;
    if (isEscape) i += 2;
  }
  return `${all.slice(0, length)}`;
};

// Decodes a name or a value of a query.
const decodeForm = (text) => {
  if (!/[%+]/.test(text)) return text;
  const spaced = text.split('+').join(' ');
  try {
    return decode(spaced);
  } catch (error) {
    return decodeLossily(spaced);
  }
};

const U32 = 4294967295;
// Where a text is cut in two: behind its end, if the separator is not in it.
const cut = (text, separator) => {
  const at = text.indexOf(separator);
  return at < 0 ? U32 : at;
};

// The name of each pair of a query, and its value as it is written. There may be thousands, so the names are decoded at once;
// none that is known has an `&`.
const readQuery = (request) => {
  const pairs = (request.rawQueryString() || '').split('&').map((pair) => {
    const at = cut(pair, '=');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  const names = pairs.map((pair) => pair[0]).join('&').split('%26').join('+');
  return decodeForm(names).split('&').map((name, i) => [name, pairs[i][1]]);
};

// The key of an overlay, or nothing where it is not allowed. Nothing takes the overlay of a preset away.
const overlay = (text) => {
  const key = text.replace(/^\//, '');
  const isKey = bytes(key).length < 1025 && !/\\|%[\da-f]{2}/i.test(key) && !CONTROL.test(key) && !key.split('/').some((name) => /^\.{0,2}$/.test(name));
  if (!text || isKey) return key;
};

// The readings of an overlay's path, if there is an overlay.
const readOverlay = (text) => {
  const key = overlay(trim(text || ''));
  return key && readPath(encodePath(`/${key}`));
};
