/// Lines over time on a canvas, drawn anew when there is something new to see and somebody can see it. All charts share one cursor: pointing at a moment in one, or
/// walking there with the arrow keys, shows the values of that moment in every one. Dragging over a stretch of time in one
/// zooms all of them (the page decides what that means: "zoom" events of the document), as + and - do at the cursor.
///
/// A chart keeps nothing: it draws what it is given. Gaps in the data (null) stay gaps.
import { hourAndMinute, timeOfDay } from "./format";
import { h, setAttribute, setText } from "./dom";

export type Tone = "a" | "b" | "c" | "bad";
export interface Line { key: string; label: string; tone: Tone; fill?: boolean }
export interface Frame { from: number; to: number; step: number }  ///< epoch seconds
export interface Points { t: number[]; values: Record<string, (number | null)[]> }
export interface ChartOptions {
  title: string;
  lines: Line[];
  format: (value: number) => string;
  top?: number;            ///< the scale reaches at least to here
  logarithmic?: boolean;   ///< for values that lie decades apart
  threshold?: () => number | null;
}

let cursor: number | null = null;
/** A stretch of time that somebody is dragging over. */
let dragged: { from: number; to: number } | null = null;
const charts = new Set<Chart>();

function pointAt(when: number | null): void {
  cursor = when;
  for (const chart of charts) chart.redraw();
}

/** Asks the page to show this stretch of time; null: as it was. */
function zoomTo(stretch: { from: number; to: number } | null): void {
  document.dispatchEvent(new CustomEvent("zoom", { detail: stretch }));
}

/** Steps that people count in: 1, 2, 5 times a power of ten. */
function niceStep(range: number, steps: number): number {
  const rough = range / steps;
  const power = 10 ** Math.floor(Math.log10(rough));
  const digit = rough / power;
  return power * (digit <= 1 ? 1 : digit <= 2 ? 2 : digit <= 5 ? 5 : 10);
}

const timeSteps = [10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600];

/** The place of the reading nearest to `when`; -1 where there is none within a step or two. */
function nearest(times: readonly number[], when: number, step: number): number {
  let low = 0, high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle]! < when) low = middle + 1;
    else high = middle;
  }
  const candidates = [low - 1, low].filter((i) => i >= 0 && i < times.length);
  let best = -1;
  for (const i of candidates) if (best < 0 || Math.abs(times[i]! - when) < Math.abs(times[best]! - when)) best = i;
  return best >= 0 && Math.abs(times[best]! - when) <= 2 * step ? best : -1;
}

export class Chart {
  readonly element: HTMLElement;
  private readonly canvas = h("canvas", { "aria-hidden": true });
  private readonly when = h("span.when");
  private readonly readouts = new Map<string, HTMLElement>();
  private frame: Frame = { from: 0, to: 1, step: 1 };
  private points: Points = { t: [], values: {} };
  private readonly plot: HTMLElement;
  private colours: Record<string, string> = {};
  private font = "";
  private left = 0;
  private size = { width: 0, height: 0 };
  private level: number | null = null;  ///< the threshold that was drawn
  private visible = true;
  private stale = false;  ///< what is not in sight is not drawn

  constructor(private readonly options: ChartOptions) {
    const legend = options.lines.map((line) => {
      const value = h("b");
      this.readouts.set(line.key, value);
      return h("span.key", { "data-tone": line.tone }, h("i", { "aria-hidden": true }), line.label, " ", value);
    });
    this.plot = h("div.plot", {
      tabindex: 0, role: "img",
      onpointerdown: (event) => this.grab(event as PointerEvent),
      onpointermove: (event) => this.follow(event as PointerEvent),
      onpointerup: () => this.release(),
      onpointercancel: () => { dragged = null; pointAt(null); },
      onpointerleave: () => pointAt(null),
      ondblclick: () => zoomTo(null),
      onblur: () => pointAt(null),
      onkeydown: (event) => this.walk(event as KeyboardEvent),
    }, this.canvas, this.when);
    this.element = h("figure.chart", {},
      h("figcaption", {}, h("h3", {}, options.title), h("span.legend", {}, ...legend)), this.plot);
    charts.add(this);
    new ResizeObserver(() => {
      this.size = { width: this.plot.clientWidth, height: this.plot.clientHeight };
      this.redraw();
    }).observe(this.plot);
    new IntersectionObserver((entries) => {
      this.visible = entries[entries.length - 1]?.isIntersecting ?? true;
      if (this.visible && this.stale) this.redraw();
    }, { rootMargin: "100px" }).observe(this.plot);
    const repaint = (): void => { this.colours = {}; this.font = ""; this.redraw(); };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
    document.addEventListener("themechange", repaint);
  }

  draw(frame: Frame, points: Points): void {
    const level = this.options.threshold?.() ?? null;
    if (points === this.points && frame.from === this.frame.from && frame.to === this.frame.to && level === this.level) return;
    this.level = level;
    this.frame = frame;
    this.points = points;
    this.redraw();
  }

