/// One look: healthy or not, why, and what to do.
import type { AlertState, Metrics, Recommendation, Severity } from "./api";
import { bytes, count, percent, rate, span, time, words } from "./format";

export type Level = "good" | "warning" | "bad" | "unknown";
export interface Verdict { level: Level; title: string; why: string; advice: Recommendation | null }

const names: Record<string, string> = {
  cpu: "CPU is too high", memory: "Memory is nearly full", errorRate: "Too many requests fail", queueDepth: "The queue is too long",
};
export const alertName = (type: string): string => names[type] ?? words(type).replace(/^./, (c) => c.toUpperCase());

const ruleNames: Record<string, string> = { cpu: "CPU", errorRate: "Error rate", queueDepth: "Queue depth" };
export const ruleName = (type: string): string => ruleNames[type] ?? words(type).replace(/^./, (c) => c.toUpperCase());

/** A level in its unit, for people. */
export function level(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined) return "–";
  switch (unit) {
    case "%": return percent(value / 100);
    case "ratio": return percent(value);
    case "seconds": return time(value);
    case "bytes": return bytes(value);
    case "1/s": return rate(value);
    default: return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 ? 3 : 1 })}${unit === "x" ? "×" : unit ? ` ${unit}` : ""}`;
  }
}

/** What the figure behind an alert is now, where the page knows it. */
function evidence(type: string, metrics: Metrics): string {
  switch (type) {
    case "cpu": return `CPU ${percent(metrics.system.cpu)}`;
    case "memory": return `memory ${percent(metrics.system.memory)}`;
    case "errorRate": return `${percent(metrics.requests.errorRate)} of requests fail (${count(metrics.requests.failed)} of ${count(metrics.requests.total)})`;
    case "queueDepth": return `${count(metrics.queue.pending)} jobs wait for ${count(metrics.workers.max)} workers`;
    default: return "";
  }
}

const gravity: Record<Severity, number> = { critical: 0, warning: 1, info: 2 };

/** Whether an alert wants somebody's eyes: it fires, and nobody silenced it. */
export const isLoud = (alert: AlertState): boolean =>
  (alert.status === "firing" || alert.status === "clearing") && !alert.silenced_by && !alert.inhibited_by;

export function judge(metrics: Metrics, alerts: readonly AlertState[]): Verdict {
  const firing = alerts.filter(isLoud);
  const advice = [...metrics.recommendations].sort((a, b) => gravity[a.severity] - gravity[b.severity])[0] ?? null;
  const useful = advice && advice.severity !== "info" ? advice : null;
  if (firing.length > 0) {
    const title = firing.length === 1 ? alertName(firing[0]!.type) : `${firing.length} alerts: ${firing.map(({ type }) => alertName(type)).join("; ")}`;
    const why = firing.map((alert) => evidence(alert.type, metrics) || alert.summary).filter(Boolean).join(" · ");
    return { level: "bad", title, why, advice: useful };
  }
  if (useful) return { level: useful.severity === "critical" ? "bad" : "warning", title: useful.severity === "critical" ? "Act now" : "Working, with advice", why: useful.message, advice: useful };
  const why = metrics.requests.total === 0 ? `No requests in ${span(metrics.window)}. ${metrics.workers.idle > 0 ? `${count(metrics.workers.idle)} ${metrics.workers.idle === 1 ? "worker waits" : "workers wait"}.` : "Workers start with the first job."}`
    : `${count(metrics.requests.total)} requests in ${span(metrics.window)}, ${metrics.requests.failed === 0 ? "none failed" : `${percent(metrics.requests.errorRate)} failed`}. Nothing to do.`;
  return { level: "good", title: "Healthy", why, advice: null };
}
