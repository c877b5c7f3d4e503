// Signed URLs: whoever holds one sees that picture until it expires. The same MAC as `image-origin sign` makes:
// HMAC-SHA256 over a label, the path, the canonical query and the expiry.
import { encode, parseQuery, query } from './canonical.js';

const LABEL = 'image-origin-url-v1';
/** CloudFront's limit for path and query together. */
const MAX_PATH = 8192;
/** A path that is encoded more often than this is refused at the edge. */
const MAX_DECODINGS = 4;
/** Seconds have ten digits until the year 2286. */
const MAX_EXPIRY = 9_999_999_999;

const utf8 = new TextEncoder();

/** Decodes percent-escapes once; a `%` that starts none stands for itself. */
function decode(text, fatal) {
  const bytes = [];
  for (const part of text.split(/(%[0-9A-Fa-f]{2})/)) {
    if (/^%[0-9A-Fa-f]{2}$/.test(part)) bytes.push(parseInt(part.slice(1), 16));
    else bytes.push(...utf8.encode(part));
  }
  return new TextDecoder('utf-8', { fatal, ignoreBOM: true }).decode(new Uint8Array(bytes));
}

/** RFC 3986, section 5.2.4. Empty segments stay: to S3 they are part of the key. */
function removeDotSegments(path) {
  const segments = path.split('/').slice(1);
  const kept = [];
  segments.forEach((segment, i) => {
    if (segment !== '.' && segment !== '..') return kept.push(segment);
    if (segment === '..') kept.pop();
    if (i === segments.length - 1) kept.push('');
  });
  return `/${kept.join('/')}`;
}

/** The path in the form that is signed. */
function canonicalPath(path) {
  if (!path.startsWith('/')) throw new TypeError('cannot sign the URL: the path must start with a slash');
  if (path.length > MAX_PATH) throw new TypeError(`cannot sign the URL: the path is longer than ${MAX_PATH} bytes`);
  let once;
  try {
    once = decode(path, true);
  } catch {
    throw new TypeError('cannot sign the URL: the path is not UTF-8 when it is decoded');
  }
  let text = once;
  for (let times = 0; ; times += 1) {
    if (/\p{Cc}/u.test(text)) throw new TypeError('cannot sign the URL: the path contains a control character');
    const next = decode(text, false);
    if (next === text) break;
    if (times === MAX_DECODINGS) {
      throw new TypeError(`cannot sign the URL: the path is encoded more than ${MAX_DECODINGS} times over`);
    }
    text = next;
  }
  return removeDotSegments(once).split('/').map(encode).join('/');
}

/** Seconds since 1970 from a time or a lifetime. */
function expiry({ expires, expiresIn }) {
  const seconds = expires instanceof Date ? Math.floor(expires.getTime() / 1000) : expires;
  const end = seconds ?? Math.floor(Date.now() / 1000) + (expiresIn ?? 3600);
  if (!Number.isInteger(end) || end < 0 || end > MAX_EXPIRY) {
    throw new RangeError(`cannot sign the URL: ${end} is no whole number of seconds until the year 2286`);
  }
  return end;
}

/** Signs a path with its query, or a whole URL. */
export async function sign(url, { secret, ...time }) {
  const [, origin, path, search = ''] = /^([a-z][a-z0-9+.-]*:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?/i.exec(url);
  const bytes = typeof secret === 'string' ? utf8.encode(secret) : secret;
  if (!(bytes?.byteLength >= 32)) throw new TypeError('cannot sign the URL: the secret takes at least 32 bytes');
  const [signed, pairs, end] = [canonicalPath(path), query(parseQuery(search)), expiry(time)];
  const algorithm = { name: 'HMAC', hash: 'SHA-256' };
  const key = await crypto.subtle.importKey('raw', bytes, algorithm, false, ['sign']);
  const mac = await crypto.subtle.sign('HMAC', key, utf8.encode(`${LABEL}\n${signed}\n${pairs}\n${end}`));
  const base64 = btoa(String.fromCharCode(...new Uint8Array(mac)));
  const signature = base64.replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  return `${origin ?? ''}${signed}?${pairs}${pairs && '&'}expires=${end}&signature=${signature}`;
}
