// npm's lru-cache with the load of bench/micro/memory.cpp: get of 1 KiB values by reference, Zipf 0.99 over a million
// keys, room for a tenth. Installed into a temporary folder by bench/memory. Prints gets a second.
import { LRUCache } from "lru-cache";

const keyCount = 1_000_000;
const valueSize = 1024;
const seconds = Number(process.argv[2] ?? 1);

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

let asked = 0;
let hits = 0;
const from = performance.now();
while (performance.now() - from < seconds * 1000) {
  for (let i = 0; i < 10_000; i++) {
    const value = cache.get(keys[order[asked++ % order.length]]);
    if (value !== undefined && value.length === valueSize) hits++;
  }
}
const took = (performance.now() - from) / 1000;
console.log(JSON.stringify({ case: "get", threads: 1, store: "npm lru-cache", per_second: Math.round(asked / took),
                             hit_ratio: hits / asked }));
