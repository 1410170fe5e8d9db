/// Events: what happens, as it happens. The newest stand first.
import type { ServerEvent, State, View } from "../view";
import { h, panel, setText, show } from "../dom";
import { bytes, percent, time, timeOfDay, words } from "../format";

const kept = 300;
export type Kind = "jobs" | "workers" | "alerts" | "knobs" | "cache";

export function kindOf(type: string): Kind {
  if (type.startsWith("job")) return "jobs";
  if (type.startsWith("worker")) return "workers";
  if (type.startsWith("alert")) return "alerts";
  if (type.startsWith("cache")) return "cache";
  return "knobs";
}

const grave = new Set(["jobFailed", "jobDead", "alert"]);
/** A worker that was let go is nothing odd. */
const odd = (event: ServerEvent): boolean =>
  event.type === "jobRetrying" || (event.type === "workerExited" && !/ended|retired|status 0$|idle|recycled/.test(String(event.data["reason"])));
const figures: Record<string, (value: number) => string> = { size: bytes, duration: time, delay: time, progress: percent };

/** An event's members in one line. */
export function describe(data: Record<string, unknown>): string {
  return Object.entries(data).map(([name, value]) => {
    if (value !== null && typeof value === "object") {
      const error = value as { code?: string; message?: string };
      return error.message ? `${error.code ?? "error"}: ${error.message}` : JSON.stringify(value);
    }
    const format = figures[name];
    if (format && typeof value === "number") return `${words(name)} ${format(value)}`;
    if (name === "operation" || name === "jobId" || name === "key" || name === "type" || name === "worker" || name === "name") return String(value);
    return `${words(name)} ${typeof value === "number" ? value.toLocaleString("en", { maximumFractionDigits: 3 }) : String(value)}`;
  }).join(" · ");
}

export class Events implements View {
  readonly title = "Events";
  readonly element: HTMLElement;
  private readonly list = h("ol.events", { "aria-label": "Events, newest first" });
  private readonly empty = h("p.empty", {}, "Nothing has happened since this page was opened.");
  private readonly wanted = new Set<Kind>(["jobs", "workers", "alerts", "knobs"]);
  private held = false;
  private readonly hold = h("button", { type: "button", "aria-pressed": "false", onclick: () => this.toggleHold() }, "Hold");

  constructor(private readonly listenToCache: (wanted: boolean) => void) {
    const kinds: Kind[] = ["jobs", "workers", "alerts", "knobs", "cache"];
    const choices = kinds.map((kind) => {
      const box: HTMLInputElement = h("input", { type: "checkbox", checked: this.wanted.has(kind), onchange: () => this.choose(kind, box.checked) });
      return h("label.choice", {}, box, kind);
    });
    this.element = panel("Events", h("fieldset.choices", {}, h("legend.aloud", {}, "Which events"), ...choices, this.hold), this.empty, this.list);
  }

  update(_: State): void { /* events come by themselves */ }

  private toggleHold(): void {
    this.held = !this.held;
    this.hold.setAttribute("aria-pressed", String(this.held));
  }

  private choose(kind: Kind, wanted: boolean): void {
    if (wanted) this.wanted.add(kind);
    else this.wanted.delete(kind);
    if (kind === "cache") this.listenToCache(wanted);
    for (const item of Array.from(this.list.children) as HTMLElement[]) show(item, this.wanted.has(item.dataset["kind"] as Kind));
  }

  event(event: ServerEvent): void {
    const kind = kindOf(event.type);
    if (this.held || event.type === "jobProgress") return;
    show(this.empty, false);
    const id = event.data["jobId"];
    const job = typeof id === "string" && kind === "jobs" ? h("a", { href: `#/jobs/${encodeURIComponent(id)}` }, words(event.type)) : null;
    const item = h("li", { "data-level": grave.has(event.type) ? "bad" : odd(event) ? "warning" : undefined },
      h("time", { datetime: new Date(event.when).toISOString() }, timeOfDay(event.when / 1000)),
      h("span.kind", {}, job ?? words(event.type)), h("span.what", {}, describe(event.data)));
    item.dataset["kind"] = kind;
    show(item, this.wanted.has(kind));
    this.list.prepend(item);
    while (this.list.children.length > kept) this.list.lastElementChild!.remove();
    setText(this.hold, "Hold");
  }
}
