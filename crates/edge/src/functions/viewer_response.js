// After the cache: how long browsers may keep an answer, and that what is not public is private. This is what
// `origin_response.rs` and `viewer_response.rs` make of `Cache-Control` together. CloudFront calls it for good answers only.
const TIMES = ['max-age', 's-maxage', 'stale-while-revalidate', 'stale-if-error'];

async function handler(event) {
  const response = event.response;
  const headers = response.headers;
  const rules = await readDocument('rules');
  const ruleOf = (paths) => {
    const plain = findRule(rules.rules, paths[0], (text) => text)[0];
    // A path that cannot be read is a text, of which no rule matches the first characters.
    if (plain === findRule(rules.rules, paths[1], foldCase)[0]) return rules.rules[plain];
  };
  const isOpen = (rule) => rule && rule[1] === 'p' && !rule[5];
  const rule = ruleOf(readPath(event.request.uri));
  let key;
  readQuery(event.request).forEach((pair) => {
    if (pair[0] === 'overlay') key = pair[1];
  });
  const over = readOverlay(decodeForm(key || ''));

  // RFC 9111, section 5.2. A time that cannot be read has passed.
  const said = {};
  const field = headers['cache-control'];
  const values = field ? (field.multiValue || [field]).map((one) => one.value) : [];
  values.join().split(',').forEach((directive) => {
    const parts = directive.split('=');
    const name = parts[0].trim().toLowerCase().replace('proxy-', 'must-');
    const digits = parts.slice(1).join('=').trim().replace(/^"+/, '').replace(/"{1,100}$/, '');
    said[name] = /^\d+$/.test(digits) ? Math.min(digits, U32) : 0;
  });
  const has = (name) => said[name] !== undefined;
  if (rule && rule[4])
    TIMES.forEach((name, i) => {
      // Who asks by a revision never needs to ask again.
      const isFixed = has(i < 2 ? 'immutable' : 'must-revalidate');
      if (typeof rule[4][i] === 'number' && !isFixed) said[name] = rule[4][i];
    });
  // A picture is as private as what lies over it.
  const isPublic = isOpen(rule) && (!over || isOpen(ruleOf(over))) && !has('private');
  const isKept = !has('no-cache');
  const isFirm = has('must-revalidate');
  const word = (name, isSaid) => (isSaid ? name : '');
  const time = (name, counts) => (has(name) && isKept && counts ? `${name}=${said[name]}` : '');
  const directives = [
    isPublic ? 'public' : 'private',
    word('no-cache', !isKept),
    time(TIMES[0], true),
    time(TIMES[1], isPublic),
    word('must-revalidate', isFirm && isKept),
    word('immutable', has('immutable') && isKept && !isFirm),
    time(TIMES[2], !isFirm),
    time(TIMES[3], !isFirm),
    word('no-transform', has('no-transform')),
  ].filter((directive) => directive);
  // A 304 says again what has changed; of what it does not mention the viewer keeps what the answer said.
  const isSilent = response.statusCode === 304 && !isPublic && directives.length < 2 && !has('private') && !has('no-store');
  if (!isSilent) headers['cache-control'] = { value: has('no-store') ? 'no-store' : directives.join(', ') };
  return response;
}
