/// The first view: the figures of now, their course, and who does what.
import type { Endpoint, Metrics, Recommendation, Tier, Worker } from "../api";
import type { State, View } from "../view";
import { Chart } from "../chart";
import { Bar, h, keyed, panel, setAttribute, setText, show, TextTable } from "../dom";
import { bytes, count, percent, rate, span, time, words } from "../format";

type Level = "" | "warning" | "bad";

/** A level is a colour only where it means something: near its threshold, or over it. */
export const levelOf = (value: number, threshold: number): Level =>
  value > threshold ? "bad" : value >= threshold * 0.9 ? "warning" : "";

class Tile {
  readonly element: HTMLElement;
  private readonly value = h("dd.value");
  private readonly note = h("dd.note");

  constructor(label: string) {
    this.element = h("div.tile", {}, h("dt", {}, label), this.value, this.note);
  }

  update(value: string, note: string, level: Level = ""): void {
    setText(this.value, value);
    setText(this.note, note);
    setAttribute(this.element, "data-level", level);
  }
}

const ratios = /^(cpu|memory|disk|.*(rate|ratio|share|utilization)|throttled|pressure_.*)$/;
/** A number of a recommendation's evidence, by its name. */
function figure(name: string, value: number): string {
  if (ratios.test(name)) return percent(value);
  if (name.endsWith("seconds")) return time(value);
  if (name === "free" || name === "memory_tier" || name.endsWith("bytes")) return bytes(value);
  return value.toLocaleString("en", { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 });
}

class Advice {
  readonly element: HTMLElement;
  private readonly list = h("ul.advice");

  constructor() {
    this.element = panel("What to do", this.list);
  }

  update(all: readonly Recommendation[]): void {
    keyed(this.list, all, (one) => `${one.type} ${one.knob ?? ""}`, () =>
      h("li", {}, h("span.tag"), h("p"), h("p.evidence.faint"), h("p.faint"), h("a.knob")),
    (item, one) => {
      const [tag, message, evidence, more, knob] = Array.from(item.children) as HTMLElement[];
      setAttribute(item, "data-level", one.severity === "critical" ? "bad" : one.severity === "warning" ? "warning" : "good");
      setText(tag!, one.severity === "critical" ? "act now" : one.severity === "warning" ? "advice" : "fine");
      setText(message!, one.message);
      const numbers = Object.entries(one.evidence ?? {});
      setText(evidence!, `Seen: ${numbers.map(([name, value]) => `${words(name.replace(/_(seconds|bytes)$/, ""))} ${figure(name, value)}`).join(", ")}`);
      show(evidence!, numbers.length > 0);
      setText(more!, `Then: ${one.effect ?? ""}`);
      show(more!, Boolean(one.effect));
      show(knob!, Boolean(one.knob));
      if (one.knob) {
        setText(knob!, `Turn ${one.knob}`);
        setAttribute(knob!, "href", `#/knobs/${one.knob}`);
      }
    });
  }
}

class Workers {
  readonly element: HTMLElement;
  private readonly summary = h("p.summary");
  private readonly list = h("ul.workers");

  constructor() {
    this.element = panel("Workers", this.summary, this.list);
  }

  update(metrics: Metrics, workers: readonly Worker[]): void {
    const { busy, idle, max } = metrics.workers;
    setText(this.summary, `${busy} busy, ${idle} idle, at most ${max}.${metrics.jobs.completed > 0 ? ` A job takes ${time(metrics.performance.avgExecutionTime)} on average; ${percent(metrics.performance.reuseRate)} found a warm worker.` : ""}`);
    const bars = this.bars;
    keyed(this.list, workers, (one) => one.name, (one) => {
      const bar = new Bar(`Progress of ${one.name}`);
      const item = h("li", {}, h("span.name"), h("span.doing"), h("span.number"), bar.element, h("span.number.faint"));
      bars.set(item, bar);
      return item;
    }, (item, one) => {
      const [name, doing, how, bar, use] = Array.from(item.children) as HTMLElement[];
      const job = one.jobs[0];
      setAttribute(item, "data-state", one.state);
      setText(name!, one.name);
      setText(doing!, job ? job.operation + (job.attempt > 1 ? `, attempt ${job.attempt}` : "") + (one.jobs.length > 1 ? `, ${one.jobs.length - 1} more at hand` : "") : one.state);
      const known = job !== undefined && job.progress > 0;
      setAttribute(bar!, "data-kind", job && !known ? "unknown" : "");
      bars.get(item)!.update(job?.progress ?? 0, job ? (known ? percent(job.progress) : "runs") : one.state);
      setText(how!, job ? (known ? `${Math.round(job.progress * 100)} %` : span(job.seconds)) : one.process > 0 ? bytes(one.memory) : "");
      setText(use!, one.process > 0 ? `${Math.round(one.cpu * 100)} % of a core, ${bytes(one.memory)}` : "");
      show(bar!, job !== undefined);
      show(use!, job !== undefined);
    });
  }
  private readonly bars = new WeakMap<HTMLElement, Bar>();
}

