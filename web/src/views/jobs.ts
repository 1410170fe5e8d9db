/// Jobs: submit one, watch them, and see what came out.
import * as api from "../api";
import type { Job } from "../api";
import type { State, View } from "../view";
import { Bar, h, keyed, panel, setAttribute, setText, show } from "../dom";
import { ago, bytes, percent, time } from "../format";

const states = ["queued", "running", "retrying", "completed", "failed", "dead", "cancelled"];
const final = new Set(["completed", "failed", "dead", "cancelled"]);
const levels: Record<string, string> = { failed: "bad", dead: "bad", retrying: "warning", running: "active" };
const preview_limit = 1 << 20;

/** "width=320 height=200" as members; numbers and truths become what they look like. */
export function parseParams(text: string): Record<string, string | number | boolean> {
  const params: Record<string, string | number | boolean> = {};
  for (const pair of text.split(/[\s,]+/).filter(Boolean)) {
    const at = pair.indexOf("=");
    if (at <= 0) throw new Error(`"${pair}" is no parameter: expected name=value`);
    const value = pair.slice(at + 1);
    params[pair.slice(0, at)] = value === "true" || value === "false" ? value === "true" : value !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;
  }
  return params;
}

function took(job: Job): string {
  if (!job.started_at) return "";
  const end = job.finished_at ? Date.parse(job.finished_at) : Date.now();
  return time(Math.max(0, end - Date.parse(job.started_at)) / 1000);
}

class SubmitForm {
  readonly element: HTMLElement;
  private readonly operation = h("select", { id: "job-operation", required: true });
  private readonly input = h("input", { id: "job-input", type: "text", placeholder: "clip.mp4 or cache:KEY", autocomplete: "off", spellcheck: "false" });
  private readonly file = h("input", { id: "job-file", type: "file" });
  private readonly params = h("input", { id: "job-params", type: "text", placeholder: "width=320 format=png", autocomplete: "off", spellcheck: "false" });
  private readonly priority = h("select", { id: "job-priority" }, ...["high", "normal", "low"].map((name) => h("option", { selected: name === "normal" }, name)));
  private readonly button = h("button.primary", { type: "submit" }, "Submit");
  private readonly answer = h("p.answer", { role: "status" });

  constructor(private readonly submitted: (job: Job) => void) {
    const field = (label: string, control: HTMLElement): HTMLElement => h("div.field", {}, h("label", { for: control.id }, label), control);
    const form = h("form.submit", { onsubmit: (event) => { event.preventDefault(); void this.submit(); } },
      field("Operation", this.operation), field("Input under a media root", this.input), field("or a file of yours", this.file),
      field("Parameters", this.params), field("Priority", this.priority), this.button, this.answer);
    this.element = panel("Submit a job", form);
  }

  offer(operations: readonly string[]): void {
    if (this.operation.options.length > 0) return;
    this.operation.append(...operations.map((name) => h("option", {}, name)));
  }

  private async submit(): Promise<void> {
    this.button.disabled = true;
    setAttribute(this.answer, "data-level", null);
    try {
      const job = await this.send();
      setText(this.answer, `Accepted as ${job.id}.`);
      this.submitted(job);
    } catch (error) {
      setAttribute(this.answer, "data-level", "bad");
      setText(this.answer, error instanceof Error ? error.message : String(error));
    } finally {
      this.button.disabled = false;
    }
  }

  private async send(): Promise<Job> {
    const params = parseParams(this.params.value);
    const file = this.file.files?.[0];
    if (file) {
      const query = new URLSearchParams({ operation: this.operation.value, priority: this.priority.value });
      for (const [name, value] of Object.entries(params)) query.set(name, String(value));
      return api.uploadJob(file, query);
    }
    const job = await api.submitJob({ operation: this.operation.value, priority: this.priority.value, params, ...(this.input.value.trim() ? { input: this.input.value.trim() } : {}) });
    if (!job) throw new Error("the server accepted the job without naming it");
    return job;
  }
}

