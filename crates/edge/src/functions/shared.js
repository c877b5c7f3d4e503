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
  const kept = [];
  path.split('/').forEach((segment, i, all) => {
    const dots = contains(['.', '..'], segment);
    if (dots && segment[1]) kept.pop();
    if (i && (!dots || i > all.length - 2)) kept.push(dots ? '' : segment);
  });
  return `/${kept.join('/')}`;
};

// Decodes escapes; a `%` that starts none stands for itself. Throws for what is not UTF-8.
const decode = (text) => decodeURIComponent(text.replace(/%(?![\da-f]{2})/gi, '%25'));

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
