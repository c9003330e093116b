/** A world for the command line in which nothing is real: a manual clock, files in a map, and a server shaped by the route table. */
import { Readable } from "node:stream";
import type { TaskWire } from "../../src/contract/resources.ts";
import { type Problem, problem, type ProblemCode } from "../../src/contract/problem.ts";
import { ROUTES, type Route, type RouteId } from "../../src/contract/routes.ts";
import { runCli } from "../../src/cli/run.ts";
import type { TlsTrust } from "../../src/cli/tls-trust.ts";
import { type HttpTransport, Unreachable } from "../../src/cli/transport.ts";
import type { CliWorld, LocalCommands } from "../../src/cli/world.ts";
import { diagnoseFile } from "../../src/main/local/diagnose-command.ts";

export const URL_OF_SERVER = "http://127.0.0.1:8080";
export const NOW = Date.parse("2026-08-01T12:00:00.000Z");
export const TASK_ID = "mvp2-alice-ppo-20260801-115500-1f2e3d4c";

export type FakeCall = {
  readonly id: RouteId;
  readonly path: { readonly [name: string]: string };
  readonly query: { readonly [name: string]: string | string[] };
  readonly json: unknown;
  readonly yaml: string | null;
  readonly headers: { readonly [name: string]: string };
  readonly trust: TlsTrust | undefined;
};

export type FakeAnswer = {
  readonly status?: number;
  readonly json?: unknown;
  readonly text?: string;
  readonly headers?: { readonly [name: string]: string };
  /** Pieces of a body; an Error breaks the connection there. */
  readonly pieces?: Iterable<string | Uint8Array | Error>;
};

/** By route; a function sees how often it was called. Throwing Unreachable is a server that is away. */
export type FakeRoutes = { readonly [id in RouteId]?: FakeAnswer | ((call: FakeCall, nth: number) => FakeAnswer) };

export function unreachable(reason = "ECONNREFUSED"): never {
  throw new Unreachable(URL_OF_SERVER, reason);
}

export function refuse(
  code: ProblemCode,
  detail: string,
  more: { errors?: Problem["errors"]; headers?: FakeAnswer["headers"] } = {},
): FakeAnswer {
  const body = problem(code, detail, more.errors);
  return { status: body.status, json: body, headers: { "content-type": "application/problem+json", ...more.headers } };
}

export function taskWire(changes: Partial<TaskWire> = {}): TaskWire {
  return {
    task_id: TASK_ID,
    user_id: "alice",
    workload: "ppo",
    state: "QUEUED",
    name: null,
    profile: "ppo",
    priority: 0,
    labels: {},
    held: false,
    created_at: "2026-08-01T11:55:00.000Z",
    started_at: null,
    ended_at: null,
    next_run_at: null,
    deadline: null,
    max_runtime_s: null,
    cancel_requested: false,
    requeue: null,
    retry_of: null,
    export_of: null,
    kept: false,
    files_gone_at: null,
    waiting: null,
    estimate: null,
    progress: null,
    failure: null,
    attempt: null,
    attempts: 0,
    alerts: [],
    stall: null,
    gpu_use: [],
    spec: {
      workload: "ppo",
      code_path: "/private/common/code/verl-0.9.1",
      model_id: "/private/common/models/verlpool-demo/warm",
      train_file: "/private/common/datasets/gsm8k-demo/train.parquet",
      val_file: "/private/common/datasets/gsm8k-demo/test.parquet",
      nnodes: 1,
      n_gpus_per_node: 1,
      total_epochs: 1,
      total_training_steps: 4,
      save_freq: 2,
      test_freq: -1,
      trainer_device: null,
    },
    ...changes,
  };
}

export function attemptWire(changes: Partial<NonNullable<TaskWire["attempt"]>> = {}): NonNullable<TaskWire["attempt"]> {
  return {
    attempt: 1,
    submission_id: `${TASK_ID}--a01`,
    state: "RUNNING",
    quarantined: false,
    stalled: false,
    node: "worker-1",
    ray_session: "s1",
    submitted_at: "2026-08-01T11:56:00.000Z",
    started_at: "2026-08-01T11:57:00.000Z",
    ended_at: null,
    exit_code: null,
    signal: null,
    failure: null,
    resumed_from: null,
    job_dir: `/private/users/alice/jobs/${TASK_ID}--a01`,
    ...changes,
  };
}

