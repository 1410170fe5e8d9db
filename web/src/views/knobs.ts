/// Knobs: what can be turned while everything runs, by whom it was last turned, and why.
import * as api from "../api";
import type { Knob } from "../api";
import type { ServerEvent, State, View } from "../view";
import { h, keyed, panel, setAttribute, setText } from "../dom";
import { bytes, span } from "../format";

function inUnit(value: number, unit: string): string {
  if (unit === "bytes") return bytes(value);
  if (unit === "seconds") return value >= 120 ? span(value) : `${value} s`;
  return `${value.toLocaleString("en", { maximumFractionDigits: 6 })}${unit ? ` ${unit}` : ""}`;
}
const shownValue = (knob: Knob): string => inUnit(knob.value, knob.unit);

export class Knobs implements View {
  readonly title = "Knobs";
  readonly element: HTMLElement;
  private readonly list = h("ul.knobs");
  private readonly answer = h("p.answer", { role: "status" });
  private wanted = "";

  constructor() {
    this.element = panel("Knobs", h("p.summary", {}, "A change holds at once and until the next start; the configuration file makes it last."), this.answer, this.list);
  }

  enter(detail: string): void {
    this.wanted = decodeURIComponent(detail);
    void this.refresh();
  }
  update(_: State): void { /* knobs turn seldom: events tell */ }
  event(event: ServerEvent): void {
    if (event.type === "knobChanged" && this.element.isConnected) void this.refresh();
  }

  private async refresh(): Promise<void> {
    try {
      this.show(await api.knobs());
    } catch { /* the page says already that the server does not answer */ }
  }

  private show(knobs: readonly Knob[]): void {
    keyed(this.list, knobs, (knob) => knob.name, (knob) => this.make(knob), (item, knob) => {
      setText(item.querySelector(".value")!, shownValue(knob));
      setText(item.querySelector(".by")!, knob.set_by === "default" ? "never turned" : knob.why ? `set by ${knob.set_by}: ${knob.why}` : `set by ${knob.set_by}`);
      const input = item.querySelector("input")!;
      if (document.activeElement !== input && input.dataset["was"] !== String(knob.value)) {
        input.value = String(knob.value);
        input.dataset["was"] = String(knob.value);
      }
    });
    if (!this.wanted) return;
    const item = this.list.querySelector(`[data-key="${CSS.escape(this.wanted)}"]`);
    this.wanted = "";
    item?.scrollIntoView({ block: "center" });
    item?.querySelector("input")?.focus();
  }

  private make(knob: Knob): HTMLElement {
    const id = `knob-${knob.name}`;
    const value = h("input", { id, type: "number", min: knob.min, max: knob.max, step: "any", required: true, "aria-describedby": `${id}-range` });
    const why = h("input", { type: "text", placeholder: "why (optional)", "aria-label": `Why ${knob.name} is turned`, autocomplete: "off" });
    const form = h("form", { onsubmit: (event) => { event.preventDefault(); void this.turn(knob.name, Number(value.value), why); } },
      value, why, h("button", { type: "submit" }, "Set"));
    return h("li", {}, h("div", {}, h("label", { for: id }, h("code", {}, knob.name)), h("p", {}, knob.description),
      h("p.faint", { id: `${id}-range` }, `from ${inUnit(knob.min, knob.unit)} to ${inUnit(knob.max, knob.unit)}${knob.unit ? `, in ${knob.unit}` : ""}`)),
      h("div", {}, h("b.value"), h("p.by.faint")), form);
  }

  private async turn(name: string, value: number, why: HTMLInputElement): Promise<void> {
    try {
      const knob = await api.setKnob(name, value, why.value.trim());
      why.value = "";
      setAttribute(this.answer, "data-level", "good");
      setText(this.answer, knob ? `${name} is ${shownValue(knob)} now.` : `${name} is set.`);
    } catch (error) {
      setAttribute(this.answer, "data-level", "bad");
      setText(this.answer, error instanceof Error ? error.message : String(error));
    }
    await this.refresh();
  }
}
