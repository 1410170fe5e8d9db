/// Alerts: what fires, since when and why; what is silenced; and what the server advises.
import type { AlertState } from "../api";
import type { State, View } from "../view";
import { h, keyed, panel, setAttribute, setText, show } from "../dom";
import { ago, count, percent, time } from "../format";
import { alertName } from "../verdict";

const ratios = new Set(["cpu", "memory", "errorRate"]);

/** A level in the unit of its alert. Levels of ratios are percent, as in the configuration. */
export function level(type: string, value: number | undefined): string {
  if (value === undefined) return "";
  if (ratios.has(type)) return percent(value / 100);
  return type.toLowerCase().includes("latency") || type.startsWith("p9") ? time(value) : count(value);
}

export class Alerts implements View {
  readonly title = "Alerts";
  readonly element: HTMLElement;
  private readonly none = h("p.empty", {}, "No alert fires.");
  private readonly list = h("ul.alerts");

  constructor() {
    this.element = h("div.stack", {}, panel("Alerts", this.none, this.list));
  }

  update(state: State): void {
    const alerts: AlertState[] = state.alerts ?? state.metrics.alerts.types.map((type) => ({ type, status: "firing" }));
    show(this.none, alerts.length === 0);
    keyed(this.list, alerts, (one) => one.fingerprint ?? one.type, () => h("li", {}, h("span.tag"), h("h3"), h("p"), h("p.faint")),
      (item, one) => {
        const [tag, name, what, since] = Array.from(item.children) as HTMLElement[];
        setAttribute(item, "data-level", one.status === "firing" && !one.silenced ? "bad" : one.status === "resolved" ? "good" : "warning");
        setText(tag!, one.silenced ? `${one.status}, silenced` : one.status);
        setText(name!, alertName(one.type));
        setText(what!, one.message ?? (one.value === undefined ? "" : `${level(one.type, one.value)}, raised over ${level(one.type, one.threshold)}`));
        setText(since!, ago(one.since));
      });
  }
}
