/// What the charts draw: readings collected while the page is open, and, where the server keeps series, those from before.
import type { Metrics } from "./api";
import type { Frame, Points } from "./chart";

/** How far the charts look back. The server keeps each with its own step. */
export const ranges = { "5m": { seconds: 300, step: 1 }, "1h": { seconds: 3600, step: 10 }, "24h": { seconds: 86400, step: 60 } } as const;
export type Range = keyof typeof ranges;

type Reading = Record<string, number | null>;
const kept = 3600;

/** Each curve: how a reading of the metrics gives it. */
const sources: Record<string, (now: Metrics, before: Metrics | null) => number | null> = {
  rate: (m) => m.requests.throughput,
  failing: (m) => m.requests.throughput * m.requests.errorRate,
  p50: (m) => (m.requests.total > 0 ? m.latency.p50 : null),
  p95: (m) => (m.requests.total > 0 ? m.latency.p95 : null),
  p99: (m) => (m.requests.total > 0 ? m.latency.p99 : null),
  cpu: (m) => m.system.cpu,
  memory: (m) => m.system.memory,
  busy: (m) => m.workers.busy,
  waiting: (m) => m.queue.pending,
  hitMemory: (m, b) => hitRatio(m.cache.memory, b?.cache.memory),
  hitTotal: (m, b) => hitRatio(m.cache.total, b?.cache.total),
};
const keys = Object.keys(sources);

function hitRatio(now: { hits: number; misses: number }, before?: { hits: number; misses: number }): number | null {
  if (!before) return null;
  const hits = now.hits - before.hits, misses = now.misses - before.misses;
  return hits >= 0 && misses >= 0 && hits + misses > 0 ? hits / (hits + misses) : null;
}

export class History {
  private readonly times: number[] = [];
  private readonly readings: Reading[] = [];
  private last: Metrics | null = null;
  private readonly past = new Map<Range, Points>();

  add(when: number, metrics: Metrics): void {
    const reading: Reading = {};
    for (const key of keys) reading[key] = sources[key]!(metrics, this.last);
    this.last = metrics;
    this.times.push(when);
    this.readings.push(reading);
    if (this.times.length > kept) {
      this.times.shift();
      this.readings.shift();
    }
  }

  frame(range: Range, now: number): Frame {
    const { seconds, step } = ranges[range];
    return { from: now - seconds, to: now, step };
  }

  /** What is known between the frame's ends: the server's past, then what was seen here since. */
  points(range: Range, frame: Frame): Points {
    const t: number[] = [];
    const values: Record<string, (number | null)[]> = Object.fromEntries(keys.map((key) => [key, []]));
    const past = this.past.get(range);
    const seenFrom = past?.t.length ? Math.max(this.times[0] ?? Infinity, past.t[past.t.length - 1]! + frame.step / 2) : -Infinity;
    past?.t.forEach((when, i) => {
      if (when < frame.from || when >= seenFrom) return;
      t.push(when);
      for (const key of keys) values[key]!.push(past.values[key]?.[i] ?? null);
    });
    let next = -Infinity;
    this.times.forEach((when, i) => {
      if (when < Math.max(frame.from, seenFrom) || when < next) return;
      next = when + frame.step * 0.9;
      t.push(when);
      for (const key of keys) values[key]!.push(this.readings[i]![key] ?? null);
    });
    return { t, values };
  }
}
