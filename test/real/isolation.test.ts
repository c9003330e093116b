/**
 * Alice and bob on one real Ray cluster, each with a job that is after the other's secrets (test/support/hostile_job.py): what the API gives them of
 * each other, what the jobs find, and where a token is afterwards. What the shared uid opens is written down here and in docs/security.md.
 */
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { downCommand } from "../../src/main/local/down-command.ts";
import { type Places, placesOf } from "../../src/main/local/places.ts";
import { startDetached } from "../../src/main/local/up-command.ts";
import { readRecord } from "../../src/main/local/run-record.ts";
import { poolId } from "../../src/pool/pool-lock.ts";
import { probeContainment } from "../../src/pool/ray-install.ts";
import { findTagged } from "../../src/pool/tagged-processes.ts";
import { filesBelow, filesWithSecrets, holds } from "../support/byte-search.ts";
import { pythonFrom, realClock } from "../support/real-ray.ts";

const quiet = new AbortController().signal;
const JOB = join(import.meta.dirname, "../support/hostile_job.py");
const SECURITY = join(import.meta.dirname, "../../docs/security.md");

/** What an operator may have in the environment of `up`; no job, no Ray process and not even the server's visible environment may hold it. */
const OPERATORS: { readonly [name: string]: string } = {
  MVP_OTHER_TOKEN: "operators-mvp-marker-5f1c",
  VERLPOOL_TOKEN: "operators-client-marker-5f1c",
  AWS_SECRET_ACCESS_KEY: "operators-aws-marker-5f1c",
  GOOGLE_APPLICATION_CREDENTIALS: "/operators-google-marker-5f1c",
  AZURE_CLIENT_SECRET: "operators-azure-marker-5f1c",
  HF_TOKEN: "operators-hf-marker-5f1c",
  NVIDIA_API_KEY: "operators-nvidia-marker-5f1c",
  PGPASSWORD: "operators-postgres-marker-5f1c",
  RAY_AUTH_TOKEN: "operators-ray-marker-5f1c",
  DATABASE_URL: "postgres://verlpool:operators-url-marker-5f1c@db/verlpool",
};

type Answer = { readonly status: number; readonly headers: { readonly [name: string]: unknown }; readonly text: string };
type Json = { readonly [key: string]: any };

let home = "";
let root = "";
let places: Places;
let environment: { readonly [name: string]: string } = {};
let url = "";
let adminToken = "";
let databaseUrl = "";
/** Every token that was ever issued, by what it is. */
const issued: { [name: string]: string } = {};
/** Everything the API said to alice and bob. */
const heard: string[] = [];
const task = { alice: "", bob: "", second: "" };

