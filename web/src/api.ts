/// What the server is asked, and the shapes of its answers. Routes that a server does not have answer nothing, and the
/// page shows what it knows without them.

export interface Tier {
  entries: number; size: number; utilization: number; hits: number; misses: number; hitRate: number;
}
export interface Endpoint {
  endpoint: string; total: number; failed: number; clientErrors: number; throughput: number;
  avg: number; p50: number; p95: number; p99: number; max: number;
}
export type Severity = "info" | "warning" | "critical";
export interface Recommendation {
  type: string; severity: Severity; message: string;
  knob?: string; action?: string; effect?: string; evidence?: Record<string, number | string>;
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
  name: string; type: string; state: "starting" | "idle" | "busy" | "leaving";
  job?: { id: string; operation: string; attempt: number; progress: number; seconds: number };
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
  type: string; status: string; severity?: Severity; value?: number; threshold?: number; since?: string;
  fingerprint?: string; silenced?: boolean; message?: string;
}
export interface Silence { id: string; type?: string; until?: string; why?: string; set_by?: string }

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

const absent = new Set<string>();

/** As get(); nothing where this server has no such route, and then it is not asked again. */
export async function find<T>(path: string): Promise<T | null> {
  const route = path.split("?")[0]!;
  if (absent.has(route)) return null;
  try {
    return await get<T>(path);
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 404 || error.status === 405) absent.add(route);
    return null;
  }
}

async function sendJson<T>(method: string, path: string, value?: unknown): Promise<T | null> {
  const answer = await send(method, path, value === undefined ? undefined : JSON.stringify(value), value === undefined ? undefined : "application/json");
  return answer.status === 204 ? null : (answer.json() as Promise<T>);
}

export const metrics = (): Promise<Metrics> => get("/performance/metrics?format=raw");
export const workers = async (): Promise<Worker[] | null> => (await find<{ workers: Worker[] }>("/v1/workers"))?.workers ?? null;
export const operations = async (): Promise<string[]> => (await find<{ operations: string[] }>("/v1/operations"))?.operations ?? [];
export const knobs = async (): Promise<Knob[]> => (await find<{ knobs: Knob[] }>("/v1/knobs"))?.knobs ?? [];
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
