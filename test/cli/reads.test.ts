import { expect, test } from "vitest";
import { cells } from "../../src/cli/visible.ts";
import { attemptWire, cliWorld, type FakeRoutes, refuse, summaryWire, TASK_ID, taskWire } from "../support/cli-world.ts";

const failure = {
  label: "cuda_oom",
  blame: "user",
  retryable: false,
  text: "a worker ran out of GPU memory",
  fix: "lower the batch size",
} as const;
const waiting = { code: "no_capacity", text: "needs 2 × 4 free GPUs, 3 are free", details: {}, until: null };
const progress = {
  step: 12,
  total_steps: 100,
  metric: { key: "critic/score/mean", value: 0.31234 },
  updated_at: "2026-08-01T11:59:00.000Z",
};
const ends = { start_at_low: null, start_at_high: null, end_at_low: "2026-08-01T12:05:00.000Z", end_at_high: "2026-08-01T12:20:00.000Z" };
const page = (count: number, from: number, next: string | null) => ({
  json: { tasks: Array.from({ length: count }, (_, at) => summaryWire({ task_id: `${TASK_ID}${from + at}` })), next_cursor: next },
});

test("list shows a row a task with what is worth knowing of its state", async () => {
  const tasks = [
    summaryWire({ state: "RUNNING", started_at: "2026-08-01T11:57:00.000Z", progress, estimate: ends }),
    summaryWire({ state: "PENDING_RESOURCES", waiting, name: "big" }),
    summaryWire({ state: "FAILED", failure, started_at: "2026-08-01T11:00:00.000Z", ended_at: "2026-08-01T11:30:00.000Z" }),
    summaryWire({ held: true }),
    summaryWire({ cancel_requested: true, state: "RUNNING", user_id: "bob" }),
  ];
  const cli = cliWorld({ routes: { listTasks: { json: { tasks, next_cursor: null } } } });
  expect(await cli.run("ls")).toBe(0);
  const [head, ...rows] = cli.stdout().trimEnd().split("\n");
  expect(head).toMatch(/^TASK +STATE +NAME +USER +CREATED +RAN +NOTE$/);
  expect(rows[0]).toMatch(/RUNNING .*alice +5m ago +3m +step 12\/100 critic\/score\/mean=0\.312, ends in 5m to in 20m$/);
  expect(rows[1]).toMatch(/PENDING_RESOURCES +big .*needs 2 × 4 free GPUs/);
  expect(rows[2]).toMatch(/FAILED .* 30m +cuda_oom: a worker ran out/);
  expect(rows[3]).toMatch(/held$/);
  expect(rows[4]).toMatch(/cancel requested$/);
});

test("list sends its filters; states may be lower case and joined by commas", async () => {
  const cli = cliWorld({ routes: { listTasks: page(0, 0, null) } });
  const argv = ["--state", "running,queued", "--state", "failed", "--workload", "grpo", "--label", "a=1", "--user", "bob", "--limit", "7"];
  expect(await cli.run("list", ...argv)).toBe(0);
  expect(cli.calls[0]?.query).toEqual({ state: "RUNNING,QUEUED,FAILED", workload: "grpo", label: "a=1", user: "bob", limit: "7" });
  expect(cli.stdout()).toBe("");
  expect(cli.stderr()).toContain("no tasks");
});

test("list --all reads every page, and --limit as many as it needs, and says when there are more", async () => {
  const routes = {
    listTasks: (_: unknown, nth: number) => (nth === 1 ? page(200, 0, "c1") : nth === 2 ? page(60, 200, "c2") : page(3, 260, null)),
  };
  const all = cliWorld({ routes });
  expect(await all.run("list", "--all", "--json")).toBe(0);
  expect((JSON.parse(all.stdout()) as { tasks: unknown[] }).tasks).toHaveLength(263);
  expect(all.calls.map((call) => call.query["cursor"])).toEqual([undefined, "c1", "c2"]);
  const some = cliWorld({ routes });
  expect(await some.run("list", "--limit", "260")).toBe(0);
  expect(some.calls.map((call) => call.query["limit"])).toEqual(["200", "60"]);
  expect(some.stderr()).toContain("more with --limit");
});

