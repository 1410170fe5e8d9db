/// What a view is, and what it is shown every second.
import type { AlertsAnswer, Metrics, Worker } from "./api";
import type { Frame, Points } from "./chart";

/** Events of the cache since the page was opened, by the upper of the two tiers. */
export interface Moves { promoted: number; demoted: number }

export interface State {
  metrics: Metrics;
  workers: Worker[];
  alerts: AlertsAnswer;
  frame: Frame;
  points: Points;
  moves: { memory: Moves; disk: Moves };
  /** Ratios, but for the queue: where an alert is raised. */
  thresholds: { cpu: number; memory: number; errorRate: number; queueDepth: number };
}

export interface ServerEvent { id: string; type: string; data: Record<string, unknown>; when: number }

export interface View {
  readonly title: string;
  readonly element: HTMLElement;
  update(state: State): void;
  /** The view is shown; `detail` is what follows its name in the address. */
  enter?(detail: string): void;
  leave?(): void;
  event?(event: ServerEvent): void;
}
