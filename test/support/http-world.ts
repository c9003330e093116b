/** The whole HTTP side over a real store in memory and real files in a temporary root; only the scheduler's loop stands still. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { authenticator } from "../../src/control/authenticate.ts";
import { cursors } from "../../src/control/cursors.ts";
import type { Clock, Ids, Log, Store } from "../../src/control/ports.ts";
import type { RayDoorView } from "../../src/control/ray-door.ts";
import { queueOrder } from "../../src/control/usage.ts";
import { forecaster } from "../../src/control/forecast.ts";
import { insight } from "../../src/control/insight.ts";
import type { LoopView, SchedulerLoop } from "../../src/control/scheduler/loop.ts";
import { issueToken } from "../../src/control/users.ts";
import type { Limits, TokenScope } from "../../src/domain/types.ts";
import type { RequestLimits } from "../../src/http/admission.ts";
import { createApp } from "../../src/http/app.ts";
import { CONNECTION_LIMITS, type ConnectionLimits } from "../../src/http/connection.ts";
import type { HttpDeps } from "../../src/http/deps.ts";
import type { PageFiles } from "../../src/http/page-routes.ts";
import { createMeters } from "../../src/http/meters.ts";
import type { TlsIdentity } from "../../src/http/tls-identity.ts";
import { clock as realClock, ids } from "../../src/main/clock.ts";
import { commandSource } from "../../src/main/command-source.ts";
import { artifactFiles } from "../../src/storage/artifacts.ts";
import { commonFiles } from "../../src/storage/common-files.ts";
import { jobFiles } from "../../src/storage/job-files.ts";
import { logFiles } from "../../src/storage/log-files.ts";
import { nodeFiles } from "../../src/storage/node-files.ts";
import { storageInProcess } from "../../src/storage/storage-client.ts";
import { openStore } from "../../src/store/open-store.ts";
import { BY_ADMIN } from "./audit-samples.ts";

export const ADMIN_TOKEN = "admin-token-of-these-tests";

export const NO_LIMITS: Limits = {
  maxQueued: 50,
  maxRunning: null,
  maxGpus: null,
  submitsPerMinute: null,
  maxStorageGib: null,
  maxPriority: 0,
};

export const SPEC = `workload: grpo
code_path: /private/common/code/verl
model_id: /private/common/models/tiny
train_file: /private/common/datasets/d/train.parquet
val_file: /private/common/datasets/d/test.parquet
nnodes: 1
n_gpus_per_node: 1
`;

/** Below the root, where the world has a file for it. */
export const DATABASE = "tasks.sqlite3";

export type HttpWorld = {
  readonly app: ReturnType<typeof createApp>;
  readonly store: Store;
  readonly root: string;
  readonly logged: object[];
  readonly clock: Clock & { advance: (ms: number) => void };
  readonly look: (view: Partial<LoopView>) => void;
  readonly door: (view: RayDoorView) => void;
  readonly user: (userId: string, scope?: TokenScope) => Promise<string>;
  readonly call: (
    method: string,
    url: string,
    token?: string | null,
    body?: unknown,
    headers?: { [name: string]: string },
  ) => Promise<{ status: number; headers: { [name: string]: string }; text: string; json: () => any }>;
  readonly submit: (token: string, spec?: string, query?: string) => Promise<string>;
  readonly close: () => Promise<void>;
};

/** A clock that stands still until it is advanced; sleeping waits for real, so that streams go on. */
export function steppedClock(): HttpWorld["clock"] {
  let offset = 0;
  const start = Date.UTC(2026, 10, 24, 8);
  return {
    now: () => start + offset,
    monotonicMs: () => realClock.monotonicMs() + offset,
    sleep: realClock.sleep,
    advance: (ms) => (offset += ms),
  };
}

const PARQUET = new URL("../fixtures/parquet/rl.parquet", import.meta.url).pathname;

function makeCommon(root: string): void {
  for (const dir of ["code/verl/verl/version", "models/tiny", "datasets/d"]) mkdirSync(join(root, "common", dir), { recursive: true });
  writeFileSync(join(root, "common/code/verl/verl/version/version"), "0.9.1\n");
  writeFileSync(join(root, "common/models/tiny/config.json"), '{"model_type":"llama"}');
  for (const name of ["train", "test"]) copyFileSync(PARQUET, join(root, `common/datasets/d/${name}.parquet`));
}

/** Wide enough for a test that is not about them. */
const REQUESTS: RequestLimits = { perSecond: 1_000, burst: 10_000, failedLoginsPerMinute: 10_000, streams: 5 };

