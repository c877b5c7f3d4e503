// Folders that live as long as this process: the CDK copies what is in them. Equal contents make equal assets, so a second
// deployment of the same changes nothing.
import { copyFileSync, mkdtempSync, rmSync, writeFileSync, chmodSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let parent: string | undefined;

/** An empty folder. */
export function temporary(): string {
  if (!parent) {
    const made = mkdtempSync(join(tmpdir(), 'image-origin-cdk-'));
    process.once('exit', () => rmSync(made, { recursive: true, force: true }));
    parent = made;
  }
  return mkdtempSync(join(parent, 'package-'));
}

/** Writes a file that Lambda can read, whose user there is another than the one whose files these are. */
export function write(folder: string, name: string, content: string | Buffer): void {
  writeFileSync(join(folder, name), content, { mode: 0o644 });
}

/** Copies a program. */
export function program(folder: string, name: string, from: string): void {
  copyFileSync(from, join(folder, name));
  chmodSync(join(folder, name), 0o755);
}