test.each([120, 100, 80, 60, 40, 20, 8])(
  "on a terminal of %i columns no line of a list is longer, and an id keeps its end",
  async (columns) => {
    const tasks = [summaryWire({ state: "PENDING_RESOURCES", waiting: { ...waiting, text: "模型 ".repeat(40) }, name: "n".repeat(128) })];
    const cli = cliWorld({
      tty: true,
      columns,
      env: { VERLPOOL_URL: "http://127.0.0.1:8080", VERLPOOL_TOKEN: "t", NO_COLOR: "1" },
      routes: { listTasks: { json: { tasks, next_cursor: null } } },
    });
    expect(await cli.run("list")).toBe(0);
    const lines = cli.stdout().trimEnd().split("\n");
    for (const line of lines) expect(cells(line)).toBeLessThanOrEqual(columns);
    expect(lines[1]).toContain(TASK_ID.slice(-4));
  },
);

test("a terminal that does not tell its width gets whole lines", async () => {
  const cli = cliWorld({
    tty: true,
    columns: 0,
    routes: { listTasks: { json: { tasks: [summaryWire({ waiting })], next_cursor: null } } },
  });
  await cli.run("list");
  expect(cli.stdout()).toContain(`${TASK_ID}  `);
  await cli.run("--help");
  expect(cli.stdout()).toContain("Usage: verlpool");
});

test("without a terminal nothing is cut and nothing is coloured", async () => {
  const tasks = [summaryWire({ state: "PENDING_RESOURCES", waiting: { ...waiting, text: "why ".repeat(100) } })];
  const cli = cliWorld({ routes: { listTasks: { json: { tasks, next_cursor: null } } } });
  await cli.run("list");
  expect(cli.stdout()).toContain("why ".repeat(100).trim());
  expect(cli.stdout()).not.toContain("\u001b");
});

test("states are coloured on a terminal, not with NO_COLOR and not on a dumb one; FORCE_COLOR colours a pipe", async () => {
  const routes = { listTasks: { json: { tasks: [summaryWire({ state: "FAILED" })], next_cursor: null } } };
  const coloured = async (tty: boolean, env: { [name: string]: string }): Promise<boolean> => {
    const cli = cliWorld({ tty, routes, env: { VERLPOOL_URL: "http://127.0.0.1:8080", VERLPOOL_TOKEN: "t", ...env } });
    await cli.run("list");
    return cli.stdout().includes("\u001b[31mFAILED");
  };
  expect(await coloured(true, {})).toBe(true);
  expect(await coloured(true, { NO_COLOR: "1" })).toBe(false);
  expect(await coloured(true, { TERM: "dumb" })).toBe(false);
  expect(await coloured(false, {})).toBe(false);
  expect(await coloured(false, { FORCE_COLOR: "1" })).toBe(true);
});

test("show of a waiting task says why it waits, when it is looked at again and what to type next", async () => {
  const task = taskWire({
    state: "PENDING_RESOURCES",
    waiting,
    next_run_at: "2026-08-01T12:00:40.000Z",
    estimate: { start_at_low: "2026-08-01T12:10:00.000Z", start_at_high: "2026-08-01T13:00:00.000Z", end_at_low: null, end_at_high: null },
    held: true,
    labels: { exp: "lr" },
    priority: 3,
    max_runtime_s: 3600,
    deadline: "2026-08-02T00:00:00.000Z",
    name: "first",
  });
  const cli = cliWorld({ routes: { getTask: { json: task } } });
  expect(await cli.run("show", "3d4c")).toBe(0);
  const out = cli.stdout();
  for (const text of [
    "needs 2 × 4 free GPUs, 3 are free [no_capacity]",
    "next look in 40s",
    "in 10m to in 1h",
    "held",
    "exp=lr",
    "max runtime 3600 s",
    "first",
  ])
    expect(out).toContain(text);
  expect(cli.stderr()).toContain("verlpool queue");
  expect(cli.stderr()).toContain(`verlpool cancel ${TASK_ID}`);
});

