// Time and bytes at the same likeness: ours at the quality where its SSIMULACRA2 is that of sharp at its default.
//
// Both outputs are read by sharp, and scored by our peer against the best picture of their size (see quality.mjs).

import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pixels, reference } from "./quality.mjs";

/** Scores the output in the file `out` of a job. */
async function score(scorer, job, out, folder) {
  const { data, width, height } = await pixels(out);
  const [expected, picture] = [join(folder, "expected.raw"), join(folder, "picture.raw")];
  await writeFile(expected, await reference(job, { width, height }));
  await writeFile(picture, data);
  return (await scorer.ask({ expected, picture, width, height })).score;
}

/** Our lowest quality at which the output scores no less, and the bytes that fit the score to the point. */
async function matched(ours, { file, query }, target, folder) {
  const out = join(folder, "ours.out");
  const tried = new Map();
  const at = async (q) => {
    if (!tried.has(q)) {
      const { bytes } = await ours.ask({ file, query: `${query}&q=${q}`, out });
      tried.set(q, { bytes, score: await score(ours, { file }, out, folder) });
    }
    return tried.get(q);
  };
  let [low, high] = [1, 100];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if ((await at(middle)).score >= target) high = middle;
    else low = middle + 1;
  }
  const [below, above] = [await at(Math.max(high - 1, 1)), await at(high)];
  const share = above.score > below.score ? (target - below.score) / (above.score - below.score) : 1;
  return { quality: high, bytes: below.bytes * (above.bytes / below.bytes) ** Math.min(share, 1) };
}

/** Our query at sharp's score, the bytes of both, and that score. */
export async function atEqualScore(ours, theirs, job, folder) {
  const out = join(folder, "sharp.out");
  const { bytes } = await theirs.ask({ ...job, out });
  const target = await score(ours, job, out, folder);
  const found = await matched(ours, job, target, folder);
  return { query: `${job.query}&q=${found.quality}`, bytes: [found.bytes, bytes], score: target };
}