async function call(
  token: string,
  method: string,
  path: string,
  body: object | string | null = null,
  headers: { [name: string]: string } = {},
): Promise<Answer> {
  const answer = await request(`${url}${path}`, {
    method: method as "GET",
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === null ? {} : { "content-type": typeof body === "string" ? "application/yaml" : "application/json" }),
      ...headers,
    },
    ...(body === null ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  if (token !== adminToken) heard.push(`${method} ${path} ${JSON.stringify(answer.headers)} ${text}`);
  return { status: answer.statusCode, headers: answer.headers, text };
}

function json({ status, text }: Answer, expected: number): Json {
  expect(status, text).toBe(expected);
  return JSON.parse(text) as Json;
}

async function issue(user: "alice" | "bob", name: string, scope = "full"): Promise<string> {
  const { token, token_id } = json(await call(adminToken, "POST", `/api/v2/users/${user}/tokens`, { name, scope }), 201);
  issued[`${user}'s ${name}`] = token as string;
  return token_id as string;
}

function token(name: string): string {
  const found = issued[name];
  if (found === undefined) throw new Error(`no token ${name} was issued`);
  return found;
}

const alice = (): string => token("alice's laptop");
const bob = (): string => token("bob's laptop");

function spec(): string {
  return `workload: sft
code_path: /private/common/code/hostile
model_id: /private/common/models/tiny
train_file: /private/common/datasets/tiny/train.parquet
nnodes: 1
n_gpus_per_node: 1
`;
}

async function submit(who: string, key: string): Promise<string> {
  return json(await call(who, "POST", "/api/v2/tasks", spec(), { "idempotency-key": key }), 201)["task_id"] as string;
}

function jobDirectory(user: "alice" | "bob", taskId: string): string {
  return join(root, "users", user, "jobs", `${taskId}--a01`);
}

function logOf(user: "alice" | "bob"): string {
  const path = join(jobDirectory(user, task[user]), "logs/driver.log");
  return existsSync(path) ? readFileSync(path, "latin1") : "";
}

/** Until both jobs have read all they could. */
async function bothReady(): Promise<void> {
  const deadline = AbortSignal.timeout(180_000);
  while (![logOf("alice"), logOf("bob")].every((log) => log.includes("\nREADY"))) {
    if (deadline.aborted) throw new Error([logOf("alice"), logOf("bob")].map((log) => log.slice(-3_000)).join("\n=====\n"));
    await realClock.sleep(200, quiet);
  }
}

function makeCommon(): void {
  const code = join(root, "common/code/hostile/verl");
  mkdirSync(join(code, "trainer"), { recursive: true });
  mkdirSync(join(code, "version"));
  writeFileSync(join(code, "__init__.py"), "");
  writeFileSync(join(code, "trainer/__init__.py"), "");
  writeFileSync(join(code, "version/version"), "0.9.1\n");
  copyFileSync(JOB, join(code, "trainer/sft_trainer_ray.py"));
  for (const name of ["models/tiny", "datasets/tiny", "logs", "hf"]) mkdirSync(join(root, "common", name), { recursive: true });
  writeFileSync(join(root, "common/models/tiny/config.json"), "{}");
  writeFileSync(join(root, "common/datasets/tiny/train.parquet"), "PAR1");
}

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "verlpool-isolation-"));
  root = join(home, "root");
  mkdirSync(root);
  makeCommon();
  databaseUrl = `sqlite:${join(root, "common/db/operators-database-marker-5f1c.sqlite3")}`;
  environment = {
    PATH: process.env["PATH"] ?? "/usr/bin:/bin",
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    XDG_STATE_HOME: join(home, "state"),
    VERLPOOL_DATABASE_URL: databaseUrl,
    VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "2",
    VERLPOOL_SCHEDULER_TICK_S: "0.2",
    ...OPERATORS,
  };
  places = placesOf(root, environment);
  const said: string[] = [];
  const plan = { root, port: 0, workers: 2, gpusPerWorker: 1, cpusPerWorker: 16, python: pythonFrom("VERLPOOL_TEST_PYTHON"), login: true };
  const ready = await startDetached(plan, places, environment, async (text) => void said.push(text), quiet);
  if (ready === null) throw new Error(said.join("\n"));
  url = ready;
  adminToken = readFileSync(places.adminTokenFile, "utf8").trim();
  for (const user of ["alice", "bob"] as const) {
    json(await call(adminToken, "POST", "/api/v2/users", { user_id: user }), 201);
    await issue(user, "laptop");
  }
  [task.alice, task.bob] = [await submit(alice(), "the-same-key"), await submit(bob(), "the-same-key")];
  task.second = await submit(alice(), "another-key");
  await bothReady();
}, 300_000);

afterAll(async () => {
  const stderr = { isTTY: false, write: () => Promise.resolve() };
  const code = await downCommand(root, environment, stderr, AbortSignal.timeout(150_000));
  rmSync(places.stateDir, { recursive: true, force: true });
  rmSync(home, { recursive: true, force: true });
  if (code !== 0) throw new Error("the pool did not come down");
}, 200_000);