test("show of a failed task says what happened, what to do, and where its files are", async () => {
  const attempt = attemptWire({
    attempt: 2,
    state: "FAILED",
    exit_code: 1,
    ended_at: "2026-08-01T11:59:00.000Z",
    stalled: true,
    quarantined: true,
    signal: "SIGKILL",
    resumed_from: { submission_id: `${TASK_ID}--a01`, step: 20 },
  });
  const task = taskWire({ state: "FAILED", failure, attempts: 2, attempt, started_at: attempt.started_at, ended_at: attempt.ended_at });
  const cli = cliWorld({ routes: { getTask: { json: task } } });
  expect(await cli.run("show", "3d4c")).toBe(0);
  const out = cli.stdout();
  for (const text of [
    "a worker ran out of GPU memory [cuda_oom, blame: user]",
    "what to do: lower the batch size",
    "2 of 2, FAILED, on worker-1, for 2m, exit code 1, ended by SIGKILL",
    "resumed from step 20",
    attempt.job_dir,
    "(2026-08-01T11:55:00.000Z)",
  ])
    expect(out).toContain(text);
  expect(cli.stderr()).toContain(`verlpool logs --tail 100 ${TASK_ID}`);
});

test("show of a running task says why it is stalled, its alerts, and how busy its GPUs are", async () => {
  const gpu = { uuid: "GPU-7f", name: "NVIDIA H100", memory_used_mib: 62_464, memory_total_mib: 81_559 };
  const task = taskWire({
    state: "RUNNING",
    attempt: attemptWire({ stalled: true }),
    attempts: 1,
    stall: {
      code: "no_step",
      text: "no step after step 7 has come for 11 min; its log says collective_timeout",
      at: "2026-08-01T11:58:00.000Z",
    },
    alerts: [
      { code: "entropy_collapse", text: "actor/entropy fell", attempt: 1, at: "2026-08-01T11:50:00.000Z" },
      { code: "not_finite", text: "actor/loss is NaN", attempt: 1, at: "2026-08-01T11:59:00.000Z" },
    ],
    gpu_use: [
      {
        node: "w1",
        gpus_held: 2,
        shared: false,
        gpus: [
          { ...gpu, index: 0, utilization_percent: 97 },
          { ...gpu, index: 1, utilization_percent: null },
        ],
        sampled_at: "2026-08-01T11:59:50.000Z",
      },
      {
        node: "w2",
        gpus_held: 1,
        shared: true,
        gpus: [{ ...gpu, index: 0, utilization_percent: 3 }],
        sampled_at: "2026-08-01T11:50:00.000Z",
      },
    ],
  });
  const cli = cliWorld({ routes: { getTask: { json: task } } });
  expect(await cli.run("show", "3d4c")).toBe(0);
  const out = cli.stdout();
  expect(out).toMatch(/stalled +no step after step 7 has come for 11 min; its log says collective_timeout \[no_step\], marked 2m ago/);
  expect(out).toMatch(/alerts +actor\/loss is NaN \[not_finite\], 1m ago\n +actor\/entropy fell \[entropy_collapse\], 10m ago/);
  expect(out).toMatch(
    /gpus +w1: GPU 0 97 %, 61\/80 GiB · GPU 1 \? %, 61\/80 GiB\n +w2 \(holds 1 of 1; others may use the rest\): GPU 0 3 %.*10m ago/,
  );
  // Where the stacks of its processes are.
  expect(cli.stderr()).toContain(`verlpool artifacts ${TASK_ID}`);
  const quiet = cliWorld({ routes: { getTask: { json: taskWire({ state: "RUNNING", attempt: attemptWire() }) } } });
  await quiet.run("show", "3d4c");
  expect(quiet.stdout()).not.toMatch(/^(stalled|alerts|gpus) /m);
});