export async function httpWorld(
  limits: ConnectionLimits = CONNECTION_LIMITS,
  requests: RequestLimits = REQUESTS,
  tls: TlsIdentity | null = null,
  page: PageFiles | null = null,
  database: "memory" | "file" = "memory",
  maxRunningTasks = 1,
): Promise<HttpWorld> {
  const root = mkdtempSync(join(tmpdir(), "verlpool-http-"));
  makeCommon(root);
  const clock = steppedClock();
  const storage = storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] });
  const store = await openStore({ url: database === "memory" ? ":memory:" : join(root, DATABASE), ids: ids satisfies Ids, clock });
  const logged: object[] = [];
  const note = (fields: object, msg: string): void => void logged.push({ ...fields, msg });
  const log: Log = { debug: note, info: note, warn: note, error: note };
  const files = jobFiles({ call: storage.call, clock, ids, host: "test" });
  const logs = logFiles(storage.call);
  const training = insight({ store, files, logs });
  const common = commonFiles(storage.call);
  const settings = {
    workerRoot: root,
    python: "python3",
    launcherHash: "0123456789ab",
    modulesDir: "/private/common/verlpool/python/0123456789ab",
    beatS: 5,
    selfFenceS: 30,
    graceS: 20,
    allowedRoots: [],
  };
  const commands = commandSource(settings, () => storage.call("readProfiles", {}), common, clock, log);
  let view: LoopView = { head: null, nodes: null, agents: [], at: null, leads: true, lastError: null };
  let door: RayDoorView = { state: "closed", ms: 0 };
  const loop: SchedulerLoop = { wake: () => undefined, view: () => view, run: () => Promise.resolve(), once: () => Promise.resolve(false) };
  const users = { users: store.users, clock, ids, defaultLimits: NO_LIMITS };
  const order = queueOrder({ store, clock }, { order: "priority", fairHalfLifeDays: 7 });
  const deps: HttpDeps = {
    version: "test",
    store,
    files,
    nodeFiles: nodeFiles(storage.call, "default", process.getuid?.() ?? 0, () => ids.hex(8)),
    logs,
    insight: training,
    artifacts: artifactFiles(storage.call),
    common,
    commands,
    clock,
    ids,
    log,
    authenticate: authenticator(store.users, clock, ADMIN_TOKEN),
    cursors: cursors("secret"),
    loop,
    order,
    forecast: forecaster({
      order,
      store,
      clock,
      settings: { maxRunningTasks, retryIntervalMs: 60_000, reserveAfterMs: 3_600_000 },
      view: () => view,
      paceOf: () => null,
    }),
    rayDoor: () => door,
    users,
    submit: { store, common, commands, clock, ids, pool: { maxNodes: null, maxGpusPerNode: null } },
    meters: createMeters(),
    page: () => Promise.resolve(page),
    settings: { maxRunningTasks, ignoredFields: [], tickMs: 1000, requests },
  };
  const app = createApp(deps, limits, tls);
  const call: HttpWorld["call"] = async (method, url, token = null, body, headers = {}) => {
    const yaml = typeof body === "string" || Buffer.isBuffer(body);
    const answer = await app.inject({
      method: method as "GET",
      url,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": yaml ? "application/yaml" : "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: yaml ? body : JSON.stringify(body) }),
    });
    return {
      status: answer.statusCode,
      headers: answer.headers as { [name: string]: string },
      text: answer.body,
      json: () => answer.json(),
    };
  };
  let isOpen = true;
  const closeStore = async (): Promise<void> => {
    if (isOpen) await store.close();
    isOpen = false;
  };
  return {
    app,
    store: { ...store, close: closeStore },
    root,
    logged,
    clock,
    look: (next) => (view = { ...view, ...next }),
    door: (next) => void (door = next),
    user: async (userId, scope = "full") => {
      if ((await store.users.getUser(userId)) === null) await call("POST", "/api/v2/users", ADMIN_TOKEN, { user_id: userId });
      return (await issueToken(users, userId, "test", scope, null, BY_ADMIN)).secret;
    },
    call,
    submit: async (token, spec = SPEC, query = "") => {
      const answer = await call("POST", `/api/v2/tasks${query}`, token, spec);
      if (answer.status !== 201) throw new Error(`submit answered ${answer.status}: ${answer.text}`);
      return answer.json().task_id as string;
    },
    close: async () => {
      await app.close();
      await closeStore();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