/** A task without its spec, as lists hold it. */
export function summaryWire(changes: Partial<TaskWire> = {}): Omit<TaskWire, "spec"> {
  const { spec: _, ...summary } = taskWire(changes);
  return summary;
}

function matchPath(template: string, path: string): { readonly [name: string]: string } | null {
  const names = [...template.matchAll(/\{(\w+)\}/g)].map(([, name]) => name ?? "");
  const pattern = template.replace(/\{path\}$/, "(.+)").replaceAll(/\{\w+\}/g, "([^/:]+)");
  const match = new RegExp(`^${pattern}$`).exec(path);
  return match === null ? null : Object.fromEntries(names.map((name, at) => [name, decodeURIComponent(match[at + 1] ?? "")]));
}

function findRoute(method: string, path: string): { readonly id: RouteId; readonly values: { readonly [name: string]: string } } {
  for (const [id, route] of Object.entries(ROUTES)) {
    const values = route.method === method ? matchPath(route.path, path) : null;
    if (values !== null) return { id: id as RouteId, values };
  }
  throw new Error(`no route of the contract is ${method} ${path}`);
}

function queryOf(url: URL): { [name: string]: string | string[] } {
  const out: { [name: string]: string | string[] } = {};
  for (const name of new Set(url.searchParams.keys())) {
    const all = url.searchParams.getAll(name);
    out[name] = all.length === 1 ? (all[0] ?? "") : all;
  }
  return out;
}

async function* bodyOf(answer: FakeAnswer): AsyncGenerator<Uint8Array> {
  for (const piece of answer.pieces ?? [answer.text ?? (answer.json === undefined ? "" : JSON.stringify(answer.json))]) {
    if (piece instanceof Error) throw piece;
    yield typeof piece === "string" ? Buffer.from(piece) : piece;
  }
}

/** Requests and answers that break the contract fail the test that made them. */
function fakeTransport(routes: FakeRoutes, calls: FakeCall[]): HttpTransport {
  const counts = new Map<RouteId, number>();
  return async (request) => {
    request.signal.throwIfAborted();
    const url = new URL(request.url);
    const { id, values } = findRoute(request.method, url.pathname);
    const route: Route = ROUTES[id];
    const query = queryOf(url);
    route.query.parse(query);
    const json = route.body?.kind === "json" ? (JSON.parse(String(request.body)) as unknown) : null;
    if (route.body?.kind === "json") route.body.schema.parse(json);
    const yaml = route.body?.kind === "yaml" && request.body !== null ? Buffer.from(request.body).toString() : null;
    const call: FakeCall = { id, path: values, query, json, yaml, headers: request.headers, trust: request.trust };
    calls.push(call);
    const nth = (counts.get(id) ?? 0) + 1;
    counts.set(id, nth);
    const made = routes[id];
    if (made === undefined) throw new Error(`the test has no answer for ${id}`);
    const answer = typeof made === "function" ? made(call, nth) : made;
    const status = answer.status ?? route.status;
    if (status === route.status && route.answer.kind === "json" && answer.pieces === undefined && answer.text === undefined)
      route.answer.schema.parse(answer.json);
    return { status, header: (name) => answer.headers?.[name.toLowerCase()] ?? null, body: bodyOf(answer) };
  };
}

export type WorldOptions = {
  readonly routes?: FakeRoutes;
  readonly env?: CliWorld["env"];
  /** Path → content; a record is content with its mode and owner. */
  readonly files?: { readonly [path: string]: string | { readonly text: string; readonly mode: number; readonly uid?: number } };
  readonly stdin?: string;
  readonly tty?: boolean;
  readonly columns?: number;
  readonly local?: Partial<LocalCommands>;
  readonly stdoutError?: Error;
};

