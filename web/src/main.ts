/// The dashboard: asks the server once a second, listens to its events, and shows one of the views.
import * as api from "./api";
import type { AlertsAnswer, Metrics, Worker } from "./api";
import { h, keyed, setAttribute, setText, show } from "./dom";
import { span } from "./format";
import { History, Range, ranges } from "./history";
import { isLoud, judge, Level } from "./verdict";
import type { ServerEvent, State, View } from "./view";
import { Alerts } from "./views/alerts";
import { Events } from "./views/events";
import { Jobs } from "./views/jobs";
import { Knobs } from "./views/knobs";
import { Overview } from "./views/overview";

const second = 1000;
const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const always = ["jobQueued", "jobStarted", "jobProgress", "jobRetrying", "jobCompleted", "jobFailed", "jobDead", "jobCancelled", "workerStarted", "workerExited", "alert", "alertResolved", "knobChanged", "cachePromotion", "cacheDemotion"];
const onDemand = ["cacheHit", "cacheMiss", "cacheSet", "cacheEviction", "cacheExpiry", "cacheDelete"];

// ---- what the page knows --------------------------------------------------------------------------------------------
const history = new History();
const moves: State["moves"] = { memory: { promoted: 0, demoted: 0 }, disk: { promoted: 0, demoted: 0 } };
let state: State | null = null;
let range: Range = "5m";
let zoom: { from: number; to: number } | null = null;  ///< within the range, and not moving with the time

function frame(): State["frame"] {
  const whole = history.frame(range);
  return zoom ? { ...zoom, step: whole.step } : whole;
}
let lastAnswer = 0;

// ---- views ----------------------------------------------------------------------------------------------------------
const views: Record<string, View> = {
  overview: new Overview(), jobs: new Jobs(), alerts: new Alerts(), knobs: new Knobs(), events: new Events((wanted) => listen(wanted)),
};
let current = "";

function navigate(): void {
  const [, name = "overview", ...detail] = location.hash.split("/");
  const next = name in views ? name : "overview";
  if (next !== current) {
    if (current) views[current]!.leave?.();
    const first = current === "";
    current = next;
    byId("view").replaceChildren(views[next]!.element);
    for (const link of Array.from(byId("views").querySelectorAll("a"))) setAttribute(link, "aria-current", link.hash === `#/${next}` ? "page" : null);
    show(byId("ranges"), next === "overview");
    show(byId("zoom-out"), next === "overview" && zoom !== null);
    if (!first) byId("view").focus({ preventScroll: true });
  }
  if (!byId("page").hidden) views[next]!.enter?.(detail.join("/"));
  refreshView();
}

function refreshView(): void {
  if (!state || !current) return;
  state.frame = frame();
  state.points = history.points(state.frame);
  views[current]!.update(state);
}

// ---- the verdict ----------------------------------------------------------------------------------------------------
function showVerdict(level: Level, title: string, why: string, advice: { message: string; knob?: string } | null = null): void {
  setAttribute(byId("verdict"), "data-level", level);
  setText(byId("verdict-title"), title);
  setText(byId("verdict-why"), why);
  const todo = byId<HTMLAnchorElement>("verdict-todo");
  const useful = advice !== null && advice.message !== why;
  show(todo, useful);
  if (useful) {
    setText(todo, advice.message);
    setAttribute(todo, "href", advice.knob ? `#/knobs/${advice.knob}` : "#/alerts");
  }
  document.title = `${level === "good" ? "✓" : level === "unknown" ? "…" : "!"} ${title} – Hotwell`;
}

/** Where the rules raise their alerts. A rule that is off raises none. */
function thresholdsOf(alerts: AlertsAnswer): State["thresholds"] {
  const raised = (type: string, unit: number): number => (alerts.rules.find((rule) => rule.type === type)?.threshold ?? Infinity) / unit;
  return { cpu: raised("cpu", 100), memory: raised("memory", 100), errorRate: raised("errorRate", 100), queueDepth: raised("queueDepth", 1) };
}

function accept(metrics: Metrics, workers: Worker[], alerts: AlertsAnswer): void {
  lastAnswer = Date.now() / second;
  const shown = frame();
  if (!state) performance.mark("figures");
  state = { metrics, workers, alerts, frame: shown, points: history.points(shown), moves, thresholds: thresholdsOf(alerts) };
  const verdict = judge(metrics, alerts.alerts);
  document.body.classList.remove("stale");
  show(byId("sign-in"), false);
  if (byId("page").hidden) {
    show(byId("page"), true);
    navigate();  // what the view wanted to do waited for the server's leave
  }
  showVerdict(verdict.level, verdict.title, verdict.why, verdict.advice);
  setText(byId("facts"), `up ${span(metrics.system.uptime)}`);
  const firing = alerts.alerts.filter(isLoud).length;
  setText(byId("firing"), firing > 0 ? String(firing) : "");
  setAttribute(byId("firing"), "aria-label", firing > 0 ? `${firing} firing` : null);
  views[current]!.update(state);
}

// ---- asking ---------------------------------------------------------------------------------------------------------
let timer: number | undefined;
let asking = false;