/** One job in full, with its picture, its player or its text. */
class Detail {
  readonly element: HTMLElement;
  private readonly heading = h("h2", { id: "job-detail", tabindex: -1 });
  private readonly facts = h("dl.facts");
  private readonly error = h("div.problem");
  private readonly result = h("div.result");
  private readonly cancel = h("button", { type: "button", onclick: () => void this.act(api.cancelJob) }, "Cancel");
  private readonly retry = h("button", { type: "button", onclick: () => void this.act(api.retryJob) }, "Retry");
  private readonly download = h("a.button", { download: "" }, "Download");
  private readonly answer = h("p.answer", { role: "status" });
  private shown = "";
  job: Job | null = null;

  constructor(private readonly changed: () => void) {
    this.element = h("section.panel.detail", { "aria-labelledby": "job-detail", hidden: true },
      h("header", {}, this.heading, this.cancel, this.retry, this.download, h("a.button", { href: "#/jobs" }, "Close")), this.answer, this.facts, this.error, this.result);
  }

  private async act(what: (id: string) => Promise<unknown>): Promise<void> {
    if (!this.job) return;
    try {
      await what(this.job.id);
      setText(this.answer, "");
    } catch (error) {
      setText(this.answer, error instanceof Error ? error.message : String(error));
    }
    this.changed();
  }

  close(): void {
    this.job = null;
    this.shown = "";
    this.result.replaceChildren();
    show(this.element, false);
  }

  open(job: Job): void {
    const first = this.job?.id !== job.id;
    this.job = job;
    show(this.element, true);
    setText(this.heading, `${job.operation} ${job.input}`.trim());
    const rows: [string, string][] = [
      ["Job", job.id], ["State", job.state === "running" ? `running, ${percent(job.progress)}` : job.state], ["Priority", job.priority],
      ["Attempts", String(job.attempts)], ["Submitted", ago(job.created_at)], ["Ran", took(job) || "not yet"],
      ["Parameters", Object.entries(job.params ?? {}).map(([name, value]) => `${name}=${String(value)}`).join(" ") || "none"],
    ];
    if (job.result) {
      rows.push(["Result", `${bytes(job.result.size)}, ${job.result.content_type}`]);
      rows.push(["From", job.result.cached ? `the cache (${job.result.cached})` : "this run"]);
    }
    keyed(this.facts, rows, ([name]) => name, ([name]) => h("div", {}, h("dt", {}, name), h("dd")), (row, [, text]) => setText(row.lastElementChild!, text));
    show(this.cancel, !final.has(job.state));
    show(this.retry, job.state === "dead" || job.state === "failed" || job.state === "cancelled");
    show(this.download, job.state === "completed");
    if (job.state === "completed") setAttribute(this.download, "href", api.resultPath(job.id));
    show(this.error, job.error !== undefined);
    if (job.error) {
      const text = `${job.error.code}: ${job.error.message}`;
      if (this.error.dataset["text"] !== text) {
        this.error.dataset["text"] = text;
        this.error.replaceChildren(h("p", {}, text), ...(job.error.stderr ? [h("pre", { tabindex: 0, "aria-label": "What the worker wrote" }, job.error.stderr)] : []));
      }
    }
    if (job.state === "completed" && job.result && this.shown !== job.id + job.finished_at) {
      this.shown = job.id + job.finished_at;
      void this.preview(job);
    } else if (job.state !== "completed" && this.shown) {
      this.shown = "";
      this.result.replaceChildren();
    }
    if (first) this.heading.focus({ preventScroll: true });
  }

  private async preview(job: Job): Promise<void> {
    const type = job.result!.content_type, path = api.resultPath(job.id);
    const describe = `Result of ${job.operation} ${job.input}`.trim();
    if (type.startsWith("image/")) return this.result.replaceChildren(h("img", { src: path, alt: describe }));
    if (type.startsWith("video/")) return this.result.replaceChildren(h("video", { src: path, controls: true, preload: "metadata", "aria-label": describe }));
    if (type.startsWith("audio/")) return this.result.replaceChildren(h("audio", { src: path, controls: true, preload: "metadata", "aria-label": describe }));
    if ((type.startsWith("text/") || type.includes("json")) && job.result!.size <= preview_limit) {
      const text = await api.resultText(job.id).catch((error: unknown) => String(error));
      if (this.job?.id !== job.id) return;
      let pretty = text;
      if (type.includes("json")) try { pretty = JSON.stringify(JSON.parse(text), null, 2); } catch { /* shown as it came */ }
      return this.result.replaceChildren(h("pre", { tabindex: 0, "aria-label": describe }, pretty));
    }
    this.result.replaceChildren(h("p.faint", {}, "Nothing to show of this type: download it."));
  }
}