export function cliWorld(options: WorldOptions = {}) {
  const calls: FakeCall[] = [];
  const sleeps: number[] = [];
  const files = new Map(Object.entries(options.files ?? {}));
  const out: Uint8Array[] = [];
  const err: string[] = [];
  const listeners = new Set<() => void>();
  const tty = options.tty === true;
  const stdin = Buffer.from(options.stdin ?? "");
  let elapsed = 0;
  const unexpected = async (): Promise<never> => {
    throw new Error("this local command was not expected");
  };
  const textOf = (path: string): string | null => {
    const file = files.get(path);
    return file === undefined ? null : typeof file === "string" ? file : file.text;
  };
  const world: CliWorld = {
    version: "2.5.0",
    env: options.env ?? { VERLPOOL_URL: URL_OF_SERVER, VERLPOOL_TOKEN: "mvp_u_test" },
    home: "/home/alice",
    uid: 1000,
    columns: tty ? (options.columns ?? 100) : null,
    stdout: {
      isTTY: tty,
      write: async (chunk) => {
        if (options.stdoutError !== undefined) throw options.stdoutError;
        out.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk);
      },
    },
    stderr: { isTTY: tty, write: async (chunk) => void err.push(String(chunk)) },
    stdin: {
      isTTY: tty,
      readAll: async (most) => stdin.subarray(0, most + 1),
      readLine: async () => stdin.toString().split("\n")[0] ?? null,
    },
    files: {
      readInput: async (path, most) => {
        const text = textOf(path);
        return text === null ? null : Buffer.from(text).subarray(0, most + 1);
      },
      readRecord: async (path) => {
        const file = files.get(path);
        if (file === undefined) return null;
        const record = typeof file === "string" ? { text: file, mode: 0o600 } : file;
        return { bytes: Buffer.from(record.text), mode: record.mode, uid: "uid" in record ? (record.uid ?? 1000) : 1000 };
      },
      list: async (directory) => {
        const inside = [...files.keys()].filter((path) => path.startsWith(`${directory}/`));
        return [...new Set(inside.map((path) => path.slice(directory.length + 1).split("/")[0] ?? ""))];
      },
      writePrivate: async (path, text) => void files.set(path, { text, mode: 0o600 }),
      writeParts: async (path, parts) => {
        const all: Uint8Array[] = [];
        for await (const part of parts) all.push(part);
        files.set(path, { text: Buffer.concat(all).toString("latin1"), mode: 0o644 });
      },
      remove: async (path) => files.delete(path),
    },
    request: fakeTransport(options.routes ?? {}, calls),
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    clock: {
      now: () => NOW + elapsed,
      monotonicMs: () => elapsed,
      sleep: async (ms, signal) => {
        signal.throwIfAborted();
        sleeps.push(ms);
        elapsed += ms;
        await Promise.resolve();
        signal.throwIfAborted();
      },
    },
    randomHex: (bytes) => "ab".repeat(bytes),
    random: () => 0.5,
    local: {
      server: unexpected,
      head: unexpected,
      worker: unexpected,
      up: unexpected,
      down: unexpected,
      status: unexpected,
      prepare: unexpected,
      demo: unexpected,
      pull: unexpected,
      poolHosts: unexpected,
      configShow: unexpected,
      start: unexpected,
      stop: unexpected,
      agentStatus: unexpected,
      clean: unexpected,
      doctor: unexpected,
      backup: unexpected,
      restore: unexpected,
      migrate: unexpected,
      resetDb: unexpected,
      ...options.local,
    },
    diagnose: (wanted) => diagnoseFile(wanted, Readable.from([stdin])),
  };
  return {
    world,
    calls,
    sleeps,
    textOf,
    listeners,
    /** Ctrl-C. */
    interrupt: () => {
      for (const listener of listeners) listener();
    },
    stdout: () => Buffer.concat(out).toString(),
    stdoutBytes: () => Buffer.concat(out),
    stderr: () => err.join(""),
    run: (...argv: string[]) => runCli(argv, world),
  };
}
