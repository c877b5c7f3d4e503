// Checks a folder of HTML and its llms.txt as a site of its own: every link, picture, script and style sheet leads to a file of it, and every
// anchor to an element. Other sites are not asked.
//
//   node docs/site/check.mjs FOLDER
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';

/** What leads nowhere, a line each. */
export function brokenLinks(folder) {
  const pages = new Map();
  for (const name of readdirSync(folder, { recursive: true })) {
    if (name.endsWith('.html')) pages.set(name, parse(readFileSync(join(folder, name), 'utf8')));
    if (name === 'llms.txt') pages.set(name, parseMarkdown(readFileSync(join(folder, name), 'utf8')));
  }
  if (pages.size === 0) throw new Error(`${folder} has no pages`);
  const broken = [];
  for (const [name, { references }] of pages) {
    // The page for what is missing stands at any address, and mdBook writes it with absolute links.
    if (name === '404.html') continue;
    for (const reference of references) {
      if (/^([a-z][a-z0-9+.-]*:|\/\/)/i.test(reference)) continue;
      const [path, anchor] = reference.split('#');
      let file = posix.normalize(posix.join(posix.dirname(name), decodeURI(path.split('?')[0])));
      if (path === '') file = name;
      if (existsSync(join(folder, file)) && statSync(join(folder, file)).isDirectory()) file = posix.join(file, 'index.html');
      if (file.startsWith('..') || !existsSync(join(folder, file))) broken.push(`${name}: there is no ${reference}`);
      else if (anchor && pages.has(file) && !pages.get(file).ids.has(decodeURIComponent(anchor))) {
        broken.push(`${name}: ${file} has no element ${anchor}`);
      }
    }
  }
  return broken;
}

function parse(html) {
  // What scripts hold is no part of the page.
  const text = html.replace(/<script\b[^>]*>[^]*?<\/script>/g, (script) => script.slice(0, script.indexOf('>') + 1)).replace(/<!--[^]*?-->/g, '');
  const tags = text.match(/<[a-z][^>]*>/gi) ?? [];
  const values = (pattern) => tags.flatMap((tag) => [...tag.matchAll(pattern)]).map(([, value]) => value.replace(/&amp;/g, '&'));
  return { references: values(/\s(?:href|src)="([^"]*)"/g), ids: new Set(values(/\s(?:id|name)="([^"]+)"/g)) };
}

const parseMarkdown = (text) => ({ references: [...text.matchAll(/\]\(([^)]+)\)/g)].map(([, link]) => link), ids: new Set() });

if (process.argv[1] === import.meta.filename) {
  const broken = brokenLinks(process.argv[2]);
  for (const line of broken) console.error(line);
  if (broken.length > 0) process.exit(1);
  console.log('every link leads somewhere');
}