describe("while alice's and bob's tasks run", () => {
  /** Every call about a task. */
  const CALLS: readonly (readonly [string, string])[] = [
    ...["", "/spec", "/events", "/attempts", "/curves", "/logs", "/logs?follow=true", "/logs?attempt=all&tail=10"].map(
      (path) => ["GET", path] as const,
    ),
    ...[":cancel", ":hold", ":release"].map((path) => ["POST", path] as const),
  ];

  test("of alice's task bob gets what he gets of one that does not exist, whatever he calls", async () => {
    const absent = `${task.alice.slice(0, -8)}00000000`;
    const plain = ({ status, headers: { date: _, "x-request-id": __, ...headers }, text }: Answer) => ({ status, headers, text });
    for (const [method, path] of CALLS) {
      const foreign = await call(bob(), method, `/api/v2/tasks/${task.alice}${path}`);
      const missing = await call(bob(), method, `/api/v2/tasks/${absent}${path}`);
      expect(plain(foreign), path).toEqual(plain(missing));
      expect([foreign.status, JSON.parse(foreign.text)], path).toMatchObject([404, { code: "task_not_found" }]);
    }
    const { state } = json(await call(alice(), "GET", `/api/v2/tasks/${task.alice}`), 200);
    expect(state).toBe("RUNNING");
  });

  test("lists, queue and nodes show each only their own ids, and of others a count of waiting tasks at most", async () => {
    const list = json(await call(bob(), "GET", "/api/v2/tasks"), 200);
    expect(list["tasks"].map((one: Json) => one["task_id"])).toEqual([task.bob]);
    expect(list["next_cursor"]).toBeNull();
    const queue = json(await call(bob(), "GET", "/api/v2/queue"), 200);
    expect([queue["running"].map((one: Json) => one["task_id"]), queue["waiting"]]).toEqual([[task.bob], []]);
    const { nodes } = json(await call(bob(), "GET", "/api/v2/nodes"), 200);
    const shown = nodes.flatMap((node: Json) => node["tasks"]) as (string | null)[];
    expect([shown.length, shown.filter((id) => id !== null)]).toEqual([2, [task.bob]]);
    expect(heard.filter((line) => line.includes(task.second) && !line.includes("/api/v2/tasks "))).toEqual([]);
    expect((await call(bob(), "GET", "/api/v2/tasks?user=alice")).status).toBe(403);
    expect((await call(bob(), "GET", "/api/v2/users")).status).toBe(403);
  });

  test("a cursor of alice's is none for bob, and her idempotency key is not his", async () => {
    const { next_cursor } = json(await call(alice(), "GET", "/api/v2/tasks?limit=1"), 200);
    expect(next_cursor).toBeTypeOf("string");
    const foreign = await call(bob(), "GET", `/api/v2/tasks?limit=1&cursor=${encodeURIComponent(next_cursor as string)}`);
    expect([foreign.status, JSON.parse(foreign.text)]).toMatchObject([400, { code: "bad_cursor" }]);
    expect(task.bob).not.toBe(task.alice);
    const replay = await call(bob(), "POST", "/api/v2/tasks", spec(), { "idempotency-key": "the-same-key" });
    expect([JSON.parse(replay.text)["task_id"], replay.headers["idempotent-replayed"]]).toEqual([task.bob, "true"]);
  });

  test("a revoked token ends its open stream within a second, and a rotated one works until its overlap ends", async () => {
    const tokenId = await issue("alice", "stream");
    const stream = await request(`${url}/api/v2/tasks/${task.alice}/logs?follow=true`, {
      headers: { authorization: `Bearer ${token("alice's stream")}` },
    });
    expect(stream.statusCode).toBe(200);
    const ended = stream.body.text();
    const start = performance.now();
    expect((await call(adminToken, "DELETE", `/api/v2/users/alice/tokens/${tokenId}`)).status).toBe(204);
    await ended;
    // A second by contract, and one for a machine that runs Ray beside.
    expect(performance.now() - start).toBeLessThan(2_000);
    expect((await call(token("alice's stream"), "GET", "/api/v2/me")).status).toBe(401);
    const rotatedId = await issue("alice", "rotated");
    const rotated = json(await call(adminToken, "POST", `/api/v2/users/alice/tokens/${rotatedId}:rotate`, { overlap_s: 60 }), 201);
    issued["alice's rotated, new"] = rotated["token"] as string;
    for (const name of ["alice's rotated", "alice's rotated, new"]) expect((await call(token(name), "GET", "/api/v2/me")).status).toBe(200);
    await issue("bob", "metrics", "metrics");
    expect((await call(token("bob's metrics"), "GET", "/metrics")).status).toBe(200);
  });

  test("the visible environment and the words of no process of the pool, the server's included, hold a secret", () => {
    const up = readRecord(places.recordFile)?.up.pid;
    const helpers = readdirSync("/proc").filter((pid) => /^\d+$/.test(pid) && parentOf(pid) === up);
    const pids = [String(up), ...helpers, ...findTagged(poolId(places.stateDir)).map(({ pid }) => String(pid))];
    expect(helpers.length).toBeGreaterThan(1);
    expect(pids.length).toBeGreaterThan(15);
    const secrets = {
      ...OPERATORS,
      databaseUrl,
      adminToken,
      ...issued,
      rayToken: readFileSync(join(places.stateDir, "ray-token"), "utf8").trim(),
    };
    const found = pids.flatMap((pid) => {
      const shown = Buffer.concat(["environ", "cmdline"].map((name) => readOrNothing(`/proc/${pid}/${name}`)));
      return Object.entries(secrets).flatMap(([name, secret]) => (holds(shown, secret) ? [`${pid} ${name}`] : []));
    });
    expect(found).toEqual([]);
  });

  test("Ray's dashboard asks for its token, and the server has seen that it does", async () => {
    const dashboard = readRecord(places.recordFile)?.dashboard_url ?? "";
    for (const path of ["/api/jobs/", "/api/version", "/nodes?view=summary", "/api/v0/nodes", "/api/cluster_status"]) {
      const bare = await request(`${dashboard}${path}`);
      await bare.body.dump();
      const wrong = await request(`${dashboard}${path}`, { headers: { authorization: "Bearer wrong" } });
      await wrong.body.dump();
      expect([path, bare.statusCode, wrong.statusCode]).toEqual([path, 401, 403]);
    }
    expect(JSON.parse((await call(adminToken, "GET", "/readyz")).text)).toMatchObject({
      status: "ok",
      checks: { ray_door: { status: "ok" } },
    });
    expect((await call(adminToken, "GET", "/metrics")).text).toContain("verlpool_ray_open 0");
  });

  test("of what Ray opens to every interface, nothing answers HTTP without its token", async () => {
    const ports = widePorts(findTagged(poolId(places.stateDir)).map(({ pid }) => String(pid)));
    // Of head and two workers: GCS, and each raylet's and agent's gRPC.
    expect(ports.length).toBeGreaterThan(6);
    for (const port of ports) {
      const answer = await request(`http://127.0.0.1:${port}/metrics`).then(
        async ({ statusCode, body }) => ({ statusCode, text: await body.text() }),
        () => null,
      );
      expect([port, answer]).toEqual([port, null]);
    }
  });
});

