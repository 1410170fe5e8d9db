// What worker pools for Node take for the same jobs as hotwell-bench-dispatch; node_pools.py runs it.
//   node node_pools.mjs POOL      prints one JSON object in base units
import { readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const worker = new URL('node_pools_worker.mjs', import.meta.url);
const trips = 5000, queued = 10000, copies = 60, mebibyte = 1 << 20;
const seconds = () => Number(process.hrtime.bigint()) / 1e9;
const quantile = (values, q) => values.sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

// Each answers {run(name, argument), close()} for a pool of so many workers.
const pools = {
  async piscina(size, atOnce = 1) {
    const { Piscina } = await import('piscina');
    const pool = new Piscina({ filename: worker.href, minThreads: size, maxThreads: size, concurrentTasksPerWorker: atOnce });
    return { run: (name, argument) => pool.run(argument, { name }), close: () => pool.destroy() };
  },
  async tinypool(size) {
    const { Tinypool } = await import('tinypool');
    const pool = new Tinypool({ filename: worker.href, runtime: 'child_process', minThreads: size, maxThreads: size,
      serialization: 'advanced' });
    return { run: (name, argument) => pool.run(argument, { name }), close: () => pool.destroy() };
  },
  async workerpool(size) {
    const { default: workerpool } = await import('workerpool');
    const pool = workerpool.pool(fileURLToPath(new URL('node_pools_workerpool.mjs', import.meta.url)),
      { minWorkers: size, maxWorkers: size, workerType: 'process', forkOpts: { serialization: 'advanced' } });
    return { run: (name, argument) => pool.exec(name, [argument]), close: () => pool.terminate(true) };
  },
};

async function perSecond(pool) {
  const pass = async () => {
    const began = seconds(), all = [];
    for (let i = 0; i < queued; i++) all.push(pool.run('noop', i));
    await Promise.all(all);
    return queued / (seconds() - began);
  };
  await pass(); // the second is the warm one
  return pass();
}

/// Bytes of child processes that no other process shares; 0 where the workers are threads.
function privateMemoryOfChildren() {
  let bytes = 0;
  for (const task of readdirSync('/proc/self/task'))
    for (const child of readFileSync(`/proc/self/task/${task}/children`, 'utf8').split(' ').filter(Boolean))
      for (const [, kibibytes] of readFileSync(`/proc/${child}/smaps_rollup`, 'utf8').matchAll(/^Private_\w+:\s+(\d+)/gm))
        bytes += Number(kibibytes) * 1024;
  return bytes;
}

async function measure(make) {
  const figures = {};
  const began = seconds();
  let pool = await make(1);
  await pool.run('noop', 0);
  figures.first_result = seconds() - began;
  for (let i = 0; i < 2000; i++) await pool.run('noop', i);
  const times = [];
  for (let i = 0; i < trips; i++) {
    const start = seconds();
    await pool.run('noop', i);
    times.push(seconds() - start);
  }
  figures.trip_p50 = quantile(times, 0.5);
  figures.trip_p99 = quantile(times, 0.99);
  const copied = [];
  for (let i = 0; i < copies; i++) {
    const input = new Uint8Array(mebibyte).fill(7);
    const start = seconds();
    const output = await pool.run('copy', input);
    copied.push(seconds() - start);
    if (output.length !== mebibyte) throw new Error('the copy is not one');
  }
  figures.copy_1_mib = 2 * mebibyte / quantile(copied, 0.5);
  figures.private_memory = privateMemoryOfChildren();
  await pool.close();
  pool = await make(2);
  figures.per_second = await perSecond(pool);
  await pool.close();
  return figures;
}

const name = process.argv[2];
const figures = await measure(pools[name]);
if (name === 'piscina') {
  figures.per_second_best = 0;
  for (const atOnce of [2, 8, 32, 128]) {
    const pool = await pools.piscina(2, atOnce);
    figures.per_second_best = Math.max(figures.per_second_best, await perSecond(pool));
    await pool.close();
  }
}
console.log(JSON.stringify(figures));
process.exit(0);
