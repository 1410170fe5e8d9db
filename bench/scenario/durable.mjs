// BullMQ as it is meant to be used: jobs that do nothing, added and drained, each seen completed exactly once.
//   node durable.mjs SOCKET JOBS ALONE inline|sandboxed      prints one JSON object, in the terms of hotwell-bench-durable
import { Queue, QueueEvents, Worker } from 'bullmq';
import { fileURLToPath } from 'node:url';

const [path, jobs, alone, kind] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4]), process.argv[5]];
const connection = { path, maxRetriesPerRequest: null };
const name = `durable-${process.pid}`;
const queue = new Queue(name, { connection, defaultJobOptions: { removeOnComplete: true } });
const events = new QueueEvents(name, { connection });
await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);

const seen = new Map();
let enough = () => {};
events.on('completed', ({ jobId }) => {
  const times = (seen.get(jobId) ?? 0) + 1;
  if (times > 1) throw new Error(`job ${jobId} completed twice`);
  seen.set(jobId, times);
  enough();
});
const until = (count) => new Promise((resolve) => {
  enough = () => { if (seen.size >= count) resolve(); };
  enough();
});

const now = () => performance.timeOrigin + performance.now();
const starts = [];
const inline = async (job) => {
  if (job.data.at) starts.push((now() - job.data.at) / 1e3);
  return 'ok';
};
const processor = kind === 'sandboxed' ? fileURLToPath(new URL('durable_job.cjs', import.meta.url)) : inline;
const worker = new Worker(name, processor, { connection, concurrency: 2 });
await worker.waitUntilReady();
await queue.add('warm', {});
await until(1);

let began = performance.now();
const all = until(jobs + 1);
for (let i = 0; i < jobs; i += 500)
  await queue.addBulk(Array.from({ length: Math.min(500, jobs - i) }, () => ({ name: 'noop', data: {} })));
await all;
const perSecond = jobs / ((performance.now() - began) / 1e3);

const each = [];
for (let i = 0; i < alone; i++) {
  began = performance.now();
  const done = until(seen.size + 1);
  await queue.add('noop', {});
  await done;
  each.push((performance.now() - began) / 1e3);
}
const at = (values, share) => values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
const figures = { per_second: perSecond, p50: at(each, 0.5), p99: at(each, 0.99) };

if (kind === 'inline') { // 1,000 a second, as far as timers go: what is late is added at once
  const paced = 2000, seenBefore = seen.size, first = now();
  const done = until(seenBefore + paced);
  for (let added = 0; added < paced;) {
    for (; added < paced && now() - first >= added; added++) queue.add('noop', { at: now() });
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await done;
  figures.start_p50 = at(starts, 0.5);
  figures.start_p99 = at(starts, 0.99);
}
console.log(JSON.stringify(figures));
await worker.close(true);
await queue.obliterate({ force: true });
process.exit(0);
