// Lays out what mdBook reads in target/site: the pages that SUMMARY.md names, the pictures that they show, and a page for
// each parameter with pictures that the program makes.
//
//   node docs/site/prepare.mjs PROGRAM
//
// Pages keep their places below docs/, others their places in the repository, so relative links between them stay as they
// are on GitHub. A link to a file that is no page leads to the repository, if Cargo.toml names one, and is plain text else.
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, posix, resolve } from 'node:path';

const site = import.meta.dirname;
const root = resolve(site, '../..');
const target = join(root, 'target/site');
const program = resolve(process.argv[2] ?? join(root, 'target/debug/image-origin'));

const manifest = readFileSync(join(root, 'Cargo.toml'), 'utf8');
const repository = manifest.match(/^repository = "(.*)"$/m)?.[1];
const homepage = manifest.match(/^homepage = "(.*)"$/m)?.[1]?.replace(/\/?$/, '/') ?? '';

/** Where a file of the repository is in the book. */
const place = (path) => path.replace(/^docs\//, '').replace(/README\.md$/, 'index.md');
const write = (path, text) => {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
};

/** The parameters with their pages, in the order of the grammar. */
function parameters() {
  const examples = JSON.parse(readFileSync(join(site, 'parameters.json'), 'utf8'));
  const run = (args) => execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
  const { parameters: all } = JSON.parse(run(['grammar', '--json']));
  const values = new Map(
    readFileSync(join(root, 'docs/grammar.md'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('| `'))
      .map((line) => line.split(' | '))
      .map(([names, allowed]) => [names.match(/`(.+?)`/)[1], allowed]),
  );
  const pictures = join(target, 'src/parameters');
  mkdirSync(pictures, { recursive: true });
  return all.map(({ name, aliases, help, default: otherwise }) => {
    const { file = 'photo.jpg', try: queries = [], report, note, presets } = examples[name] ?? {};
    if (queries.length === 0 && !report) throw new Error(`docs/site/parameters.json has no example of ${name}`);
    const original = join(root, 'fixtures', file);
    const config = join(target, 'presets.toml');
    const presetLines = Object.entries(presets ?? {}).map(([key, query]) => `${key} = ${JSON.stringify(query)}\n`);
    write(config, `[presets]\n${presetLines.join('')}`);
    const figures = queries.map((query, index) => {
      const { output, format, width, height, bytes } = JSON.parse(
        run(['transform', original, query, '--json', '--force', '--config', config, '-o', join(pictures, `${name}-${index}`)]),
      );
      const picture = `${name}-${index}.${format === 'jpeg' ? 'jpg' : format}`;
      copyFileSync(output, join(pictures, picture));
      rmSync(output);
      const alt = `${file} by ${query}`;
      return `<figure><img src="${picture}" width="${width}" height="${height}" loading="lazy" alt="${escaped(alt)}">
<figcaption><code>?${escaped(query)}</code><br>${width} × ${height}, ${size(bytes)}</figcaption></figure>`;
    });
    const facts = report ? `\`\`\`json\n${run([report, original]).trim()}\n\`\`\`\n` : '';
    const names = [name, ...aliases].map((one) => `\`${one}\``).join(', ');
    const page = `# ${names}

${help}

| values | default |
| --- | --- |
| ${values.get(name)} | ${otherwise} |

${figures.length > 0 ? `<div class="tries">\n${figures.join('\n')}\n</div>\n` : ''}
${facts}${note ? `\n${note}\n` : ''}
The original is \`${file}\`. [The grammar](../grammar.md) has all parameters and the order in which they are applied.
`;
    write(join(pictures, `${name}.md`), page);
    return { name, names, help };
  });
}

const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
const size = (bytes) => (bytes < 1000 ? `${bytes} bytes` : `${(bytes / 1000).toFixed(1)} kB`);

/** The text of a page with links that hold in the book. */
function relinked(text, path, pages, assets) {
  const link = (reference) => {
    if (/^([a-z]+:|#|\/)/i.test(reference) || reference === '') return reference;
    const [target, anchor] = reference.split('#');
    const file = posix.normalize(posix.join(posix.dirname(path), decodeURI(target))).replace(/\/$/, '');
    if (pages.has(file)) return posix.relative(posix.dirname(place(path)), place(file)) + (anchor ? `#${anchor}` : '');
    if (!existsSync(join(root, file))) throw new Error(`${path} links to ${reference}, which does not exist`);
    const isFile = statSync(join(root, file)).isFile();
    if (isFile && /\.(png|jpe?g|webp|avif|gif|svg|json)$/.test(file)) {
      assets.add(file);
      return posix.relative(posix.dirname(place(path)), place(file));
    }
    return repository && `${repository}/${isFile ? 'blob' : 'tree'}/main/${file}`;
  };
  // Code is left as it is.
  return text
    .split(/(^ *```[^]*?^ *```$|``.*?``|`[^`\n]*`(?!\]))/m)
    .map((part, index) => {
      if (index % 2 === 1) return part;
      return part
        .replace(/(!?)\[((?:[^[\]]|\n)*)\]\(([^()\s]+(?:\([^()]*\))?)\)/g, (whole, picture, words, reference) => {
          const to = link(reference);
          return to ? `${picture}[${words}](${to})` : words;
        })
        .replace(/(src|href)="([^"]+)"/g, (whole, attribute, reference) => {
          const to = link(reference);
          return to ? `${attribute}="${to}"` : whole;
        });
    })
    .join('');
}

rmSync(target, { recursive: true, force: true });
const errors = readdirSync(join(root, 'docs/errors')).sort();
const made = parameters();
const summary = readFileSync(join(site, 'SUMMARY.md'), 'utf8')
  .replace('<!-- parameters -->', made.map(({ name }) => `  - [${name}](../parameters/${name}.md)`).join('\n'))
  .replace('<!-- errors -->', errors.map((file) => `  - [${basename(file, '.md')}](../errors/${file})`).join('\n'));
const list = made.map(({ name, names, help }) => `- [${names}](${name}.md): ${help}`);
write(join(target, 'src/parameters/index.md'), `# Every parameter\n\n${list.join('\n')}\n`);

const entries = [...summary.matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)].map(([, title, link]) => ({
  title,
  path: posix.join('docs/site', link),
}));
const pages = new Set(entries.map(({ path }) => path));
const unlisted = readdirSync(join(root, 'docs'), { recursive: true }).filter(
  (name) => name.endsWith('.md') && !name.startsWith('site/') && !pages.has(`docs/${name}`),
);
if (unlisted.length > 0) throw new Error(`docs/site/SUMMARY.md lacks ${unlisted.join(', ')}`);

const assets = new Set();
for (const { path } of entries.filter(({ path }) => !path.startsWith('docs/parameters/'))) {
  write(join(target, 'src', place(path)), relinked(readFileSync(join(root, path), 'utf8'), path, pages, assets));
}
write(join(target, 'src/SUMMARY.md'), summary.replace(/\]\(([^)]+)\)/g, (_, link) => `](${place(posix.join('docs/site', link))})`));
for (const file of assets) {
  mkdirSync(dirname(join(target, 'src', place(file))), { recursive: true });
  copyFileSync(join(root, file), join(target, 'src', place(file)));
}
for (const file of ['book.toml', 'site.css']) copyFileSync(join(site, file), join(target, file));

// For programs that read: https://llmstxt.org. The pages are there as Markdown, too.
const lines = entries.map(({ title, path }) => {
  const text = readFileSync(join(target, 'src', place(path)), 'utf8');
  write(join(target, 'llms/markdown', place(path)), text);
  return `- [${title}](${homepage}markdown/${place(path)})`;
});
write(
  join(target, 'llms/llms.txt'),
  `# image-origin

> An on-demand image transformation origin in Rust: a query string such as \`?w=300&format=auto\` turns an original in a folder or
> in S3 into the picture that a page needs. One binary is a server, a Lambda function and a command.

Every answer that is no picture is a problem document (RFC 9457) with a stable \`code\`. A parameter that exists and has a value
that is not allowed is a 400 that says what is; unknown parameters are ignored.

## Pages

${lines.join('\n')}
`,
);
console.log(`${entries.length} pages, ${made.length} of them about parameters`);