class Queue {
  readonly element: HTMLElement;
  private readonly summary = h("p.summary");
  private readonly rows = (["high", "normal", "low"] as const).map((name) => ({ name, bar: new Bar(`Waiting at ${name} priority`), value: h("span.number") }));

  constructor() {
    this.element = panel("Queue", this.summary,
      h("ul.queue", {}, ...this.rows.map(({ name, bar, value }) => h("li", {}, h("span.name", {}, name), bar.element, value))));
  }

  update(metrics: Metrics): void {
    const { pending, byPriority } = metrics.queue;
    setText(this.summary, pending === 0 ? "Nobody waits." : `${count(pending)} wait for a worker.`);
    const most = Math.max(10, ...Object.values(byPriority));
    for (const { name, bar, value } of this.rows) {
      bar.update(byPriority[name] / most, `${byPriority[name]} jobs`);
      setText(value, count(byPriority[name]));
    }
  }
}

/** The tiers from fast to large, with what moves between them. */
class CacheFlow {
  readonly element: HTMLElement;
  private readonly summary = h("p.summary");
  private readonly tiers = (["memory", "disk", "stream"] as const).map((name) => {
    const bar = new Bar(`${name} tier in use`);
    const hit = h("b.value"), held = h("p"), asked = h("p.faint");
    return { name, bar, hit, held, asked, element: h("li.tier", {}, h("h3", {}, name), h("p", {}, hit, h("span.faint", {}, " hits")), bar.element, held, asked) };
  });
  private readonly up = [h("span"), h("span")];
  private readonly down = [h("span"), h("span")];

  constructor() {
    const flow = (i: number): HTMLElement => h("li.flow", {},
      h("p", { title: "hot again: copied to the faster tier" }, h("span", { "aria-hidden": true }, "← "), this.up[i]!),
      h("p", { title: "given up by the faster tier, still in this one" }, this.down[i]!, h("span", { "aria-hidden": true }, " →")));
    this.element = panel("Cache", this.summary,
      h("ol.cache", {}, this.tiers[0]!.element, flow(0), this.tiers[1]!.element, flow(1), this.tiers[2]!.element));
    this.element.classList.add("wide");
  }

  update(metrics: Metrics, moves: State["moves"]): void {
    const { total } = metrics.cache;
    setText(this.summary, total.entries === 0 && total.hits + total.misses === 0 ? "Empty, and not asked yet." : `${count(total.entries)} objects, ${bytes(total.size)}. ${total.hits + total.misses === 0 ? "Not asked yet." : `${percent(total.hitRate)} of ${count(total.hits + total.misses)} look-ups hit.`}`);
    for (const { name, bar, hit, held, asked } of this.tiers) {
      const tier: Tier = metrics.cache[name];
      const some = tier.hits + tier.misses > 0;
      setText(hit, some ? percent(tier.hitRate) : "–");
      bar.update(tier.utilization, `${percent(tier.utilization)} full`);
      setText(held, `${bytes(tier.size)}, ${count(tier.entries)} ${tier.entries === 1 ? "object" : "objects"}${tier.utilization > 0 ? `, ${percent(tier.utilization)} full` : ""}`);
      setText(asked, `${count(tier.hits)} hits, ${count(tier.misses)} misses`);
    }
    const [between, beyond] = [moves.memory, moves.disk];
    for (const [i, move] of [between, beyond].entries()) {
      setText(this.up[i]!, `${count(move.promoted)} promoted`);
      setText(this.down[i]!, `${count(move.demoted)} demoted`);
    }
  }
}

/** The window's newer half beside its older one, where it differs beyond noise. */
function course(one: Endpoint): string {
  const errors = { rising: "more failures ▲", falling: "fewer failures ▼", steady: "" }[one.errorTrend];
  const latency = { rising: "slower ▲", falling: "faster ▼", steady: "" }[one.latencyTrend];
  return [errors, latency].filter(Boolean).join(", ") || "steady";
}