test("show of running and succeeded tasks points to the log and to the curves", async () => {
  const run = cliWorld({
    routes: {
      getTask: {
        json: taskWire({
          state: "RUNNING",
          attempt: attemptWire(),
          attempts: 1,
          started_at: "2026-08-01T11:57:00.000Z",
          progress,
          cancel_requested: true,
        }),
      },
    },
  });
  await run.run("show", "3d4c");
  expect(run.stdout()).toContain("RUNNING (cancel requested)");
  expect(run.stderr()).toContain(`verlpool logs -f ${TASK_ID}`);
  const done = cliWorld({ routes: { getTask: { json: taskWire({ state: "SUCCEEDED", attempt: attemptWire(), attempts: 1 }) } } });
  await done.run("show", "3d4c");
  expect(done.stderr()).toContain(`verlpool curves ${TASK_ID}`);
});

test("a task is addressed by its id as typed, and a missing one says what to do", async () => {
  const cli = cliWorld({ routes: { getTask: refuse("task_not_found", "task not found") } });
  expect(await cli.run("show", "3d4c")).toBe(1);
  expect(cli.calls[0]?.path).toEqual({ task_id: "3d4c" });
  expect(cli.stderr()).toContain("task not found: 3d4c");
  expect(cli.stderr()).toContain("verlpool list");
});

test("an id that matches several tasks is a usage error with the server's list of them", async () => {
  const cli = cliWorld({ routes: { getTask: refuse("bad_parameter", "mvp2 matches 2 tasks: a, b") } });
  expect(await cli.run("show", "mvp2")).toBe(2);
  expect(cli.stderr()).toContain("matches 2 tasks");
});

test.each([
  ["show", "getTask", taskWire({ state: "QUEUED" }), ["3d4c"]],
  ["queue", "readQueue", { running: [], waiting: [], hidden: 0, paused: null, notes: [] }, []],
  [
    "nodes",
    "listNodes",
    { head: { state: "up", epoch: 1, session: "s", address: null, since: null, text: null }, nodes: [], next_cursor: null },
    [],
  ],
  ["profiles", "listProfiles", { profiles: [], next_cursor: null }, []],
  ["events", "listEvents", { events: [], next_cursor: null }, ["3d4c"]],
  ["list", "listTasks", { tasks: [], next_cursor: null }, []],
] as const)("%s --json prints the API's object", async (command, route, json, argv) => {
  const newer = command === "list" || command === "events" ? json : { ...json, field_of_tomorrow: [1] };
  const cli = cliWorld({ routes: { [route]: { json: newer } } });
  expect(await cli.run(command, ...argv, "--json")).toBe(0);
  expect(JSON.parse(cli.stdout())).toEqual(newer);
  expect(cli.stderr()).toBe("");
});

test("a state of a newer server is shown as it is", async () => {
  const cli = cliWorld({ routes: { getTask: { text: JSON.stringify({ ...taskWire(), state: "HIBERNATING" }) } } });
  expect(await cli.run("show", "3d4c")).toBe(0);
  expect(cli.stdout()).toContain("HIBERNATING");
});

test.each(['{"task_id": 1}', "<html>not ours</html>", ""])(
  "an answer that is not understood (%s) is an error that says so",
  async (text) => {
    const cli = cliWorld({ routes: { getTask: { text } } });
    expect(await cli.run("show", "3d4c")).toBe(1);
    expect(cli.stderr()).toContain("is not what this version expects");
  },
);

