/** Prometheus metrics: names end in their unit, labels are few and never an id. */
import { Counter, Gauge, Histogram, Registry } from "prom-client";

const SECONDS = [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60];
const WAIT_SECONDS = [1, 10, 60, 600, 3_600, 21_600, 86_400, 604_800];

export type Meters = {
  readonly http: (route: string, status: number, seconds: number) => void;
  /** One that waited longest for its request, when there was no more room. */
  readonly connectionClosed: () => void;
  readonly ray: (call: string, outcome: string, seconds: number) => void;
  readonly tick: (seconds: number) => void;
  readonly attemptEnded: (outcome: string) => void;
  readonly queueWait: (seconds: number) => void;
  readonly set: (name: "head_up" | "leader" | "loop_lag_seconds" | "ray_open", value: number) => void;
  readonly tasks: (counts: { readonly [state: string]: number }) => void;
  readonly gpus: (counts: { readonly [state: string]: number }) => void;
  readonly text: () => Promise<string>;
  readonly contentType: string;
};

export function createMeters(): Meters {
  const registry = new Registry();
  const registers = [registry];
  const http = new Histogram({
    name: "verlpool_http_request_seconds",
    help: "Time to answer a request",
    labelNames: ["route", "status"],
    buckets: SECONDS,
    registers,
  });
  const closed = new Counter({
    name: "verlpool_http_connections_closed_total",
    help: "Connections without a request that had to make room",
    registers,
  });
  const ray = new Histogram({
    name: "verlpool_ray_request_seconds",
    help: "Time of a call to Ray",
    labelNames: ["call", "outcome"],
    buckets: SECONDS,
    registers,
  });
  const tick = new Histogram({ name: "verlpool_tick_seconds", help: "Time of a scheduler pass", buckets: SECONDS, registers });
  const wait = new Histogram({
    name: "verlpool_queue_wait_seconds",
    help: "From submission to the first start of a task",
    buckets: WAIT_SECONDS,
    registers,
  });
  const attempts = new Counter({ name: "verlpool_attempts_total", help: "Ended attempts", labelNames: ["outcome"], registers });
  const tasks = new Gauge({ name: "verlpool_tasks", help: "Tasks by state", labelNames: ["state"], registers });
  const gpus = new Gauge({ name: "verlpool_gpus", help: "GPUs of the pool", labelNames: ["state"], registers });
  const gauges = {
    head_up: new Gauge({ name: "verlpool_head_up", help: "1 = Ray's head answers", registers }),
    leader: new Gauge({ name: "verlpool_leader", help: "1 = this process schedules", registers }),
    ray_open: new Gauge({ name: "verlpool_ray_open", help: "1 = Ray's dashboard answers without a token", registers }),
    loop_lag_seconds: new Gauge({ name: "verlpool_loop_lag_seconds", help: "Age of the last scheduler pass", registers }),
  };
  const each = (gauge: Gauge<"state">, counts: { readonly [state: string]: number }): void => {
    for (const [state, count] of Object.entries(counts)) gauge.set({ state }, count);
  };
  return {
    http: (route, status, seconds) => http.observe({ route, status: String(status) }, seconds),
    connectionClosed: () => closed.inc(),
    ray: (call, outcome, seconds) => ray.observe({ call, outcome }, seconds),
    tick: (seconds) => tick.observe(seconds),
    attemptEnded: (outcome) => attempts.inc({ outcome }),
    queueWait: (seconds) => wait.observe(seconds),
    set: (name, value) => gauges[name].set(value),
    tasks: (counts) => each(tasks, counts),
    gpus: (counts) => each(gpus, counts),
    text: () => registry.metrics(),
    contentType: registry.contentType,
  };
}
