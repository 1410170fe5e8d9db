/// Alerts: what fires, since when and why; every rule with its levels; silences; and whether the channels deliver.
import * as api from "../api";
import type { AlertState, AlertsAnswer, Channel, Silence } from "../api";
import type { ServerEvent, State, View } from "../view";
import { h, keyed, panel, setAttribute, setText, show } from "../dom";
import { ago, span } from "../format";
import { alertName, isLoud, level, ruleName } from "../verdict";

const durations: [string, number][] = [["15 minutes", 900], ["1 hour", 3600], ["4 hours", 14400], ["1 day", 86400], ["1 week", 604800]];

const colours: Record<string, string> = { firing: "bad", clearing: "bad", pending: "warning", resolved: "good" };
const message = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export class Alerts implements View {
  readonly title = "Alerts";
  readonly element: HTMLElement;
  private readonly none = h("p.empty", {}, "No alert fires.");
  private readonly list = h("ul.alerts");
  private readonly rules = h("tbody");
  private readonly noSilences = h("p.empty", {}, "Nothing is silenced.");
  private readonly silences = h("ul.alerts");
  private readonly channels = h("ul.alerts");
  private readonly noChannels = h("p.empty", {}, "No channel is configured: alerts are seen here, in the events and in the metrics. The configuration's [[alerts.channel]] tells people.");
  private readonly rule = h("select", { id: "silence-rule" });
  private readonly duration = h("select", { id: "silence-duration" }, ...durations.map(([name, seconds]) => h("option", { value: seconds, selected: seconds === 3600 }, name)));
  private readonly comment = h("input", { id: "silence-comment", type: "text", autocomplete: "off", placeholder: "why (optional)" });
  private readonly answer = h("p.answer", { role: "status" });
  private shown = false;

  constructor() {
    const field = (label: string, control: HTMLElement): HTMLElement => h("div.field", {}, h("label", { for: control.id }, label), control);
    const form = h("form.silence", { onsubmit: (event) => { event.preventDefault(); void this.silence(this.rule.value, Number(this.duration.value), this.comment.value.trim()); } },
      field("Alert", this.rule), field("For", this.duration), field("Comment", this.comment), h("button", { type: "submit" }, "Silence"));
    const table = h("div.scroll", { tabindex: 0, role: "region", "aria-label": "Rules" },
      h("table", { "aria-label": "Rules" }, h("thead", {}, h("tr", {}, ...["Rule", "State", "Now", "Raised", "Cleared at", "Severity"].map((text, i) => h("th", { scope: "col", class: i >= 2 && i <= 4 ? "number" : undefined }, text)))), this.rules));
    this.element = h("div.stack", {}, panel("Alerts", this.answer, this.none, this.list), panel("Rules", table),
      panel("Silences", form, this.noSilences, this.silences), panel("Channels", this.noChannels, this.channels));
  }

  enter(): void { this.shown = true; }
  leave(): void { this.shown = false; }
  event(_: ServerEvent): void { /* the next second brings it */ }

  update(state: State): void {
    if (!this.shown || !state.alerts) return;
    const { alerts, rules, silences, channels } = state.alerts;
    show(this.none, alerts.length === 0);
    this.showAlerts(alerts);
    this.showRules(rules);
    this.showSilences(silences);
    this.showChannels(channels);
    keyed(this.rule, rules, ({ type }) => type, ({ type, own }) => h("option", { value: type }, own ? type : ruleName(type)), () => undefined);
  }

  private showAlerts(alerts: readonly AlertState[]): void {
    keyed(this.list, alerts, (one) => one.fingerprint, (one) =>
      h("li", {}, h("span.tag"), h("h3"), h("p"), h("p.faint"), h("button", { type: "button", onclick: () => void this.silence(one.type, 3600, "") }, "Silence 1 h")),
    (item, one) => {
      const [tag, name, what, since, button] = Array.from(item.children) as HTMLElement[];
      setAttribute(item, "data-level", isLoud(one) ? "bad" : colours[one.status] === "bad" ? "warning" : colours[one.status] ?? null);
      setText(tag!, one.silenced_by ? `${one.status}, silenced` : one.inhibited_by ? `${one.status}, inhibited` : one.status);
      setText(name!, alertName(one.type));
      setText(what!, `${one.summary}${one.summary ? ". " : ""}Now ${level(one.value, one.unit)}, raised ${one.below ? "below" : "above"} ${level(one.threshold, one.unit)}.`);
      setText(since!, one.status === "resolved" ? `resolved ${ago(one.resolved_at)}` : ago(one.started_at));
      show(button!, !one.silenced_by && one.status !== "resolved");
    });
  }

  private showRules(rules: readonly AlertState[]): void {
    keyed(this.rules, rules, (one) => one.fingerprint || one.type, () =>
      h("tr", {}, h("th", { scope: "row" }), h("td", {}, h("span.tag")), h("td.number"), h("td.number"), h("td.number"), h("td")),
    (row, one) => {
      const cells = Array.from(row.children) as HTMLElement[];
      setText(cells[0]!, one.own ? one.type : ruleName(one.type));
      setAttribute(cells[0]!, "title", one.own ? "a rule of your configuration" : null);
      setText(cells[1]!.firstElementChild!, one.status.replace("_", " "));
      setAttribute(cells[1]!.firstElementChild!, "data-level", colours[one.status] ?? "");
      setText(cells[2]!, level(one.value, one.unit));
      setText(cells[3]!, `${one.below ? "below" : "above"} ${level(one.threshold, one.unit)}`);
      setText(cells[4]!, level(one.clear, one.unit));
      setText(cells[5]!, one.severity);
    });
  }

  private showSilences(silences: readonly Silence[]): void {
    show(this.noSilences, silences.length === 0);
    keyed(this.silences, silences, (one) => one.id, (one) =>
      h("li", {}, h("span.tag", {}, "silenced"), h("h3"), h("p"), h("p.faint"), h("button", { type: "button", onclick: () => void this.act(() => api.endSilence(one.id), "The silence is ended.") }, "End")),
    (item, one) => {
      const [, what, why, until] = Array.from(item.children) as HTMLElement[];
      const { alertname, ...others } = one.matchers;
      setText(what!, [alertname ? ruleName(alertname) : "", ...Object.entries(others).map(([label, value]) => `${label} ${value}`)].filter(Boolean).join(", "));
      setText(why!, [one.comment, one.created_by && `by ${one.created_by}`].filter(Boolean).join(" "));
      setText(until!, `${span(Math.max(0, (Date.parse(one.ends_at) - Date.now()) / 1000))} left`);
    });
  }

  private showChannels(channels: readonly Channel[]): void {
    show(this.noChannels, channels.length === 0);
    keyed(this.channels, channels, (one) => one.name, (one) =>
      h("li", {}, h("span.tag"), h("h3"), h("p"), h("p.faint"), h("button", { type: "button", onclick: () => void this.act(() => api.testChannel(one.name), `${one.name} took the test.`) }, "Test")),
    (item, one) => {
      const [tag, name, what, error] = Array.from(item.children) as HTMLElement[];
      setAttribute(item, "data-level", one.last_error ? "warning" : "good");
      setText(tag!, one.last_error ? "troubled" : "delivers");
      setText(name!, `${one.name} (${one.kind})`);
      setText(what!, `${one.delivered} delivered, ${one.pending} pending, ${one.retried} retried, ${one.dropped} dropped`);
      setText(error!, one.last_error);
    });
  }

  private async silence(type: string, seconds: number, comment: string): Promise<void> {
    await this.act(() => api.silence(type, seconds, comment), `${ruleName(type)} is silenced for ${span(seconds)}.`);
    this.comment.value = "";
  }

  private async act(what: () => Promise<unknown>, done: string): Promise<void> {
    try {
      await what();
      setAttribute(this.answer, "data-level", "good");
      setText(this.answer, done);
    } catch (error) {
      setAttribute(this.answer, "data-level", "bad");
      setText(this.answer, message(error));
    }
  }
}

export type { AlertsAnswer };