test("a proxy's page or redirect instead of an answer is told as what it is", async () => {
  const page = cliWorld({ routes: { readQueue: { status: 502, text: "<h1>Bad\n Gateway</h1>" } } });
  expect(await page.run("queue")).toBe(1);
  expect(page.stderr()).toContain("HTTP 502 that is not verlpool's: <h1>Bad Gateway</h1>");
  const redirect = cliWorld({ routes: { readQueue: { status: 302, text: "" } } });
  expect(await redirect.run("queue")).toBe(1);
  expect(redirect.stderr()).toContain("a redirect, which is not followed");
});

test("a fault of the server names the request id", async () => {
  const cli = cliWorld({ routes: { readQueue: refuse("internal", "internal error", { headers: { "x-request-id": "req-7" } }) } });
  expect(await cli.run("queue")).toBe(1);
  expect(cli.stderr()).toContain("request id: req-7");
});

test("queue shows running before waiting, positions, reasons, notes and how many are hidden", async () => {
  const queue = {
    running: [
      summaryWire({ state: "RUNNING", started_at: "2026-08-01T11:59:00.000Z", progress: { ...progress, metric: null, total_steps: null } }),
    ],
    waiting: [
      {
        ...summaryWire({
          waiting,
          estimate: { start_at_low: "2026-08-01T12:10:00.000Z", start_at_high: null, end_at_low: null, end_at_high: null },
        }),
        position: 1,
      },
      { ...summaryWire({ held: true }), position: 2 },
    ],
    hidden: 3,
    paused: { at: "2026-08-01T11:30:00.000Z", by: "admin", reason: "new \u001b[2Jdrivers" },
    notes: ["the head is down since 5 min"],
  };
  const cli = cliWorld({ routes: { readQueue: { json: queue } } });
  expect(await cli.run("queue")).toBe(0);
  const rows = cli.stdout().trimEnd().split("\n").slice(1);
  expect(rows[0]).toMatch(/RUNNING +alice +1m +step 12$/);
  expect(rows[1]).toMatch(/^1 .*3 are free; starts in 10m or later$/);
  expect(rows[2]).toMatch(/^2 .*held$/);
  expect(cli.stderr()).toContain("and 3 of other users");
  expect(cli.stderr()).toMatch(/paused by admin 30m ago: new .*drivers/);
  expect(cli.stderr()).not.toContain("\u001b[2J");
  expect(cli.stderr()).toContain("note: the head is down since 5 min");
});

test("an empty queue says so on stderr", async () => {
  const cli = cliWorld({ routes: { readQueue: { json: { running: [], waiting: [], hidden: 0, paused: null, notes: [] } } } });
  expect(await cli.run("queue")).toBe(0);
  expect(cli.stdout()).toBe("");
  expect(cli.stderr()).toContain("the queue is empty");
});

/** What a node that says nothing of itself has in these places. */
const QUIET_NODE = {
  wanted: null,
  agent: null,
  held: [],
  gpu_usage: [],
  disk_free_bytes: null,
  shm_free_bytes: null,
  address: null,
};

test("nodes shows the head, what is free, own tasks and how many are of others", async () => {
  const nodes = {
    head: { state: "down", epoch: 7, session: "s", address: "10.0.0.1:6379", since: "2026-08-01T11:50:00.000Z", text: "no answer" },
    nodes: [
      {
        ...QUIET_NODE,
        node: "w-1",
        state: "alive",
        why: null,
        gpus: { total: 4, free: 1 },
        cpus: { total: 52, free: 16 },
        tasks: [TASK_ID, null, null],
        last_seen_at: "2026-08-01T11:59:57.000Z",
      },
      {
        ...QUIET_NODE,
        node: "w-2",
        state: "dirty",
        why: { code: "gpu_busy", text: "a GPU is used by a stranger" },
        gpus: { total: 4, free: 0 },
        cpus: { total: 52, free: 52 },
        tasks: [],
        last_seen_at: null,
      },
    ],
    next_cursor: null,
  };
  const cli = cliWorld({ routes: { listNodes: { json: nodes } } });
  expect(await cli.run("nodes")).toBe(0);
  expect(cli.stdout()).toContain("head down at 10.0.0.1:6379 since 10m ago: no answer");
  expect(cli.stdout()).toMatch(new RegExp(`w-1 +alive +1/4 +16/52 +3s ago +${TASK_ID} 2 of others`));
  expect(cli.stdout()).toMatch(/w-2 +dirty .*a GPU is used by a stranger/);
});

