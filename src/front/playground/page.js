// Everything that the folder or the server says is set as text, never as HTML.
'use strict';
const $ = (id) => document.getElementById(id);
const element = (name, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
};
const GRAMMAR = JSON.parse($('grammar').textContent);
/** Asked for apart from the picture, or of no use here. */
const ELSEWHERE = ['info', 'showExif'];
const GROUPS = [
  ['Size', ['w', 'h', 'dpr', 'ar', 'fit', 'enlarge', 'linear', 'zoom', 'pad', 'extend', 'radius']],
  ['What is shown', ['gravity', 'crop', 'trim', 'rotate', 'flip', 'page']],
  ['Output', ['format', 'q', 'lossless', 'progressive', 'max_bytes', 'colorspace', 'colors', 'dither', 'metadata', 'hdr', 'download', 'v', 'preset']],
  ['Colours and effects', ['bg', 'brightness', 'contrast', 'saturation', 'gamma', 'grayscale', 'tint', 'invert', 'blur', 'sharpen', 'sharpen_limit', 'pixelate', 'redact', 'redact_mode']],
  ['Overlay', ['overlay', 'overlay_w', 'overlay_h', 'overlay_gravity', 'overlay_x', 'overlay_y', 'overlay_opacity', 'overlay_tile']],
];
/** Where sliders end whose parameters go much further than anybody drags. */
const SLIDER_ENDS = { w: 2000, h: 2000, dpr: 4, blur: 30, brightness: 3, contrast: 3, saturation: 3, gamma: 3, max_bytes: 200000, page: 100 };
/** What browsers send for pictures; `fetch` does not. */
const ACCEPT = 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8';
const FORMATS = ['avif', 'webp', 'jpeg'];

