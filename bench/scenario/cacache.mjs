// npm's cacache with objects of 64 KiB: medians of single puts and gets, in seconds. Installed into a temporary folder by
// bench/scenario/disk.py. Prints one line of JSON.
import { randomBytes } from "node:crypto";
import { performance } from "node:perf_hooks";
import cacache from "cacache";

const directory = process.argv[2];
const count = 1000;
const value = randomBytes(64 << 10);

const median = (all) => all.sort((a, b) => a - b)[all.length >> 1];
const timed = async (times, call) => {
  const begin = performance.now();
  await call();
  times.push((performance.now() - begin) / 1000);
};

const puts = [];
const gets = [];
for (let i = 0; i < count; i++) {
  value.writeUInt32LE(i); // what it stores is found by its contents
  await timed(puts, () => cacache.put(directory, `object-${i}`, value));
}
for (let i = 0; i < count; i++) {
  const key = `object-${(i * 7919) % count}`;
  await timed(gets, async () => {
    const { data } = await cacache.get(directory, key);
    if (data.length !== value.length) throw new Error(`${key} has ${data.length} bytes`);
  });
}
console.log(JSON.stringify({ put: median(puts), get: median(gets) }));