test("nodes of all pages are one table and one object", async () => {
  const head = { state: "up", epoch: null, session: null, address: null, since: null, text: null };
  const node = {
    ...QUIET_NODE,
    state: "joined",
    why: null,
    gpus: { total: 4, free: 4 },
    cpus: { total: 8, free: 8 },
    tasks: [],
    last_seen_at: null,
  };
  const routes: FakeRoutes = {
    listNodes: (call) =>
      call.query["cursor"] === "more"
        ? { json: { head, nodes: [{ ...node, node: "w-2" }], next_cursor: null } }
        : { json: { head, nodes: [{ ...node, node: "w-1" }], next_cursor: "more" } },
  };
  const cli = cliWorld({ routes });
  expect(await cli.run("nodes")).toBe(0);
  expect(cli.stdout()).toMatch(/w-1 [^]*w-2 /);
  const json = cliWorld({ routes });
  expect(await json.run("nodes", "--json")).toBe(0);
  expect(JSON.parse(json.stdout())).toEqual({
    head,
    nodes: [
      { ...node, node: "w-1" },
      { ...node, node: "w-2" },
    ],
    next_cursor: null,
  });
});

test("nodes NODE shows all that is known of one, and a name that nobody has is an error, as a task that is not there", async () => {
  const head = { state: "up", epoch: null, session: null, address: null, since: null, text: null };
  const gpu = { index: 2, uuid: "GPU-7f", name: "NVIDIA H100", utilization_percent: 97, memory_used_mib: 70_000, memory_total_mib: 81_559 };
  const node = {
    ...QUIET_NODE,
    node: "w-1",
    state: "cordoned",
    why: { code: "wanted", text: "cordoned by the admin: Xid 79" },
    wanted: { cordon: true, drain: false, by: "admin", reason: "Xid 79", at: "2026-08-01T11:50:00.000Z" },
    gpus: { total: 4, free: 0 },
    cpus: { total: 8, free: 0 },
    tasks: [TASK_ID, null],
    held: [
      { task_id: TASK_ID, gpus: 2 },
      { task_id: null, gpus: 1 },
    ],
    gpu_usage: [gpu],
    agent: { version: "2.5.0", ray_version: "2.60.0", python_version: "3.12.3", containment: "pidns" },
    last_seen_at: "2026-08-01T11:59:57.000Z",
  };
  const cli = cliWorld({ routes: { listNodes: { json: { head, nodes: [node], next_cursor: null } } } });
  expect(await cli.run("nodes", "w-1")).toBe(0);
  for (const part of [
    "cordoned by the admin: Xid 79",
    "cordon by admin, 10m ago",
    `${TASK_ID} holds 2 GPUs`,
    "GPU-7f, 97 %, 68/80 GiB",
    "3s ago",
  ])
    expect(cli.stdout()).toContain(part);
  const two = [gpu, { ...gpu, index: 3, utilization_percent: 51, memory_used_mib: null }];
  const table = cliWorld({ routes: { listNodes: { json: { head, nodes: [{ ...node, gpu_usage: two }], next_cursor: null } } } });
  await table.run("nodes");
  expect(table.stdout()).toMatch(/GPUS FREE +GPU USE +CPUS FREE[^]*0\/4 +74 %, \?\/159 GiB +0\/8/);
  const missing = cliWorld({ routes: { listNodes: { json: { head, nodes: [node], next_cursor: null } } } });
  expect(await missing.run("nodes", "w-3")).toBe(1);
});

