// npm's lru-cache with the load of bench/micro/memory.cpp: get of 1 KiB values by reference, Zipf 0.99 over a million
// keys, room for a tenth. Installed into a temporary folder by bench/scenario/memory.py. For each line on standard input
// it runs its cases once and prints one line of JSON.
import { createInterface } from "node:readline";
import { LRUCache } from "lru-cache";

const keyCount = 1_000_000;
const valueSize = 1024;
const seconds = Number(process.argv[2] ?? 0.5);

let sum = 0;
const sums = new Float64Array(keyCount);
for (let i = 0; i < keyCount; i++) sums[i] = sum += (i + 1) ** -0.99;
let state = 1n; // the same order in every run
const random = () => {
  state = (state * 6364136223846793005n + 1442695040888963407n) & 0xffffffffffffffffn;
  return Number(state >> 11n) / 2 ** 53;
};
const order = new Uint32Array(1_000_000);
for (let i = 0; i < order.length; i++) {
  const wanted = random() * sum;
  let low = 0;
  let high = keyCount - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sums[middle] < wanted) low = middle + 1;
    else high = middle;
  }
  order[i] = Number((BigInt(low) * 2654435761n) % BigInt(keyCount));
}
const keys = Array.from({ length: keyCount }, (_, i) => `key:${String(i).padStart(8, "0")}`);
const cache = new LRUCache({ max: keyCount / 10 });
for (const at of order) if (cache.get(keys[at]) === undefined) cache.set(keys[at], Buffer.alloc(valueSize, "x"));

const keep = (key) => cache.set(key, Buffer.alloc(valueSize, "x"));
let at = 0;
const run = (name, readThrough) => {
  let asked = 0;
  let hits = 0;
  const from = performance.now();
  while (performance.now() - from < seconds * 1000) {
    for (let i = 0; i < 1_000; i++, asked++) {
      const key = keys[order[at]];
      if (++at === order.length) at = 0;
      const value = cache.get(key);
      if (value !== undefined && value.length === valueSize) hits++;
      else if (readThrough) keep(key);
    }
  }
  const perSecond = Math.round((asked * 1000) / (performance.now() - from));
  return { case: name, threads: 1, store: "npm lru-cache", per_second: perSecond, hit_ratio: hits / asked };
};
for await (const _ of createInterface({ input: process.stdin }))
  console.log(JSON.stringify([run("get", false), run("read through", true)]));