/** Asks, shows, and comes back a second later; rests while nobody looks or a token is awaited. */
async function refresh(): Promise<void> {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  const began = performance.now();
  try {
    const overview = current === "overview";
    const course = overview ? history.refresh(range) : Promise.resolve();
    // The first figures do not wait for the past.
    if (!state) void course.then(refreshView, () => undefined);
    const [metrics, workers, alerts] = await Promise.all([
      api.metrics(), overview || !state ? api.workers() : state.workers, api.alerts(), state ? course : undefined,
    ]);
    accept(metrics, workers, alerts);
    if (!stream) listen(withCache);
  } catch (error) {
    if (error instanceof api.NotSignedIn) {
      asking = false;
      return askForToken();
    }
    document.body.classList.add("stale");
    const since = lastAnswer > 0 ? ` What you see is ${span(Date.now() / second - lastAnswer)} old.` : "";
    showVerdict("bad", "The server does not answer", `${error instanceof Error ? error.message : String(error)}. Asking again every second.${since}`);
  }
  asking = false;
  timer = setTimeout(refresh, Math.max(0, second - (performance.now() - began)));
}

// ---- events ---------------------------------------------------------------------------------------------------------
let stream: EventSource | null = null;
let withCache = false;

function listen(cacheToo: boolean): void {
  withCache = cacheToo;
  stream?.close();
  const types = [...always, ...(withCache ? onDemand : [])];
  const source = (stream = new EventSource(`/v1/events?types=${types.join(",")}`));
  // A lost connection comes back by itself, with the number of the last event; one that was refused does not.
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED && stream === source) stream = null;
    setAttribute(byId("live"), "data-level", "warning");
    setText(byId("live"), "reconnecting");
  };
  source.onopen = () => {
    setAttribute(byId("live"), "data-level", "good");
    setText(byId("live"), "live");
  };
  for (const type of types) source.addEventListener(type, (message) => receive(type, message as MessageEvent<string>));
}

function receive(type: string, message: MessageEvent<string>): void {
  const event: ServerEvent = { id: message.lastEventId, type, data: JSON.parse(message.data) as Record<string, unknown>, when: Date.now() };
  if (type === "cachePromotion" || type === "cacheDemotion") {
    const upper = type === "cachePromotion" ? event.data["to"] : event.data["from"];
    const move = upper === "memory" ? moves.memory : moves.disk;
    if (type === "cachePromotion") ++move.promoted;
    else ++move.demoted;
  }
  for (const view of Object.values(views)) view.event?.(event);
}

// ---- signing in -----------------------------------------------------------------------------------------------------
function askForToken(): void {
  stream?.close();
  stream = null;
  show(byId("page"), false);
  showVerdict("unknown", "Not signed in", "This server wants one of its tokens.");
  show(byId("sign-out"), false);
  const form = byId("sign-in");
  if (form.hidden) {
    show(form, true);
    byId("token").focus();
  }
}

byId("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  const token = byId<HTMLInputElement>("token");
  void (async () => {
    try {
      await api.signIn(token.value.trim());
      setText(byId("sign-in-why"), "");
      show(byId("sign-out"), true);
    } catch (error) {
      setText(byId("sign-in-why"), error instanceof api.NotSignedIn ? "That is none of the server's tokens." : String(error));
      return;
    } finally {
      token.value = "";
    }
    await refresh();
  })();
});
byId("sign-out").addEventListener("click", () => void api.signOut().then(refresh, refresh));

// ---- the frame of the page ------------------------------------------------------------------------------------------
const themes = ["auto", "light", "dark"];
function applyTheme(theme: string): void {
  setAttribute(document.documentElement, "data-theme", theme === "auto" ? null : theme);
  setText(byId("theme"), theme);
  setAttribute(byId("theme"), "aria-label", `Colours: ${theme}`);
  document.dispatchEvent(new Event("themechange"));
}
byId("theme").addEventListener("click", () => {
  const next = themes[(themes.indexOf(localStorage.getItem("hotwell-theme") ?? "auto") + 1) % themes.length]!;
  localStorage.setItem("hotwell-theme", next);
  applyTheme(next);
});
applyTheme(localStorage.getItem("hotwell-theme") ?? "auto");

keyed(byId("views"), Object.entries(views), ([name]) => name, ([name, view]) =>
  h("a", { href: `#/${name}` }, view.title, name === "alerts" ? h("span.badge", { id: "firing" }) : null), () => undefined);
function look(next: Range, at: typeof zoom): void {
  range = next;
  zoom = at;
  for (const button of Array.from(byId("ranges").children) as HTMLElement[]) setAttribute(button, "aria-pressed", String(button.dataset["key"] === range && !zoom));
  show(byId("zoom-out"), zoom !== null);
  refreshView();
  void history.refresh(range).then(refreshView, () => undefined);
}
let unzoomed: Range = range;
keyed(byId("ranges"), Object.keys(ranges) as Range[], (name) => name, (name) =>
  h("button", { type: "button", "aria-pressed": String(name === range), onclick: () => look(name, null) }, name), () => undefined);
document.addEventListener("zoom", (event) => {
  const wanted = (event as CustomEvent<typeof zoom>).detail;
  if (!wanted) return look(zoom ? unzoomed : range, null);
  if (!zoom) unzoomed = range;
  const { range: finest, ...stretch } = history.stretch(wanted.from, wanted.to);
  look(finest, stretch);
});
byId("zoom-out").addEventListener("click", () => look(unzoomed, null));

addEventListener("hashchange", navigate);
document.addEventListener("visibilitychange", () => void refresh());
navigate();
void refresh();