const bytes = (count) => {
  if (count < 1000) return `${count} bytes`;
  return count < 1e6 ? `${(count / 1000).toFixed(1)} kB` : `${(count / 1e6).toFixed(2)} MB`;
};
/** The key as it is typed, and as it stands in a URL: names of files may hold what means something there. */
const typed = () => $('key').value.replace(/^\/*/, '/');
const path = () => typed().split('/').map(encodeURIComponent).join('/');
const decoded = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

// ---- The form

const fields = new Map();
/** The words of a form such as "center, north, or X,Y". */
const words = (form) => /^(?:[a-z]+, )*/.exec(form)[0].split(', ').filter(Boolean);

/** The controls of a parameter: the first one holds its value as text. */
function controls(parameter, id) {
  const { name, type, min, max, values, form } = parameter;
  const common = { id, name };
  if (type === 'bool' || type === 'choice') {
    const choices = type === 'bool' ? ['true', 'false'] : values;
    const select = element('select', common, element('option', { value: '', textContent: 'not set' }));
    select.append(...choices.map((value) => element('option', { value, textContent: value })));
    return [select];
  }
  if (min !== undefined) {
    const step = type === 'integer' ? 1 : 0.01;
    const input = element('input', { ...common, type: 'number', min, max, step, placeholder: '–' });
    const usual = parseFloat(parameter.default);
    const slider = element('input', { type: 'range', min, max: Math.min(max, SLIDER_ENDS[name] ?? max), step });
    slider.setAttribute('aria-label', `${name}, as a slider`);
    slider.value = String(usual || min);
    slider.oninput = () => set(name, slider.value);
    input.addEventListener('sync', () => { slider.value = input.value === '' ? String(usual || min) : input.value; });
    return [input, slider];
  }
  const input = element('input', { ...common, type: 'text', placeholder: type === 'text' ? 'not set' : 'RRGGBB or a name', spellcheck: false });
  if (type === 'color') {
    const picker = element('input', { type: 'color', value: '#808080' });
    picker.setAttribute('aria-label', `${name}, as a colour`);
    picker.oninput = () => set(name, picker.value.slice(1));
    input.addEventListener('sync', () => { if (/^#?[0-9a-f]{6}$/i.test(input.value)) picker.value = `#${input.value.replace('#', '')}`; });
    return [input, picker];
  }
  const known = words(form ?? '');
  if (!known.length) return [input];
  const list = element('datalist', { id: `${id}-words` }, ...known.map((value) => element('option', { value })));
  input.setAttribute('list', list.id);
  return [input, list];
}

function field(parameter) {
  const id = `p-${parameter.name}`;
  const all = controls(parameter, id);
  const hint = element('small', { id: `${id}-hint`, textContent: `${parameter.help} Default: ${parameter.default}.` });
  const problem = element('small', { id: `${id}-problem`, className: 'bad', hidden: true });
  all[0].setAttribute('aria-describedby', `${hint.id} ${problem.id}`);
  all[0].addEventListener('input', () => changed());
  fields.set(parameter.name, { input: all[0], problem });
  return element('div', { className: 'field' },
    element('label', { htmlFor: id, textContent: [parameter.name, ...parameter.aliases].join(', ') }),
    element('div', { className: 'control' }, ...all), hint, problem);
}

function build() {
  const left = new Map(GRAMMAR.parameters.filter(({ name }) => !ELSEWHERE.includes(name)).map((p) => [p.name, p]));
  const groups = GROUPS.map(([title, names]) => {
    const found = names.filter((name) => left.has(name)).map((name) => left.get(name));
    found.forEach(({ name }) => left.delete(name));
    return [title, found];
  });
  groups.push(['More', [...left.values()]]);
  for (const [title, parameters] of groups.filter(([, found]) => found.length)) {
    const summary = element('summary', {}, `${title} `, element('span'));
    $('fields').append(element('details', { open: title === 'Size' }, summary, ...parameters.map(field)));
  }
}

/** What the form says, by name. */
const values = () => new Map([...fields].map(([name, { input }]) => [name, input.value.trim()]).filter(([, value]) => value));

/** Sets one parameter, as its own control would. */
function set(name, value) {
  put(name, value);
  changed();
}
function put(name, value) {
  const input = fields.get(name)?.input;
  if (!input) return;
  input.value = value;
  input.dispatchEvent(new Event('sync'));
}

const query = (more = {}) => {
  const all = new Map([...values(), ...Object.entries(more)]);
  // Commas and colons are readable, and mean nothing in a query.
  return [...all].map(([name, value]) => `${name}=${encodeURIComponent(value).replace(/%2C/g, ',').replace(/%3A/g, ':')}`).join('&');
};
const address = (more) => {
  const search = query(more);
  return path() + (search && `?${search}`);
};

// ---- The result

let timer;
let running = new AbortController();
let facts = {};
let shownKey = '';
/** Height by width of the result. */
let proportion;
/** Resolves when `facts` are those of the picture. */
let known = Promise.resolve();

/** Puts a picture into an element, and forgets the one before. */
function show(image, blob) {
  if (image.src.startsWith('blob:')) URL.revokeObjectURL(image.src);
  if (blob) image.src = URL.createObjectURL(blob);
  else image.removeAttribute('src');
  image.hidden = !blob;
}

/** The answer as a picture with its figures, or the problem that it tells. */
async function fetchPicture(url, signal) {
  const started = performance.now();
  const answer = await fetch(url, { signal, headers: { accept: ACCEPT } });
  const blob = await answer.blob();
  const milliseconds = performance.now() - started;
  const type = answer.headers.get('content-type') ?? '';
  if (answer.ok && type.startsWith('image/')) return { blob, milliseconds, type };
  let problem = { detail: `The server answered ${answer.status}.` };
  if (type.includes('json')) problem = { ...problem, ...JSON.parse(await blob.text()) };
  return { problem };
}

async function update() {
  running.abort();
  const { signal } = (running = new AbortController());
  try {
    await updateUntil(signal);
  } catch (error) {
    if (error.name !== 'AbortError') complain({ detail: `There is no answer: ${error.message}` });
  }
}

async function updateUntil(signal) {
  $('open').href = address();
  proportion = undefined;
  writeSnippets();
  const { blob, milliseconds, type, problem } = await fetchPicture(address(), signal);
  complain(problem);
  show($('result'), blob);
  $('result-facts').textContent = $('outcome').textContent = '';
  if (problem) {
    $('formats').replaceChildren();
    return;
  }
  await $('result').decode().catch(() => {});
  if (signal.aborted) return;
  const { naturalWidth, naturalHeight } = $('result');
  proportion = naturalHeight / naturalWidth;
  writeSnippets();
  $('result-facts').textContent = `${naturalWidth} × ${naturalHeight}, ${type.replace('image/', '')}, ${bytes(blob.size)}`;
  await known;
  if (signal.aborted) return;
  const saving = facts.bytes ? 1 - blob.size / facts.bytes : undefined;
  const compared = saving === undefined ? '' : saving >= 0 ? `, ${(saving * 100).toFixed(1)} % less than the original` : ', more than the original';
  $('outcome').textContent = `${bytes(blob.size)} in ${Math.round(milliseconds)} ms${compared}`;
  await compare(signal);
}

/** The same picture in each format, one after the other. */
async function compare(signal) {
  const items = FORMATS.map((format) => element('li', {}, element('img', { alt: '' }), element('span', { textContent: format.toUpperCase() })));
  const old = [...$('formats').querySelectorAll('img')];
  const made = [];
  for (const [i, format] of FORMATS.entries()) {
    const { blob, milliseconds, problem } = await fetchPicture(address({ format }), signal);
    const [image, text] = items[i].children;
    show(image, blob);
    image.alt = `The result as ${format.toUpperCase()}`;
    made.push(blob?.size);
    text.textContent = blob ? `${format.toUpperCase()}: ${bytes(blob.size)} in ${Math.round(milliseconds)} ms` : `${format.toUpperCase()}: ${problem.detail}`;
  }
  const least = Math.min(...made.filter(Boolean));
  made.forEach((size, i) => {
    if (size && size !== least) items[i].lastChild.textContent += `, ${(size / least).toFixed(2)} × the smallest`;
    if (size === least) items[i].lastChild.className = 'good';
  });
  $('formats').replaceChildren(...items);
  old.forEach((image) => show(image));
}

/** Shows a problem where it is: at its parameter, and above the pictures. */
function complain(problem) {
  for (const [name, { input, problem: note }] of fields) {
    const mine = problem?.parameter?.name === name;
    input.setAttribute('aria-invalid', String(mine));
    note.hidden = !mine;
    note.textContent = mine ? `Takes ${problem.parameter.allowed}.` : '';
    if (mine) input.closest('details').open = true;
  }
  $('error').hidden = !problem;
  $('error').textContent = problem ? sentence(problem) : '';
}

/** A problem as one sentence: its title, and its detail if that tells more. */
function sentence({ title = '', detail = '' }) {
  const isRepeated = title.toLowerCase() === detail.toLowerCase();
  return `${[title, isRepeated ? '' : detail].filter(Boolean).join(': ')}`.replace(/[^.]$/, '$&.');
}

/** Shows another original, and what is known of it. */
async function showOriginal() {
  const key = path();
  if (key === shownKey) return;
  shownKey = key;
  facts = {};
  $('original-facts').textContent = '';
  $('original').alt = `The original, ${decoded(key)}`;
  markCurrent();
  const answer = await fetch(`${key}?info=true`).catch(() => undefined);
  const found = answer?.ok ? await answer.json().catch(() => ({})) : {};
  if (key !== shownKey) return;
  facts = found;
  if (facts.width) $('original-facts').textContent = `${facts.width} × ${facts.height}, ${facts.format}, ${bytes(facts.bytes)}`;
  // Not every browser shows every format, and nobody needs 100 megapixels here.
  const isPlain = ['jpeg', 'png', 'gif', 'webp', 'avif'].includes(facts.format) && facts.bytes < 3e6;
  $('original').src = isPlain || !facts.format ? key : `${key}?w=1600&format=auto`;
}

function markCurrent() {
  for (const link of document.querySelectorAll('#pictures a')) {
    link.setAttribute('aria-current', String(decoded(link.getAttribute('href')) === decoded(shownKey)));
  }
}

/** Something has changed: the address first, the picture a moment later. */
function changed() {
  for (const details of document.querySelectorAll('#fields details')) {
    const count = [...fields.values()].filter(({ input }) => details.contains(input) && input.value.trim()).length;
    details.querySelector('summary span').textContent = count ? `${count} set` : '';
  }
  for (const { input } of fields.values()) input.dispatchEvent(new Event('sync'));
  mark();
  history.replaceState(null, '', `#${address()}`);
  clearTimeout(timer);
  timer = setTimeout(async () => {
    known = showOriginal();
    await update();
    loadList();
    if (panels[selected].load) openTab(selected);
  }, 60);
}

// ---- The original as a control

/** Shows the point and the area that the form says, as far as they are shares. */
function mark() {
  const numbers = (name, count) => {
    const found = (fields.get(name)?.input.value ?? '').split(',').map((text) => Number(text.trim() || NaN));
    return found.length === count && found.every((number) => number >= 0 && number <= 1) ? found.map((n) => `${n * 100}%`) : null;
  };
  const [point, area] = [numbers('gravity', 2), numbers('crop', 4)];
  $('focus').hidden = !point;
  $('selection').hidden = !area;
  if (point) Object.assign($('focus').style, { left: point[0], top: point[1] });
  if (area) Object.assign($('selection').style, { left: area[0], top: area[1], width: area[2], height: area[3] });
}

let from;
const share = (value) => Math.min(1, Math.max(0, value)).toFixed(3);
const place = (event) => {
  const box = $('original').getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
};
const rectangle = (a, b) => {
  const [left, top] = [share(Math.min(a.x, b.x)), share(Math.min(a.y, b.y))];
  return [left, top, share(Math.max(a.x, b.x) - left), share(Math.max(a.y, b.y) - top)];
};
const isDrag = (a, b) => Math.abs(a.x - b.x) > 0.02 && Math.abs(a.y - b.y) > 0.02;
$('stage').onpointerdown = (event) => {
  from = place(event);
  $('stage').setPointerCapture(event.pointerId);
};
$('stage').onpointermove = (event) => {
  const to = place(event);
  if (!from || !isDrag(from, to)) return;
  put('crop', rectangle(from, to).join(','));
  mark();
};
$('stage').onpointerup = (event) => {
  if (!from) return;
  const to = place(event);
  if (isDrag(from, to)) set('crop', rectangle(from, to).join(','));
  else set('gravity', `${share(to.x)},${share(to.y)}`);
  from = undefined;
};
$('stage').onpointercancel = () => { from = undefined; };

// ---- What people take with them

const absolute = (more) => new URL(address(more), location).href;
const attribute = (text) => text.replace(/&/g, '&amp;').replace(/"/g, '&quot;');
const widths = () => {
  const wanted = Number(fields.get('w')?.input.value) || 800;
  return [...new Set([0.5, 1, 1.5, 2].map((ratio) => Math.min(16383, Math.max(1, Math.round(wanted * ratio)))))];
};
/** The address at another width, with the height in proportion. */
const atWidth = (width, more = {}) => {
  const [w, h] = [Number(values().get('w')), Number(values().get('h'))];
  return absolute({ ...more, w: width, ...(w && h && { h: Math.max(1, Math.round((h * width) / w)) }) });
};
const srcset = (more) => widths().map((width) => `${atWidth(width, more)} ${width}w`).join(',\n          ');
const usual = () => widths()[1] ?? widths()[0];
const sizes = () => `(max-width: ${usual()}px) 100vw, ${usual()}px`;
/** Width and height, once they are known: the page keeps the room free until the picture is there. */
const room = () => (proportion ? ` width="${usual()}" height="${Math.max(1, Math.round(usual() * proportion))}" style="max-width: 100%; height: auto"` : '');
const img = (indent = '') =>
  `<img src="${attribute(absolute())}"\n${indent}     srcset="${attribute(srcset())}"\n${indent}     sizes="${sizes()}"${room()} alt="" loading="lazy">`;

const panels = [
  { title: 'URL', text: () => absolute() },
  { title: '<img srcset>', text: () => img() },
  {
    title: '<picture>',
    text: () => `<picture>\n${['avif', 'webp'].map((format) =>
      `  <source type="image/${format}"\n          srcset="${attribute(srcset({ format }))}"\n          sizes="${sizes()}">\n`).join('')}  ${img('  ')}\n</picture>`,
  },
  {
    title: 'next/image',
    text: () => {
      const options = Object.fromEntries([...values()].filter(([name]) => !['w', 'h', 'dpr', 'q'].includes(name)));
      return `// image-loader.js, named by images.loaderFile in next.config.js\nimport { createLoader } from 'image-origin/next';\n\nexport default createLoader({\n  base: '${location.origin}',\n  defaults: ${JSON.stringify({ format: 'auto', ...options })},\n});\n\n// In a page\n<Image src="${typed()}" width={${facts.width ?? 800}} height={${facts.height ?? 600}} sizes="100vw" alt="" />`;
    },
  },
  { title: 'curl', text: () => `curl -o picture '${absolute().replace(/'/g, '%27')}'` },
  { title: 'Facts', load: () => json({ info: 'true' }) },
  { title: 'Metadata', load: () => json({ showExif: 'true' }) },
];
let selected = 0;

async function json(more) {
  const answer = await fetch(`${path()}?${new URLSearchParams(more)}`);
  return JSON.stringify(await answer.json(), null, 2);
}

async function openTab(index) {
  selected = index;
  $('copied').textContent = '';
  [...$('tabs').children].forEach((tab, i) => {
    tab.setAttribute('aria-selected', String(i === index));
    tab.tabIndex = i === index ? 0 : -1;
  });
  $('panel').setAttribute('aria-labelledby', `tab-${index}`);
  const { text, load } = panels[index];
  const shown = text ? text() : await load().catch((error) => `There is no answer: ${error.message}`);
  if (selected === index) $('text').textContent = shown;
}
const writeSnippets = () => { if (panels[selected].text) openTab(selected); };

panels.forEach(({ title }, i) => {
  const tab = element('button', { type: 'button', id: `tab-${i}`, textContent: title, onclick: () => openTab(i) });
  tab.setAttribute('role', 'tab');
  tab.setAttribute('aria-controls', 'panel');
  $('tabs').append(tab);
});
$('tabs').onkeydown = (event) => {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  const next = step ? (selected + step + panels.length) % panels.length : { Home: 0, End: panels.length - 1 }[event.key];
  if (next === undefined) return;
  event.preventDefault();
  openTab(next);
  $('tabs').children[next].focus();
};
$('copy').onclick = async () => {
  try {
    await navigator.clipboard.writeText($('text').textContent);
    $('copied').textContent = 'Copied.';
  } catch {
    $('copied').textContent = 'The browser does not allow it: select the text.';
  }
};

// ---- The list

/** Shows the pictures of the list as they come into view: after the first result, which would have to wait for them. */
function loadList() {
  for (const image of document.querySelectorAll('#pictures img:not([src])')) {
    image.src = `${image.parentElement.getAttribute('href')}?w=160&h=160&fit=cover&format=webp&q=60`;
    // What cannot be read is still to be chosen: the message says what is wrong with it.
    image.onerror = () => { image.style.visibility = 'hidden'; };
  }
}

function buildList() {
  for (const link of document.querySelectorAll('#pictures a')) {
    link.prepend(element('img', { alt: '', loading: 'lazy', decoding: 'async', width: 160, height: 160 }));
  }
  $('pictures').onclick = (event) => {
    const link = event.target.closest('a');
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    choose(link.getAttribute('href'));
    $('bench').scrollIntoView();
    $('key').focus({ preventScroll: true });
  };
  $('filter').oninput = () => {
    const wanted = $('filter').value.trim().toLowerCase();
    let count = 0;
    for (const item of document.querySelectorAll('#pictures li:not(.note)')) {
      item.hidden = !item.textContent.toLowerCase().includes(wanted);
      count += item.hidden ? 0 : 1;
    }
    $('count').textContent = wanted ? `${count} found` : '';
  };
}

function choose(href) {
  $('key').value = decoded(href);
  // These belong to one picture.
  for (const name of ['crop', 'page']) put(name, '');
  if (/^[\d., ]+$/.test(fields.get('gravity')?.input.value ?? '')) put('gravity', '');
  changed();
}

/** Takes the state from the address of the page: what was shared, or kept as a bookmark. */
function restore() {
  const [start, search = ''] = location.hash.slice(1).split('?');
  if (!start.startsWith('/')) return false;
  $('key').value = decoded(start);
  const names = new Map(GRAMMAR.parameters.flatMap(({ name, aliases }) => [name, ...aliases].map((known) => [known, name])));
  for (const name of fields.keys()) put(name, '');
  for (const [known, value] of new URLSearchParams(search)) put(names.get(known), value);
  changed();
  return true;
}

build();
buildList();
openTab(0);
$('bench').hidden = $('search').hidden = false;
$('form').onsubmit = (event) => event.preventDefault();
$('key').onchange = () => choose($('key').value);
$('reset').onclick = () => {
  for (const name of fields.keys()) put(name, '');
  changed();
};
addEventListener('hashchange', restore);
if (!restore()) {
  const links = [...document.querySelectorAll('#pictures a')];
  const first = links.find((link) => /\/photo\.[a-z]+$/.test(link.pathname)) ?? links[0];
  if (first) {
    put('w', '400');
    choose(first.getAttribute('href'));
  }
}
