// Asks both peers in turn for the same work, each reporting its own time, and prints what that gives as a table.

import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import sharp from "sharp";
import { cases, equalCases } from "./cases.mjs";
import { atEqualScore } from "./equal.mjs";
import { similarity } from "./quality.mjs";

// Outputs of one name follow each other; a cache would go on showing the first.
sharp.cache(false);

const target = process.env.TARGET_DIR;
const folder = join(target, "peers");
const program = join(target, "dist", "image-origin");
const peer = join(target, "dist", "examples", "peer");
const sharpPeer = fileURLToPath(new URL("sharp.mjs", import.meta.url));
const filter = process.argv[2] ?? "";

/** Fewest and most rounds of a case, and the time after which it has had enough. */
const [FEWEST, MOST, ENOUGH_MS] = process.env.ROUNDS ? Array(2).fill(Number(process.env.ROUNDS)).concat(0) : [7, 61, 3000];

/** A process that does one piece of work at a time. */
class Peer {
  constructor(command, args) {
    this.process = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]();
  }

  async ask(job) {
    this.process.stdin.write(`${JSON.stringify(job)}\n`);
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`the peer has ended at ${JSON.stringify(job)}`);
    return JSON.parse(value);
  }

  end() {
    this.process.stdin.end();
  }
}

const sorted = (times) => [...times].sort((a, b) => a - b);
const median = (times) => sorted(times)[Math.floor(times.length / 2)];
const least = (times) => sorted(times)[0];

/** Asks both in turn, each for its own job. */
async function rounds(ours, theirs, ourJob, theirJob) {
  const [times, cpu] = [{ ours: [], sharp: [] }, { ours: [], sharp: [] }];
  const start = performance.now();
  for (let round = 0; round < MOST && (round < FEWEST || performance.now() - start < ENOUGH_MS); round++) {
    for (const [name, peer, job] of [["ours", ours, ourJob], ["sharp", theirs, theirJob]]) {
      const { ms, cpu_ms } = await peer.ask(job);
      times[name].push(ms);
      cpu[name].push(cpu_ms ?? NaN);
    }
  }
  return { times, cpu };
}

async function compare(ours, theirs, { file, query, raw }) {
  const out = (name) => join(folder, `${name}.out`);
  const [a, b] = [await ours.ask({ file, query, raw, out: out("ours") }), await theirs.ask({ file, query, raw, out: out("sharp") })];
  const job = { file, query, raw };
  const { times, cpu } = await rounds(ours, theirs, job, job);
  const [p, q] = [await similarity({ file, raw }, out("ours")), await similarity({ file, raw }, out("sharp"))];
  return { times, cpu, bytes: [a.bytes, b.bytes], ssim: [p, q] };
}

function row(name, query, { times, cpu, bytes, ssim }) {
  const pair = (t) => `${least(t).toFixed(2)} / ${median(t).toFixed(2)}`;
  const ratio = ({ ours, sharp }, of) => (of(ours) / of(sharp)).toFixed(2);
  const quality = ssim.map((value) => value.toFixed(4)).join(" / ");
  const cells = [name, query, pair(times.ours), pair(times.sharp), `**${ratio(times, median)}**`, ratio(times, least), ratio(cpu, median), bytes.join(" / "), quality];
  return `| ${cells.join(" | ")} |`;
}

async function printEqual(ours, theirs) {
  const all = equalCases(folder).filter(({ name, query }) => `${name} ${query}`.includes(filter));
  if (all.length === 0) return;
  console.log("\n| at equal SSIMULACRA2: file | query | score | CPU ms, ours / sharp, least | ratio | of medians | bytes, ours / sharp | ratio |");
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
  for (const { name, file, query } of all) {
    const found = await atEqualScore(ours, theirs, { file, query }, folder);
    const { cpu } = await rounds(ours, theirs, { file, query: found.query }, { file, query });
    const [a, b] = found.bytes;
    const times = `${least(cpu.ours).toFixed(1)} / ${least(cpu.sharp).toFixed(1)}`;
    const ratios = [least, median].map((of) => (of(cpu.ours) / of(cpu.sharp)).toFixed(2));
    const cells = [name, found.query, found.score.toFixed(1), times, `**${ratios[0]}**`, ratios[1], `${a.toFixed(0)} / ${b}`, `**${(a / b).toFixed(3)}**`];
    console.log(`| ${cells.join(" | ")} |`);
  }
}

/** One process for one picture: wall time, and peak memory where GNU time is installed. */
function oneShot(command, args) {
  const [times, memory] = [[], []];
  const measured = existsSync("/usr/bin/time");
  // GNU time stands between, for a child's peak counts that of the process that it was forked from.
  const line = measured ? ["/usr/bin/time", "-f", "%M", command, ...args] : [command, ...args];
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    const { status, stderr } = spawnSync(line[0], line.slice(1), { encoding: "utf8" });
    times.push(performance.now() - start);
    if (status !== 0) throw new Error(`${line.join(" ")} has failed: ${stderr}`);
    if (measured) memory.push(Number(stderr.trim().split("\n").pop()) / 1024);
  }
  return { ms: median(times), mebibytes: measured ? median(memory).toFixed(1) : "?" };
}

async function printOneShots(all, ours) {
  console.log("\n| one process, file | query | ours ms | sharp ms | ratio | reckoned MiB | ours MiB | sharp MiB |");
  console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
  const seen = new Set();
  for (const { name, file, raw } of all) {
    if (raw || seen.has(name)) continue;
    seen.add(name);
    const [query, out] = ["w=300&format=jpeg&q=80", join(folder, "once.jpg")];
    const own = oneShot(program, ["transform", file, query, "-o", out, "--force"]);
    const theirs = oneShot(process.execPath, [sharpPeer, "once", file, query, out]);
    const cells = [name, query, own.ms.toFixed(0), theirs.ms.toFixed(0), `**${(own.ms / theirs.ms).toFixed(2)}**`];
    const { memory } = await ours.ask({ reckon: file, query });
    console.log(`| ${[...cells, (memory / 2 ** 20).toFixed(1), own.mebibytes, theirs.mebibytes].join(" | ")} |`);
  }
}

function printMachine() {
  const rustc = spawnSync("rustc", ["--version"], { encoding: "utf8" }).stdout.trim();
  const { sharp: version, vips, mozjpeg, png, webp } = sharp.versions;
  console.log(`- ${cpus()[0].model}, ${cpus().length} cores; ${new Date().toISOString().slice(0, 10)}`);
  console.log(`- image-origin ${statSync(program).size >> 20} MiB, ${rustc}`);
  console.log(`- sharp ${version}, libvips ${vips}, mozjpeg ${mozjpeg}, libpng ${png}, libwebp ${webp}, Node.js ${process.version}\n`);
}

printMachine();
const all = (await cases(peer, folder)).filter(({ name, query }) => `${name} ${query}`.includes(filter));
const [ours, theirs] = [new Peer(peer, []), new Peer(process.execPath, [sharpPeer])];
console.log("| file | query | ours ms, min / median | sharp ms | ratio of medians | of mins | of CPU time | bytes, ours / sharp | SSIM, ours / sharp |");
console.log("| --- | --- | --- | --- | --- | --- | --- | --- | --- |");
for (const one of all) console.log(row(one.name, one.query, await compare(ours, theirs, one)));
await printEqual(ours, theirs);
await printOneShots(all, ours);
ours.end();
theirs.end();
