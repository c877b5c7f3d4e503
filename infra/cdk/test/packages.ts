// What Lambda does with a package: it is zipped, uploaded, and unpacked again with its modes.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const SCRIPT = `
import os, sys, zipfile
source, archive, target = sys.argv[1:]
with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
    for name in sorted(os.listdir(source)):
        zipped.write(os.path.join(source, name), name)
print(os.path.getsize(archive))
with zipfile.ZipFile(archive) as zipped:
    for entry in zipped.infolist():
        os.chmod(zipped.extract(entry, target), entry.external_attr >> 16 & 0o777)
`;

export interface Unpacked {
  readonly folder: string;
  readonly zippedBytes: number;
}

/** Zips a folder and unpacks it elsewhere. */
export function through(source: string): Unpacked {
  const parent = mkdtempSync(join(tmpdir(), 'package-'));
  process.once('exit', () => rmSync(parent, { recursive: true, force: true }));
  const folder = join(parent, 'task');
  const { status, stdout, stderr } = spawnSync('python3', ['-c', SCRIPT, source, join(parent, 'code.zip'), folder], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  return { folder, zippedBytes: Number(stdout) };
}
