/// What the charts draw: the server's series, asked for once as far as a chart looks back, then the newest seconds again
/// and again. The server keeps them, so a page that was just opened knows as much as one that stood open all day.
import { get, Refused } from "./api";
import type { Frame, Points } from "./chart";

/** How far the charts look back. The server keeps each with its own step. */
export const ranges = { "5m": { seconds: 300, step: 1 }, "1h": { seconds: 3600, step: 10 }, "24h": { seconds: 86400, step: 60 } } as const;
export type Range = keyof typeof ranges;

/** The page's names of the curves, and the server's. */
const names: Record<string, string> = {
  rate: "requests.rate", errorRate: "requests.error_rate", p50: "latency.p50", p95: "latency.p95", p99: "latency.p99",
  cpu: "cpu", memory: "memory", busy: "workers.busy", waiting: "queue", hitTotal: "cache.hit_ratio", hitMemory: "cache.memory.hit_ratio",
};
const query = Object.values(names).join(",");

interface Answer { from: number; step: number; count: number; series: { name: string; values: (number | null)[] }[] }

export class History {
  private readonly readings = new Map<number, Record<string, number | null>>();
  private range: Range | null = null;
  private due = 0;  ///< epoch seconds: a step is over
  private asking = false;
  private version = 0;  ///< of the readings
  private shown: { version: number; frame: Frame; points: Points } | null = null;
  private newest = 0;   ///< the server's time of the last reading
  private heardAt = 0;  ///< this browser's time of it

  /** The server's time: its clock and the browser's need not agree. */
  private now(): number {
    const local = Date.now() / 1000;
    return this.newest > 0 ? this.newest + Math.max(0, local - this.heardAt) : local;
  }

  /** Moves on by whole steps: between two of them there is nothing new to draw. */
  frame(range: Range): Frame {
    const { seconds, step } = ranges[range];
    const to = Math.floor(this.now() / step) * step;
    return { from: to - seconds, to, step };
  }

  /** A stretch of time as it can be shown: of the past, not shorter than a few steps of the finest range that has it. */
  stretch(from: number, to: number): { range: Range; from: number; to: number } {
    const now = this.now();
    const length = Math.min(Math.max(to - from, 10), ranges["24h"].seconds);
    const middle = (from + to) / 2;
    const end = Math.max(Math.min(now, middle + length / 2), now - ranges["24h"].seconds + length);
    const range = (Object.keys(ranges) as Range[]).find((name) => now - (end - length) <= ranges[name].seconds) ?? "24h";
    return { range, from: Math.min(end - length, end - 5 * ranges[range].step), to: end };
  }

  /** Fetches what is not here yet. A server whose monitor is off has no past: the charts stay empty. */
  async refresh(range: Range): Promise<void> {
    const { seconds, step } = ranges[range];
    const anew = range !== this.range;
    const now = this.now();
    if (this.asking || (!anew && now < this.due)) return;
    this.asking = true;
    try {
      // A page that slept asks for all that it missed.
      const behind = now - this.newest;
      const answer = await get<Answer>(`/v1/series?name=${query}&window=${anew ? seconds : Math.min(seconds, Math.ceil(behind) + 3 * step)}`);
      if (anew || answer.step !== step) this.readings.clear();
      this.range = answer.step === step ? range : null;
      this.take(answer);
      this.due = this.now() + step;
      for (const when of this.readings.keys()) if (when < now - seconds - step) this.readings.delete(when);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.readings.clear();
      ++this.version;
      this.due = now + 60;
    } finally {
      this.asking = false;
    }
  }

  private take(answer: Answer): void {
    ++this.version;
    const columns = new Map(answer.series.map(({ name, values }) => [name, values]));
    for (let i = 0; i < answer.count; ++i) {
      const reading: Record<string, number | null> = {};
      for (const [key, name] of Object.entries(names)) reading[key] = columns.get(name)?.[i] ?? null;
      // A line along the axis would say nothing.
      const failing = (reading["rate"] ?? 0) * (reading["errorRate"] ?? 0);
      reading["failing"] = failing > 0 ? failing : null;
      this.readings.set(answer.from + (i + 1) * answer.step, reading);
    }
    const end = answer.from + answer.count * answer.step;
    if (end === this.newest) return;
    this.newest = end;
    this.heardAt = Date.now() / 1000;
  }

  /** The same object as before where nothing changed. */
  points(frame: Frame): Points {
    const { shown, version } = this;
    if (shown?.version === version && shown.frame.from === frame.from && shown.frame.to === frame.to && shown.frame.step === frame.step)
      return shown.points;
    const t = [...this.readings.keys()].filter((when) => when >= frame.from - frame.step && when <= frame.to + frame.step).sort((a, b) => a - b);
    const values: Points["values"] = {};
    for (const key of [...Object.keys(names), "failing"]) values[key] = t.map((when) => this.readings.get(when)![key] ?? null);
    const points = { t, values };
    this.shown = { version, frame, points };
    return points;
  }
}