  private colour(name: string): string {
    return (this.colours[name] ??= getComputedStyle(this.element).getPropertyValue(`--${name}`).trim() || "#888");
  }

  private momentAt(event: PointerEvent): number | null {
    const box = this.plot.getBoundingClientRect();
    const part = (event.clientX - box.left - this.left) / Math.max(1, box.width - this.left);
    return part < 0 ? null : this.frame.from + Math.min(1, part) * (this.frame.to - this.frame.from);
  }
  private grab(event: PointerEvent): void {
    const when = this.momentAt(event);
    if (event.button !== 0 || event.pointerType === "touch" || when === null) return;
    this.plot.setPointerCapture(event.pointerId);
    dragged = { from: when, to: when };
  }
  private follow(event: PointerEvent): void {
    const when = this.momentAt(event);
    if (dragged && when !== null) dragged.to = when;
    pointAt(when);
  }
  private release(): void {
    const stretch = dragged;
    dragged = null;
    pointAt(cursor);
    if (!stretch) return;
    const [from, to] = [Math.min(stretch.from, stretch.to), Math.max(stretch.from, stretch.to)];
    if (to - from > (this.frame.to - this.frame.from) * 0.02) zoomTo({ from, to });
  }

  private walk(event: KeyboardEvent): void {
    const steps: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 };
    const times = this.points.t;
    if (event.key === "Escape") return cursor === null ? zoomTo(null) : pointAt(null);
    if (event.key === "+" || event.key === "-") {
      event.preventDefault();
      const length = (this.frame.to - this.frame.from) * (event.key === "+" ? 0.5 : 2), middle = cursor ?? this.frame.to;
      return zoomTo({ from: middle - length / 2, to: middle + length / 2 });
    }
    if (!(event.key in steps) || times.length === 0) return;
    event.preventDefault();
    const at = cursor === null ? times.length - 1 : nearest(times, cursor, Infinity);
    pointAt(times[Math.max(0, Math.min(times.length - 1, at + steps[event.key]!))]!);
  }

  /** The values at the cursor, or the newest ones. */
  private readOut(): void {
    const times = this.points.t;
    const at = cursor === null ? times.length - 1 : nearest(times, cursor, this.frame.step);
    setText(this.when, cursor !== null && at >= 0 ? timeOfDay(times[at]!) : "");
    const spoken: string[] = [];
    for (const line of this.options.lines) {
      const value = at < 0 ? null : this.points.values[line.key]?.[at] ?? null;
      const text = value === null ? "–" : this.options.format(value);
      setText(this.readouts.get(line.key)!, text);
      spoken.push(`${line.label} ${value === null ? "unknown" : text}`);
    }
    const moment = cursor !== null && at >= 0 ? `at ${timeOfDay(times[at]!)}` : "now";
    setAttribute(this.plot, "aria-label", `${this.options.title}, ${moment}: ${spoken.join(", ")}. Arrow keys walk through time, plus and minus zoom.`);
  }

  private steps(): { top: number; base: number; marks: number[] } {
    const step = niceStep(this.highest(), 3);
    const top = Math.max(step, Math.ceil(this.highest() / step - 1e-9) * step);
    const marks: number[] = [];
    for (let value = 0; value <= top * 1.0001; value += step) marks.push(value);
    return { top, base: 0, marks };
  }

  /** Whole powers of ten around what is seen, two of them at least. */
  private decades(): { top: number; base: number; marks: number[] } {
    let low = Infinity, high = 0;
    for (const line of this.options.lines)
      for (const value of this.points.values[line.key] ?? []) {
        if (value === null || value <= 0) continue;
        if (value < low) low = value;
        if (value > high) high = value;
      }
    if (high === 0) [low, high] = [1e-3, 1];
    const first = Math.floor(Math.log10(low) + 1e-9), last = Math.max(first + 2, Math.ceil(Math.log10(high) - 1e-9));
    const skip = last - first > 4 ? 2 : 1;
    const marks: number[] = [];
    for (let power = first; power <= last; power += skip) marks.push(10 ** power);
    return { top: 10 ** last, base: 10 ** first, marks };
  }

  private highest(): number {
    let top = this.options.top ?? 0;
    for (const line of this.options.lines) for (const value of this.points.values[line.key] ?? []) if (value !== null && value > top) top = value;
    const threshold = this.level;
    if (threshold !== null && top > threshold * 0.6) top = Math.max(top, Math.min(threshold * 1.08, this.options.top ?? Infinity));
    return top > 0 ? top : 1;
  }

  redraw(): void {
    this.readOut();
    this.stale = !this.visible;
    const { width, height } = this.size;
    const context = this.canvas.getContext("2d");
    if (this.stale || !context || width === 0 || height === 0) return;
    const scale = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== Math.round(height * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
    }
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = this.font ||= `11px ${getComputedStyle(this.element).fontFamily}`;

    // The scale of values: hairlines at nice numbers, labelled at the left.
    const { top, base, marks } = this.options.logarithmic ? this.decades() : this.steps();
    const labels = marks.map((value): [number, string] => [value, this.options.format(value).replace(/\.0+(?= )/, "")]);
    this.left = Math.max(44, ...labels.map(([, text]) => Math.ceil(context.measureText(text).width) + 8));
    const bottom = height - 18, head = 6;
    const x = (when: number): number => this.left + ((when - this.frame.from) / (this.frame.to - this.frame.from)) * (width - this.left - 1);
    const y = (value: number): number => bottom - (bottom - head) * (this.options.logarithmic
      ? Math.max(0, Math.log10(Math.max(value, base) / base) / Math.log10(top / base)) : value / top);

    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const [value, text] of labels) {
      context.strokeStyle = this.colour(value === base ? "axis" : "hairline");
      context.beginPath();
      context.moveTo(this.left, Math.round(y(value)) + 0.5);
      context.lineTo(width, Math.round(y(value)) + 0.5);
      context.stroke();
      context.fillStyle = this.colour("faint");
      context.fillText(text, this.left - 6, y(value));
    }

    // The scale of time, at whole minutes or hours of the clock on the wall.
    const seconds = this.frame.to - this.frame.from;
    const wanted = Math.max(2, Math.floor((width - this.left) / 75));
    const tick = timeSteps.find((candidate) => seconds / candidate <= wanted) ?? 21600;
    const zone = new Date().getTimezoneOffset() * 60;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (let when = Math.ceil((this.frame.from - zone) / tick) * tick + zone; when < this.frame.to; when += tick) {
      const text = tick < 60 ? timeOfDay(when) : hourAndMinute(when);
      const half = context.measureText(text).width / 2;
      if (x(when) - half >= this.left - 12 && x(when) + half <= width) context.fillText(text, x(when), height - 4);
    }

    const threshold = this.level;
    if (threshold !== null && threshold <= top) {
      context.strokeStyle = this.colour("warning");
      context.setLineDash([3, 3]);
      context.beginPath();
      context.moveTo(this.left, Math.round(y(threshold)) + 0.5);
      context.lineTo(width, Math.round(y(threshold)) + 0.5);
      context.stroke();
      context.setLineDash([]);
    }

    context.save();
    context.beginPath();
    context.rect(this.left, 0, width - this.left, height);
    context.clip();
    for (const line of this.options.lines) this.trace(context, line, x, y, bottom);
    if (dragged) {
      context.fillStyle = this.colour("accent");
      context.globalAlpha = 0.15;
      context.fillRect(x(dragged.from), head, x(dragged.to) - x(dragged.from), bottom - head);
      context.globalAlpha = 1;
    }
    if (cursor !== null && cursor >= this.frame.from && cursor <= this.frame.to) this.mark(context, x, y, head, bottom);
    context.restore();
  }

  private trace(context: CanvasRenderingContext2D, line: Line, x: (t: number) => number, y: (v: number) => number, bottom: number): void {
    const values = this.points.values[line.key] ?? [];
    context.strokeStyle = context.fillStyle = this.colour(`line-${line.tone}`);
    context.lineWidth = 1.5;
    context.lineJoin = "round";
    // One run of values without a gap at a time.
    for (let i = 0; i < values.length; ++i) {
      if (values[i] === null || values[i] === undefined) continue;
      const first = i;
      const path = new Path2D();
      path.moveTo(x(this.points.t[i]!), y(values[i]!));
      while (i + 1 < values.length && values[i + 1] !== null && values[i + 1] !== undefined &&
             this.points.t[i + 1]! - this.points.t[i]! <= 3 * this.frame.step) {
        ++i;
        path.lineTo(x(this.points.t[i]!), y(values[i]!));
      }
      if (line.fill) {
        const area = new Path2D(path);
        area.lineTo(x(this.points.t[i]!), bottom);
        area.lineTo(x(this.points.t[first]!), bottom);
        context.globalAlpha = 0.1;
        context.fill(area);
        context.globalAlpha = 1;
      }
      if (first === i) context.fillRect(x(this.points.t[i]!) - 1, y(values[i]!) - 1, 2, 2);
      else context.stroke(path);
    }
  }

  private mark(context: CanvasRenderingContext2D, x: (t: number) => number, y: (v: number) => number, head: number, bottom: number): void {
    const at = nearest(this.points.t, cursor!, this.frame.step);
    const when = at >= 0 ? this.points.t[at]! : cursor!;
    context.strokeStyle = this.colour("axis");
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(Math.round(x(when)) + 0.5, head);
    context.lineTo(Math.round(x(when)) + 0.5, bottom);
    context.stroke();
    if (at < 0) return;
    for (const line of this.options.lines) {
      const value = this.points.values[line.key]?.[at];
      if (value === null || value === undefined) continue;
      context.fillStyle = this.colour(`line-${line.tone}`);
      context.beginPath();
      context.arc(x(when), y(value), 3, 0, 2 * Math.PI);
      context.fill();
    }
  }
}
