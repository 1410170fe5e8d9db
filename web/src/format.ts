/// Numbers for people. The server speaks base units: seconds, bytes, ratios.

export const count = (value: number): string => Math.round(value).toLocaleString("en");

export function percent(ratio: number): string {
  const value = ratio * 100;
  if (value !== 0 && Math.abs(value) < 0.1) return `${value.toFixed(2)} %`;
  return `${value.toFixed(value >= 99.95 || value === 0 ? 0 : 1)} %`;
}

export const rate = (perSecond: number): string =>
  `${perSecond >= 1000 ? count(perSecond) : perSecond.toFixed(perSecond < 10 && perSecond > 0 ? 2 : perSecond === 0 ? 0 : 1)} /s`;

/** A latency: three digits that matter. */
export function time(seconds: number): string {
  if (seconds <= 0) return "0 ms";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 0.01) return `${(seconds * 1e3).toFixed(2)} ms`;
  if (seconds < 0.1) return `${(seconds * 1e3).toFixed(1)} ms`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(0)} ms`;
  return seconds < 120 ? `${seconds.toFixed(seconds < 10 ? 2 : 1)} s` : span(seconds);
}

/** How long: two units. */
export function span(seconds: number): string {
  const units: [string, number][] = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const parts: string[] = [];
  for (const [name, length] of units) {
    const n = Math.floor(seconds / length);
    seconds -= n * length;
    if (n > 0 && parts.length < 2) parts.push(`${n} ${name}`);
  }
  return parts.join(" ") || "0 s";
}

export function bytes(value: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let unit = 0;
  for (; value >= 1024 && unit + 1 < units.length; ++unit) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]}`;
}

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const clockShort = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
export const timeOfDay = (epochSeconds: number): string => clock.format(epochSeconds * 1000);
export const hourAndMinute = (epochSeconds: number): string => clockShort.format(epochSeconds * 1000);

/** "12 s ago", from an RFC 3339 time. */
export function ago(when: string | null | undefined, nowMs: number = Date.now()): string {
  if (!when) return "";
  const seconds = Math.max(0, (nowMs - Date.parse(when)) / 1000);
  return seconds < 1 ? "now" : `${span(seconds < 120 ? Math.floor(seconds) : seconds - (seconds % 60))} ago`;
}

/** A name in camelCase as words: "errorRate" is "error rate". */
export const words = (name: string): string =>
  name.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[_-]/g, " ").toLowerCase();