test("node cordon sends its reason, and asks for one", async () => {
  const node = { ...QUIET_NODE, node: "w-1", state: "cordoned", why: null, gpus: { total: 4, free: 0 }, cpus: { total: 8, free: 0 } };
  const cli = cliWorld({
    routes: {
      cordonNode: (call) => {
        expect([call.path["node"], call.json]).toEqual(["w-1", { reason: "Xid 79" }]);
        return { json: { ...node, tasks: [], last_seen_at: null } };
      },
    },
  });
  expect(await cli.run("node", "cordon", "w-1", "--reason", "Xid 79")).toBe(0);
  expect(cli.stdout()).toContain("w-1  cordoned");
  expect(await cliWorld({ routes: {} }).run("node", "cordon", "w-1")).toBe(2);
});

test("a pool without workers says that tasks are queued until one joins", async () => {
  const head = { state: "up", epoch: null, session: null, address: null, since: null, text: null };
  const cli = cliWorld({ routes: { listNodes: { json: { head, nodes: [], next_cursor: null } } } });
  expect(await cli.run("nodes")).toBe(0);
  expect(cli.stderr()).toContain("no worker is in the pool");
});

const profile = (name: string, text: string) => ({
  name,
  workload: "grpo",
  verl: ["0.9"],
  exclusive: true,
  description: `about ${name}`,
  builtin: name === "grpo",
  text,
});
const profiles = {
  profiles: [profile("grpo", "lr: 1\n"), profile("long@2", "lr: 2\n"), profile("long@10", "lr: 10\n"), profile("long@3", "lr: 3\n")],
  next_cursor: null,
};

test("profiles lists them; a name prints its YAML, without a version the newest", async () => {
  const routes = { listProfiles: { json: profiles } };
  const list = cliWorld({ routes });
  await list.run("profiles");
  expect(list.stdout()).toMatch(/long@3 +grpo +0\.9 +operator +about long@3/);
  for (const [name, text] of [
    ["grpo", "lr: 1\n"],
    ["long@2", "lr: 2\n"],
    ["long", "lr: 10\n"],
  ] as const) {
    const cli = cliWorld({ routes });
    expect(await cli.run("profiles", name)).toBe(0);
    expect(cli.stdout()).toBe(text);
  }
  const json = cliWorld({ routes });
  await json.run("profiles", "long@2", "--json");
  expect(JSON.parse(json.stdout())).toEqual(profiles.profiles[1]);
  const none = cliWorld({ routes });
  expect(await none.run("profiles", "nosuch")).toBe(1);
  expect(none.stderr()).toContain("there are: grpo, long@2, long@10, long@3");
});

test("events reads all pages in order", async () => {
  const event = (seq: number) => ({
    seq,
    task_id: TASK_ID,
    attempt: seq === 1 ? null : 1,
    at: "2026-08-01T11:55:00.000Z",
    actor: "user:alice",
    type: seq === 1 ? "created" : "state_changed",
    from: seq === 1 ? null : ("QUEUED" as const),
    to: seq === 1 ? ("QUEUED" as const) : ("SUBMITTING" as const),
    reason: seq === 1 ? null : { code: "launch", text: "it fits worker-1" },
    data: {},
  });
  const cli = cliWorld({
    routes: {
      listEvents: (call) => ({
        json: call.query["after"] === undefined ? { events: [event(1)], next_cursor: "x" } : { events: [event(2)], next_cursor: null },
      }),
    },
  });
  expect(await cli.run("events", "3d4c")).toBe(0);
  expect(cli.calls[1]?.query["after"]).toBe("1");
  expect(cli.stdout()).toMatch(/1 +5m ago +user:alice +created +QUEUED/);
  expect(cli.stdout()).toMatch(/2 .*QUEUED → SUBMITTING +1 +it fits worker-1 \[launch\]/);
});