export class Overview implements View {
  readonly title = "Overview";
  readonly element: HTMLElement;
  private readonly tiles = {
    rate: new Tile("Requests"), errors: new Tile("Failed"), median: new Tile("Latency, median"), tail: new Tile("Latency, p99"),
    cpu: new Tile("CPU"), memory: new Tile("Memory"), queue: new Tile("Waiting"), workers: new Tile("Workers busy"), hits: new Tile("Cache hits"),
  };
  private readonly advice = new Advice();
  private readonly workers = new Workers();
  private readonly queue = new Queue();
  private readonly cache = new CacheFlow();
  private readonly endpoints = new TextTable("Endpoints in the window",
    ["Endpoint", "Requests", "Rate", "Failed", "Client errors", "p50", "p95", "p99", "Most", "Trend"]);
  private readonly noEndpoints = h("p.empty", {}, "No requests in the window.");
  private readonly jobs = h("p.summary");
  private thresholds: State["thresholds"] = { cpu: 0.8, memory: 0.85, errorRate: 0.05, queueDepth: 100 };
  private readonly charts: Chart[] = [
    new Chart({ title: "Requests", format: rate, lines: [{ key: "rate", label: "all", tone: "a", fill: true }, { key: "failing", label: "failed", tone: "bad" }] }),
    new Chart({ title: "Latency", format: time, logarithmic: true, lines: [{ key: "p50", label: "p50", tone: "a" }, { key: "p95", label: "p95", tone: "b" }, { key: "p99", label: "p99", tone: "c" }] }),
    new Chart({ title: "Machine", format: (v) => `${Math.round(v * 100)} %`, top: 1, threshold: () => this.thresholds.cpu,
      lines: [{ key: "cpu", label: "CPU", tone: "a", fill: true }, { key: "memory", label: "memory", tone: "b" }] }),
    new Chart({ title: "Work", format: count, top: 4, lines: [{ key: "busy", label: "busy workers", tone: "a", fill: true }, { key: "waiting", label: "waiting jobs", tone: "b" }] }),
    new Chart({ title: "Cache hits", format: (v) => `${Math.round(v * 100)} %`, top: 1, lines: [{ key: "hitTotal", label: "all tiers", tone: "a" }, { key: "hitMemory", label: "memory", tone: "b" }] }),
  ];

  constructor() {
    const endpoints = panel("Endpoints", this.noEndpoints, this.endpoints.element);
    endpoints.classList.add("wide");
    const charts = h("section.panel.charts", { "aria-labelledby": "p-course" }, h("h2.aloud", { id: "p-course" }, "The course of things"), ...this.charts.map((chart) => chart.element));
    this.element = h("div.overview", {},
      h("dl.tiles", {}, ...Object.values(this.tiles).map((tile) => tile.element)),
      h("div.columns", {}, h("div.main", {}, charts),
        h("div.side", {}, this.advice.element, this.workers.element, this.queue.element, panel("Jobs since the start", this.jobs))),
      this.cache.element, endpoints);
  }

  update(state: State): void {
    const { metrics } = state;
    this.thresholds = state.thresholds;
    const { requests, latency, system, workers, queue, cache, jobs } = metrics;
    const { tiles } = this;
    const window = span(metrics.window);
    tiles.rate.update(rate(requests.throughput), `${count(requests.total)} in ${window}`);
    tiles.errors.update(percent(requests.errorRate), requests.failed === 0 ? "none" : `${count(requests.failed)}, ${requests.trend}`,
      requests.failed === 0 ? "" : levelOf(requests.errorRate, this.thresholds.errorRate));
    tiles.median.update(requests.total > 0 ? time(latency.p50) : "–", requests.total > 0 ? `average ${time(latency.avg)}` : "no requests");
    tiles.tail.update(requests.total > 0 ? time(latency.p99) : "–", requests.total > 0 ? `most ${time(latency.max)}` : "no requests");
    tiles.cpu.update(percent(system.cpu), `of ${system.cpuCount} ${system.cpuCount === 1 ? "processor" : "processors"}`, levelOf(system.cpu, this.thresholds.cpu));
    tiles.memory.update(percent(system.memory), "of what it may use", levelOf(system.memory, this.thresholds.memory));
    tiles.queue.update(count(queue.pending), queue.pending === 0 ? "nobody" : (["high", "normal", "low"] as const).filter((name) => queue.byPriority[name] > 0).map((name) => `${count(queue.byPriority[name])} ${name}`).join(", "), levelOf(queue.pending, this.thresholds.queueDepth));
    tiles.workers.update(`${workers.busy}/${workers.max}`, `${workers.idle} idle`);
    const asked = cache.total.hits + cache.total.misses > 0;
    tiles.hits.update(asked ? percent(cache.total.hitRate) : "–", asked ? `${bytes(cache.total.size)} held` : "not asked yet");

    this.advice.update(metrics.recommendations);
    this.workers.update(metrics, state.workers);
    this.queue.update(metrics);
    this.cache.update(metrics, state.moves);
    setText(this.jobs, `${count(jobs.total)} in all: ${count(jobs.completed)} completed, ${count(jobs.failed)} failed, ${count(jobs.cancelled)} cancelled; ${count(jobs.retried)} ${jobs.retried === 1 ? "retry" : "retries"}.`);
    for (const chart of this.charts) chart.draw(state.frame, state.points);
    show(this.noEndpoints, metrics.endpoints.length === 0);
    show(this.endpoints.element, metrics.endpoints.length > 0);
    this.endpoints.update(metrics.endpoints.map((one) => [
      one.endpoint, count(one.total), rate(one.throughput), count(one.failed), count(one.clientErrors),
      time(one.p50), time(one.p95), time(one.p99), time(one.max), course(one),
    ]));
  }
}
