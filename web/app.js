// The plain page: asks for the metrics once a second and shows them. Only text is ever put into the document, so that
// no name of an endpoint can become markup.
"use strict";

const second = 1000;
const tokenKey = "hotwell-token";
const byId = (id) => document.getElementById(id);

// ---- numbers for people; the raw form of the metrics has base units -------------------------------------------------
const count = (value) => value.toLocaleString("en");
const percent = (ratio) => `${(ratio * 100).toFixed(ratio > 0 && ratio < 0.1 ? 2 : 1)} %`;
const rate = (perSecond) => `${perSecond.toFixed(perSecond < 10 ? 2 : 1)} /s`;

function time(seconds) {
  if (seconds === 0) return "0 ms";
  if (seconds < 1e-3) return `${(seconds * 1e6).toFixed(0)} µs`;
  if (seconds < 1) return `${(seconds * 1e3).toFixed(seconds < 0.1 ? 2 : 0)} ms`;
  return seconds < 120 ? `${seconds.toFixed(2)} s` : span(seconds);
}

function span(seconds) {
  const units = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];
  const parts = [];
  for (const [name, length] of units) {
    const n = Math.floor(seconds / length);
    seconds -= n * length;
    if (n > 0 && parts.length < 2) parts.push(`${n} ${name}`);
  }
  return parts.join(" ") || "0 s";
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  for (; value >= 1024 && unit + 1 < units.length; ++unit) value /= 1024;
  return `${unit === 0 ? value : value.toFixed(2)} ${units[unit]}`;
}

// ---- parts of the page ----------------------------------------------------------------------------------------------
/** Changes only what differs, so that a reader's selection and a screen reader's place survive the second. */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Rows of name and value; a third item shows a part of one as a meter. */
function fillList(id, rows) {
  const list = byId(id);
  while (list.children.length < rows.length * 2) {
    const value = document.createElement("dd");
    value.append(document.createElement("span"));
    list.append(document.createElement("dt"), value);
  }
  rows.forEach(([name, text, part], row) => {
    const value = list.children[2 * row + 1];
    setText(list.children[2 * row], name);
    setText(value.querySelector("span"), text);
    if (part === undefined) return;
    let meter = value.querySelector("meter");
    if (!meter) {
      meter = document.createElement("meter");
      meter.setAttribute("aria-label", name);
      value.prepend(meter);
    }
    meter.value = part;
  });
}

function fillTable(id, rows) {
  const body = byId(id);
  while (body.rows.length > rows.length) body.lastElementChild.remove();
  rows.forEach((cells, at) => {
    const row = body.rows[at] ?? body.insertRow();
    cells.forEach((text, column) => {
      let cell = row.cells[column];
      if (!cell) {
        cell = document.createElement(column === 0 ? "th" : "td");
        if (column === 0) cell.scope = "row";
        row.append(cell);
      }
      setText(cell, text);
    });
  });
}

function fillAdvice(recommendations) {
  const list = byId("advice");
  while (list.children.length > recommendations.length) list.lastElementChild.remove();
  recommendations.forEach(({ severity, message }, at) => {
    let item = list.children[at];
    if (!item) {
      item = document.createElement("li");
      item.append(document.createElement("strong"), document.createElement("span"));
      list.append(item);
    }
    item.dataset.level = severity;
    setText(item.firstElementChild, severity === "info" ? "" : `${severity}: `);
    setText(item.lastElementChild, message);
  });
}

// ---- the verdict ----------------------------------------------------------------------------------------------------
const alertNames = {
  cpu: "CPU too high",
  memory: "memory nearly full",
  errorRate: "too many failures",
  queueDepth: "queue too long",
};

/** One look: healthy, or what is wrong. */
function judge(metrics) {
  const alerts = metrics.alerts.types.map((type) => alertNames[type] ?? type);
  if (alerts.length > 0) return { level: "bad", text: `Alert: ${alerts.join(", ")}` };
  const gravest = metrics.recommendations.find(({ severity }) => severity !== "info");
  if (gravest) return { level: gravest.severity === "critical" ? "bad" : "warning", text: gravest.message };
  return { level: "good", text: "Healthy" };
}

function showVerdict({ level, text }) {
  const verdict = byId("verdict");
  verdict.dataset.level = level;
  setText(verdict, text);
  document.title = `${level === "good" ? "✓" : "!"} ${text} – Hotwell`;
}

