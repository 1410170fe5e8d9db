/// What the server is asked, and the shapes of its answers. Routes that a server does not have answer nothing, and the
/// page shows what it knows without them.

export interface Tier {
  entries: number; size: number; utilization: number; hits: number; misses: number; hitRate: number;
}
export type Trend = "rising" | "steady" | "falling";
export interface Endpoint {
  endpoint: string; total: number; failed: number; clientErrors: number; throughput: number;
  avg: number; p50: number; p95: number; p99: number; max: number; errorTrend: Trend; latencyTrend: Trend;
}
export type Severity = "info" | "warning" | "critical";
export interface Recommendation {
  type: string; severity: Severity; message: string;
  knob?: string; effect?: string; evidence?: Record<string, number>;
}
export interface ByPriority { high: number; normal: number; low: number }
export interface Metrics {
  window: number;
  requests: { total: number; successful: number; failed: number; errorRate: number; throughput: number; trend: string; clientErrors: number };
  latency: { avg: number; p50: number; p95: number; p99: number; min: number; max: number };
  system: { cpu: number; memory: number; uptime: number; cpuCount: number };
  cache: { memory: Tier; disk: Tier; stream: Tier; total: Tier };
  workers: { max: number; min: number; idle: number; busy: number; total: number; utilization: number };
  queue: { pending: number; byPriority: ByPriority };
  jobs: { total: number; completed: number; failed: number; cancelled: number; retried: number; successRate: number };
  performance: { avgExecutionTime: number; workerReuses: number; reuseRate: number };
  alerts: { active: number; types: string[] };
  recommendations: Recommendation[];
  endpoints: Endpoint[];
}

export interface Worker {
  name: string; type: string; state: "starting" | "idle" | "busy";
  process: number;  ///< 0: functions on a thread
  cpu: number;      ///< processors
  memory: number;
  jobs: { id: string; operation: string; attempt: number; progress: number; seconds: number }[];  ///< more than one only where it was fed ahead
}
export interface Job {
  id: string; operation: string; input: string; params: Record<string, unknown>; priority: string; state: string;
  progress: number; attempts: number; created_at: string; started_at: string | null; finished_at: string | null;
  error?: { code: string; message: string; stderr?: string };
  result?: { key: string; size: number; content_type: string; cached: string | null };
}
export interface Knob {
  name: string; description: string; unit: string; min: number; max: number; value: number; set_by: string; why: string;
}
export interface AlertState {
  type: string; status: "no_data" | "inactive" | "pending" | "firing" | "clearing" | "resolved"; severity: Severity;
  value: number | null; threshold: number; clear: number; unit: string; below: boolean; own: boolean; started_at: string | null; resolved_at: string | null;
  fingerprint: string; summary: string; silenced_by: string; inhibited_by: string;
}
export interface Silence {
  id: string; matchers: Record<string, string>; starts_at: string; ends_at: string; created_by: string; comment: string;
}
export interface Channel {
  name: string; kind: string; pending: number; delivered: number; retried: number; dropped: number; last_error: string;
}
export interface AlertsAnswer { alerts: AlertState[]; rules: AlertState[]; silences: Silence[]; channels: Channel[] }

/** The server wants a token. */
export class NotSignedIn extends Error {}
/** The server refused, in its own words. */
export class Refused extends Error {
  constructor(message: string, readonly status: number) { super(message); }
}

const patience = 10_000;

function within(milliseconds: number): AbortSignal {
  const controller = new AbortController();
  setTimeout(() => controller.abort(new DOMException(`no answer within ${milliseconds / 1000} s`, "TimeoutError")), milliseconds);
  return controller.signal;
}

async function send(method: string, path: string, body?: BodyInit, type?: string): Promise<Response> {
  const answer = await fetch(path, {
    method, cache: "no-store", credentials: "same-origin", signal: within(method === "GET" ? patience : 60 * patience),
    ...(body === undefined ? {} : { body }), ...(type === undefined ? {} : { headers: { "Content-Type": type } }),
  });
  if (answer.status === 401) throw new NotSignedIn("not signed in");
  if (answer.ok) return answer;
  const problem: { detail?: string; title?: string } = await answer.json().catch(() => ({}));
  throw new Refused(problem.detail ?? problem.title ?? `the server answered ${answer.status}`, answer.status);
}

export const get = async <T>(path: string): Promise<T> => (await send("GET", path)).json() as Promise<T>;

async function sendJson<T>(method: string, path: string, value?: unknown): Promise<T | null> {
  const answer = await send(method, path, value === undefined ? undefined : JSON.stringify(value), value === undefined ? undefined : "application/json");
  return answer.status === 204 ? null : (answer.json() as Promise<T>);
}

export const metrics = (): Promise<Metrics> => get("/performance/metrics?format=raw");
export const workers = async (): Promise<Worker[]> => (await get<{ workers: Worker[] }>("/v1/workers")).workers;
export const operations = async (): Promise<string[]> => (await get<{ operations: string[] }>("/v1/operations")).operations;
export const alerts = (): Promise<AlertsAnswer> => get("/v1/alerts");
export const silence = (type: string, seconds: number, comment: string): Promise<unknown> =>
  sendJson("POST", "/v1/alerts/silences", { matchers: { alertname: type }, duration: seconds, created_by: "dashboard", comment });
export const endSilence = (id: string): Promise<unknown> => sendJson("DELETE", `/v1/alerts/silences/${encodeURIComponent(id)}`);
export const testChannel = (channel: string): Promise<unknown> => sendJson("POST", "/v1/alerts/test", { channel });

export const knobs = async (): Promise<Knob[]> => (await get<{ knobs: Knob[] }>("/v1/knobs")).knobs;
export const setKnob = (name: string, value: number, why: string): Promise<Knob | null> =>
  sendJson("PUT", `/v1/knobs/${encodeURIComponent(name)}`, { value, ...(why ? { why } : {}) });

export interface JobPage { jobs: Job[]; next: string | null }
export const jobs = (state: string, limit: number): Promise<JobPage> =>
  get(`/v1/jobs?limit=${limit}${state ? `&state=${state}` : ""}`);
export const job = (id: string): Promise<Job> => get(`/v1/jobs/${encodeURIComponent(id)}`);
export const submitJob = (request: Record<string, unknown>): Promise<Job | null> => sendJson("POST", "/v1/jobs", request);
export async function uploadJob(file: File, query: URLSearchParams): Promise<Job> {
  const answer = await send("POST", `/v1/jobs?${query}`, file, file.type || "application/octet-stream");
  return answer.json() as Promise<Job>;
}
export const cancelJob = (id: string): Promise<unknown> => sendJson("DELETE", `/v1/jobs/${encodeURIComponent(id)}`);
export const retryJob = (id: string): Promise<unknown> => sendJson("POST", `/v1/jobs/${encodeURIComponent(id)}/retry`);
export const resultPath = (id: string): string => `/v1/jobs/${encodeURIComponent(id)}/result`;
export const resultText = async (id: string): Promise<string> => (await send("GET", resultPath(id))).text();

export const signIn = (token: string): Promise<unknown> => sendJson("POST", "/v1/session", { token });
export const signOut = (): Promise<unknown> => sendJson("DELETE", "/v1/session");
