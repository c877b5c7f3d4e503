// The scripts around the app, run with programs of their own making in place of AWS, npm and cargo.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { root } from './root.ts';

const work = mkdtempSync(join(tmpdir(), 'scripts-'));
after(() => rmSync(work, { recursive: true }));

/** A folder of programs that write down how they were called, and what the shell needs besides. */
function programs(scripts: Record<string, string>): { path: string; calls: () => string } {
  const folder = mkdtempSync(join(work, 'bin-'));
  const calls = join(folder, 'calls');
  writeFileSync(calls, '');
  for (const [name, script] of Object.entries(scripts)) {
    writeFileSync(join(folder, name), `#!/bin/sh\necho "${name} $*" >>"${calls}"\n${script}\n`);
    chmodSync(join(folder, name), 0o755);
  }
  return { path: `${folder}:${process.env['PATH']}`, calls: () => readFileSync(calls, 'utf8') };
}

function run(script: string, args: string[], variables: Record<string, string>) {
  const { status, stdout, stderr } = spawnSync(`${root}infra/${script}`, args, {
    encoding: 'utf8',
    env: { HOME: work, ...variables },
  });
  return { status, said: stdout + stderr };
}

describe('deploy.sh', () => {
  const built = 'echo "not built in a test" >&2; exit 7';
  const options = (name: string, content: string) => {
    mkdirSync(join(work, "it's"), { recursive: true });
    const file = join(work, "it's", name);
    writeFileSync(file, content);
    return file;
  };

  test('says what is missing before anything is built', () => {
    const aws = 'case $1 in configure) exit 1 ;; sts) echo "no credentials" >&2; exit 255 ;; esac';
    const { path, calls } = programs({ aws, cargo: built, npm: built });
    const table: [string, string, Record<string, string>, RegExp][] = [
      ['missing.json', '', {}, /there is no file/],
      ['broken.json', '{', {}, /^infra\/deploy.sh: correct .*broken.json, which cannot be read as JSON: .*\n$/],
      ['plain.json', '{}', {}, /no region: set it in .*, as AWS_REGION, or with aws configure/],
      ['plain.json', '{}', { AWS_DEFAULT_REGION: 'eu-west-1' }, /no account: AWS takes no credentials from here/],
      ['region.json', '{"region": "eu-west-1"}', {}, /no account/],
    ];
    for (const [name, content, variables, expected] of table) {
      const file = content ? options(name, content) : join(work, name);
      const { status, said } = run('deploy.sh', [file], { PATH: path, ...variables });
      assert.equal(status, 1, said);
      assert.match(said, expected);
    }
    assert.doesNotMatch(calls(), /cargo|npm/);
  });

  test('builds with the options of a file whatever its name is', () => {
    const { path, calls } = programs({ aws: 'exit 1', cargo: built, npm: built });
    const file = options('options', '{"account": "111122223333", "region": "eu-west-1"}');
    const { status, said } = run('deploy.sh', [file], { PATH: path });
    assert.equal(status, 7, said);
    assert.match(calls(), /^cargo build/m);
    assert.doesNotMatch(calls(), /^aws/m);
  });
});

describe('edge/logs.sh', () => {
  const aws = `
case "$1 $2" in
'ec2 describe-regions') echo 'eu-west-1 us-west-2' ;;
'logs describe-log-groups')
    case $* in *'eu-west-1 '*viewer-request*) echo /aws/lambda/us-east-1.pics-viewer-request ;; *) echo ;; esac ;;
esac`;

  test('keeps the logs of every region for as long as is said, or deletes them', () => {
    const { path, calls } = programs({ aws });
    const kept = run('edge/logs.sh', ['pics', '30'], { PATH: path });
    assert.equal(kept.status, 0, kept.said);
    assert.equal(kept.said, '/aws/lambda/us-east-1.pics-viewer-request in eu-west-1 is kept for 30 days\n');
    const deleted = run('edge/logs.sh', ['pics', 'delete'], { PATH: path });
    assert.match(deleted.said, /^deleted .*pics-viewer-request in eu-west-1$/m);
    const changes = calls().match(/^aws logs (put|delete).*$/gm);
    const group = '--region eu-west-1 --log-group-name /aws/lambda/us-east-1.pics-viewer-request';
    assert.deepEqual(changes, [
      `aws logs put-retention-policy ${group} --retention-in-days 30`,
      `aws logs delete-log-group ${group}`,
    ]);
    assert.equal(run('edge/logs.sh', ['pics', '31'], { PATH: path }).status, 2);
  });
});