// ---- one reading ----------------------------------------------------------------------------------------------------
function show(metrics) {
  const { requests, latency, system, cache, workers, queue, jobs, performance, endpoints } = metrics;
  byId("sign-in").hidden = true;
  byId("metrics").hidden = false;
  document.body.classList.remove("stale");
  showVerdict(judge(metrics));
  setText(byId("facts"), `Up ${span(system.uptime)} · ${system.cpuCount} processors`);
  setText(byId("window"), `last ${span(metrics.window)}`);
  fillAdvice(metrics.recommendations);
  fillList("requests", [
    ["Rate", rate(requests.throughput)],
    ["Total", count(requests.total)],
    ["Failed", `${count(requests.failed)} (${percent(requests.errorRate)}, ${requests.trend})`],
    ["Client errors", count(requests.clientErrors)],
  ]);
  fillList("latency", [
    ["Median", time(latency.p50)], ["p95", time(latency.p95)], ["p99", time(latency.p99)],
    ["Average", time(latency.avg)], ["Least", time(latency.min)], ["Most", time(latency.max)],
  ]);
  fillList("system", [["CPU", percent(system.cpu), system.cpu], ["Memory", percent(system.memory), system.memory]]);
  fillList("workers", [
    ["Busy", `${workers.busy} of ${workers.max}`, workers.utilization],
    ["Idle", count(workers.idle)],
    ["Kept warm", count(workers.min)],
    ["Reused", percent(performance.reuseRate)],
  ]);
  fillList("queue", [
    ["Waiting", count(queue.pending)],
    ["High", count(queue.byPriority.high)],
    ["Normal", count(queue.byPriority.normal)],
    ["Low", count(queue.byPriority.low)],
  ]);
  fillList("jobs", [
    ["Total", count(jobs.total)],
    ["Completed", `${count(jobs.completed)} (${percent(jobs.successRate)})`],
    ["Failed", count(jobs.failed)], ["Cancelled", count(jobs.cancelled)], ["Retries", count(jobs.retried)],
    ["Average time", time(performance.avgExecutionTime)],
  ]);
  fillTable("cache", ["memory", "disk", "stream", "total"].map((name) => {
    const tier = cache[name];
    const asked = tier.hits + tier.misses > 0;
    return [name, count(tier.entries), bytes(tier.size), name === "total" ? "" : percent(tier.utilization),
      count(tier.hits), count(tier.misses), asked ? percent(tier.hitRate) : "–"];
  }));
  fillTable("endpoints", endpoints.map((one) => [
    one.endpoint, count(one.total), count(one.failed), count(one.clientErrors), rate(one.throughput),
    time(one.p50), time(one.p95), time(one.p99), time(one.max),
  ]));
  byId("no-endpoints").hidden = endpoints.length > 0;
}

// ---- asking ---------------------------------------------------------------------------------------------------------
class NotSignedIn extends Error {}

async function ask() {
  const token = sessionStorage.getItem(tokenKey);
  const answer = await fetch("/performance/metrics?format=raw", {
    cache: "no-store",
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    signal: AbortSignal.timeout(10 * second),
  });
  if (answer.status === 401) throw new NotSignedIn();
  if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
  return answer.json();
}

function askForToken() {
  const form = byId("sign-in");
  const refused = sessionStorage.getItem(tokenKey) !== null;
  sessionStorage.removeItem(tokenKey);
  setText(byId("sign-in-why"), refused ? "That token was refused." : "This server wants a token.");
  byId("metrics").hidden = true;
  showVerdict({ level: "unknown", text: "Not signed in" });
  if (form.hidden) {
    form.hidden = false;
    byId("token").focus();
  }
}

let timer;

/** Asks, shows, and comes back a second later; rests while nobody looks or a token is awaited. */
async function refresh() {
  clearTimeout(timer);
  if (document.hidden) return;
  try {
    show(await ask());
  } catch (error) {
    if (error instanceof NotSignedIn) {
      askForToken();
      return;
    }
    document.body.classList.add("stale");
    showVerdict({ level: "bad", text: `Connection lost: ${error.message}` });
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, second);
}

document.addEventListener("visibilitychange", refresh);
byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  sessionStorage.setItem(tokenKey, byId("token").value.trim());
  byId("token").value = "";
  refresh();
});
refresh();