export class Jobs implements View {
  readonly title = "Jobs";
  readonly element: HTMLElement;
  private readonly form = new SubmitForm((job) => { location.hash = `#/jobs/${job.id}`; void this.refresh(); });
  private readonly detail = new Detail(() => void this.refresh());
  private readonly filter = h("select", { id: "job-state", onchange: () => void this.refresh() }, h("option", { value: "" }, "all"), ...states.map((name) => h("option", {}, name)));
  private readonly body = h("tbody");
  private readonly empty = h("p.empty", {}, "No jobs.");
  private readonly bars = new WeakMap<HTMLElement, Bar>();
  private readonly table: HTMLElement;
  private selected = "";
  private shown = false;
  private asking = false;

  constructor() {
    this.table = h("div.scroll", { tabindex: 0, role: "region", "aria-label": "Jobs" },
      h("table", { "aria-label": "Jobs, newest first" }, h("thead", {}, h("tr", {}, ...["Job", "Input and parameters", "State", "Progress", "Priority", "Attempts", "Submitted", "Ran"].map((text, i) => h("th", { scope: "col", class: i >= 5 ? "number" : undefined }, text)))), this.body));
    const list = panel("Jobs", h("div.field.inline", {}, h("label", { for: "job-state" }, "Show"), this.filter), this.empty, this.table);
    this.element = h("div.stack", {}, this.form.element, this.detail.element, list);
  }

  enter(detail: string): void {
    this.shown = true;
    this.selected = decodeURIComponent(detail);
    if (!this.selected) this.detail.close();
    void api.operations().then((names) => this.form.offer(names)).catch(() => undefined);
    void this.refresh();
  }
  leave(): void {
    this.shown = false;
  }
  update(_: State): void {
    if (this.shown) void this.refresh();
  }

  private async refresh(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      const page = await api.jobs(this.filter.value, 100);
      this.list(page.jobs);
      if (this.selected) {
        const one = page.jobs.find(({ id }) => id === this.selected) ?? await api.job(this.selected).catch(() => null);
        if (one && this.selected === one.id) this.detail.open(one);
      }
    } catch {
      // The page says already that the server does not answer.
    } finally {
      this.asking = false;
    }
  }

  private list(jobs: readonly Job[]): void {
    show(this.empty, jobs.length === 0);
    show(this.table, jobs.length > 0);
    keyed(this.body, jobs, (job) => job.id, (job) => {
      const bar = new Bar(`Progress of ${job.operation} ${job.input}`);
      const row = h("tr", {}, h("th", { scope: "row" }, h("a", { href: `#/jobs/${encodeURIComponent(job.id)}` }, job.operation)), h("td.cut"), h("td", {}, h("span.tag")), h("td", {}, bar.element),
        h("td"), h("td.number"), h("td.number"), h("td.number"));
      this.bars.set(row, bar);
      return row;
    }, (row, job) => {
      const cells = Array.from(row.children) as HTMLElement[];
      setAttribute(row, "aria-selected", job.id === this.selected ? "true" : null);
      const what = [job.input, ...Object.entries(job.params ?? {}).map(([name, value]) => `${name}=${String(value)}`)].filter(Boolean).join(" ");
      setText(cells[1]!, what);
      setAttribute(cells[1]!, "title", what);
      const tag = cells[2]!.firstElementChild!;
      setText(tag, job.result?.cached ? `${job.state}, from ${job.result.cached}` : job.state);
      setAttribute(tag, "data-level", levels[job.state] ?? "");
      this.bars.get(row)!.update(job.state === "completed" ? 1 : job.progress, job.state === "completed" ? "done" : percent(job.progress));
      setText(cells[4]!, job.priority);
      setText(cells[5]!, String(job.attempts));
      setText(cells[6]!, ago(job.created_at));
      setText(cells[7]!, took(job));
    });
  }
}
