// Runs jobs for bench_encode.py. Each line of input is a JSON object {job, path, raw, times}; prints {seconds, processor, bytes,
// peak}: processor seconds of all threads, and the largest amount of memory of the process so far, in KiB.
import { createInterface } from "node:readline";
import { readFileSync } from "node:fs";
import sharp from "sharp";

sharp.cache(false);
const jobs = {
  thumbnail: (data) => sharp(data).resize({ width: 800 }).webp({ quality: 75, effort: 4 }),
  file: (data) => sharp(data).webp({ quality: 75, effort: 4 }),
  lossless: (data) => sharp(data).webp({ lossless: true, quality: 75, effort: 4 }),
  animation: (data) => sharp(data, { animated: true }).webp({ quality: 75, effort: 4 }),
  array: (data, raw) => sharp(data, { raw }).webp({ quality: 75, effort: 4 }),
};
for await (const line of createInterface({ input: process.stdin })) {
  const { job, path, raw, times } = JSON.parse(line);
  const data = readFileSync(path);
  const began = performance.now();
  const before = process.cpuUsage();
  let result;
  for (let i = 0; i < times; i++) result = await jobs[job](data, raw).toBuffer();
  const seconds = (performance.now() - began) / 1000 / times;
  const spent = process.cpuUsage(before);
  const processor = (spent.user + spent.system) / 1e6 / times;
  const peak = Number(/VmHWM:\s+(\d+)/.exec(readFileSync("/proc/self/status", "latin1"))[1]);
  console.log(JSON.stringify({ seconds, processor, bytes: result.length, peak }));
}