const limited = (seconds: number) =>
  refuse("rate_limited", "this token has had its 10 requests a second, 50 at once", { headers: { "retry-after": String(seconds) } });

test("a read over the rate limit waits as long as the server asks, says so once, and goes on", async () => {
  const answers = [limited(1), limited(2), { json: { tasks: [], next_cursor: null } }];
  const cli = cliWorld({ routes: { listTasks: (_, nth) => answers[nth - 1] ?? limited(1) } });
  expect(await cli.run("list")).toBe(0);
  expect(cli.sleeps).toEqual([1000, 2000]);
  expect(cli.stderr().match(/too many requests: this token has had its 10 requests a second, 50 at once; waiting 1 s/g)).toHaveLength(1);
});

test("a limit that does not end, or is far, ends the command with the limit's words and the time", async () => {
  const cli = cliWorld({ routes: { listTasks: limited(1) } });
  expect(await cli.run("list")).toBe(1);
  expect(cli.calls).toHaveLength(6);
  expect(cli.stderr()).toContain("try again in 1 s");
  const far = cliWorld({ routes: { listTasks: limited(60) } });
  expect(await far.run("list")).toBe(1);
  expect([far.calls.length, far.sleeps]).toEqual([1, []]);
});

const gpuTime = (productive: number, parts = {}) => {
  const split = { productive, recomputed: 0, stalled: 0, before_first_step: 0, unknown: 0, ...parts };
  const total = Object.values(split).reduce((sum, ms) => sum + ms, 0);
  return { gpu_seconds: Math.round(total / 1000), gpu_ms: { total, ...split } };
};

test("usage shows GPU-hours by day and user, what they went into, and the sum", async () => {
  const usage = [
    { day: "2026-08-01", user_id: "alice", ...gpuTime(7_200_000) },
    { day: "2026-08-01", user_id: "bob", ...gpuTime(36_000_000, { stalled: 3_600_000 }) },
    { day: "2026-07-31", user_id: "alice", ...gpuTime(1_800_000) },
  ];
  const total = gpuTime(45_000_000, { stalled: 3_600_000 });
  const cli = cliWorld({ routes: { readUsage: { json: { usage, groups: null, total, next_cursor: null } } } });
  expect(await cli.run("usage", "--days", "30")).toBe(0);
  expect(cli.calls[0]?.query).toEqual({ days: "30" });
  expect(cli.stdout()).not.toContain("UNKNOWN");
  const rows = cli.stdout().trimEnd().split("\n").slice(1);
  expect(rows.map((row) => row.trim().split(/ +/))).toEqual([
    ["2026-08-01", "alice", "2.00", "2.00", "0.00"],
    ["2026-08-01", "bob", "11.00", "10.00", "1.00"],
    ["2026-07-31", "alice", "0.50", "0.50", "0.00"],
    ["all", "13.50", "12.50", "1.00"],
  ]);
  const groups = [{ key: "w1", ...total }];
  const byNode = cliWorld({ routes: { readUsage: { json: { usage, groups, total, next_cursor: null } } } });
  expect(await byNode.run("usage", "--since", "2d", "--by", "node")).toBe(0);
  expect(Object.keys(byNode.calls[0]?.query ?? {}).toSorted()).toEqual(["by", "since"]);
  expect(byNode.stdout()).toMatch(/^NODE +GPU-HOURS +PRODUCTIVE +STALLED\nw1 +13\.50 +12\.50 +1\.00\nall +13\.50/);
  expect(await cliWorld().run("usage", "--since", "2d", "--days", "3")).toBe(2);
  expect(await cliWorld().run("usage", "--by", "moon")).toBe(2);
  const none = cliWorld({ routes: { readUsage: { json: { usage: [], groups: null, total: gpuTime(0), next_cursor: null } } } });
  expect(await none.run("usage")).toBe(0);
  expect(none.stderr()).toContain("no GPU was used in the last 7 days");
});