/** The ports that processes of the pool listen on, on every interface. */
function widePorts(pids: readonly string[]): readonly number[] {
  const inodes = new Set(pids.flatMap((pid) => socketsOf(pid)));
  return ["/proc/net/tcp", "/proc/net/tcp6"].flatMap((table) =>
    readFileSync(table, "latin1")
      .split("\n")
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local = "", , state, , , , , , inode = ""]) => state === "0A" && inodes.has(inode) && /^(?:0{8}|0{32}):/.test(local))
      .map(([, local = ""]) => Number.parseInt(local.split(":")[1] ?? "", 16)),
  );
}

function socketsOf(pid: string): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? []);
  } catch {
    return [];
  }
}

function parentOf(pid: string): number | null {
  const stat = readOrNothing(`/proc/${pid}/stat`).toString("latin1");
  return stat === "" ? null : Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
}

function readOrNothing(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch {
    return Buffer.alloc(0);
  }
}

describe("of what the jobs could read", () => {
  test.each(["alice", "bob"] as const)("nothing that %s's job printed holds a token, a database URL or a key of the operator's", (user) => {
    const log = logOf(user);
    // It did read: itself, its directory, the shared directories, the processes, Ray by its API and its key-value store.
    for (const proof of [
      "=== environment of the driver",
      "=== ray worker's environment",
      "=== ray /api/jobs/",
      "=== ray kv ",
      "=== process /proc/",
      "config/spec.yaml",
      "code/hostile/verl/trainer",
      "READ ray 7",
    ])
      expect(log).toContain(proof);
    for (const directory of ["job", "datasets", "models", "code", "logs"]) expect(log).toMatch(new RegExp(`READ ${directory} [1-9]`));
    expect(log).toContain("RAY_AUTH_TOKEN_PATH=");
    const secrets = { ...OPERATORS, databaseUrl, adminToken, ...issued };
    const bytes = Buffer.from(log, "latin1");
    expect(Object.keys(secrets).filter((name) => holds(bytes, secrets[name as keyof typeof secrets] ?? ""))).toEqual([]);
    for (const name of Object.keys(OPERATORS)) expect(log).not.toContain(`${name}=`);
  });

  test("what the shared uid opens is what docs/security.md names, no more and no less", async () => {
    const opened = /\nOPENS (\[.*\])\n/.exec(logOf("alice"))?.[1] ?? "";
    const names = JSON.parse(opened) as string[];
    const containment = await probeContainment(quiet);
    expect(names).toEqual([
      "other users' job directories",
      "writing other users' job directories",
      "the database",
      "run/admin.token",
      "run/verlpool.yaml",
      "Ray's cluster token",
      "head.json",
      "the launcher",
      // A PID namespace hides it, where the machine gives one.
      ...(containment === "none" ? ["the server's process"] : []),
    ]);
    const page = readFileSync(SECURITY, "utf8");
    for (const name of [...names, "the server's process"]) expect(page).toContain(`| ${name} |`);
  });

  test("the API told alice and bob no token, and neither of the other's task", () => {
    const bytes = Buffer.from(heard.join("\n"));
    for (const [name, secret] of Object.entries({ ...OPERATORS, databaseUrl, adminToken, ...issued }))
      expect(holds(bytes, secret), name).toBe(false);
  });
});

describe("after the run", () => {
  test("the tasks end as their owners wish", async () => {
    json(await call(alice(), "POST", `/api/v2/tasks/${task.second}:cancel`), 200);
    writeFileSync(join(root, "common/datasets/release"), "");
    for (const [id, state] of [
      [task.alice, "SUCCEEDED"],
      [task.bob, "SUCCEEDED"],
      [task.second, "CANCELED"],
    ] as const)
      await expect
        .poll(async () => JSON.parse((await call(adminToken, "GET", `/api/v2/tasks/${id}`)).text)["state"], {
          timeout: 60_000,
          interval: 300,
        })
        .toBe(state);
  });

  test("no issued token lies anywhere: database, WAL, logs, Ray's own files, job directories; the admin's only where it is kept", () => {
    const id = createHash("sha256")
      .update(`${process.getuid?.() ?? 0}:${places.stateDir}`)
      .digest("hex")
      .slice(0, 12);
    const searched = [home, places.stateDir, `/tmp/vp-${id}`];
    const files = filesBelow(searched);
    for (const kind of [
      /marker-5f1c\.sqlite3$/,
      /marker-5f1c\.sqlite3-wal$/,
      /\/up\.log$/,
      /driver\.log$/,
      /raylet\.out$/,
      /dashboard\.log$/,
      /gcs\/.*\.log$/,
    ])
      expect(
        files.filter((file) => kind.test(file)),
        String(kind),
      ).not.toEqual([]);
    expect(filesWithSecrets(searched, issued)).toEqual([]);
    const rayToken = readFileSync(join(places.stateDir, "ray-token"), "utf8").trim();
    expect(filesWithSecrets(searched, { adminToken, rayToken })).toEqual(
      [
        `${places.adminTokenFile}: adminToken`,
        `${join(home, "config/verlpool/context.json")}: adminToken`,
        `${join(places.stateDir, "ray-token")}: rayToken`,
      ].toSorted(),
    );
    expect(filesWithSecrets(searched, OPERATORS)).toEqual([]);
  });
});
