import { expect, test } from "vitest";
import { cliWorld, refuse, TASK_ID, taskWire, unreachable } from "../support/cli-world.ts";

const SPEC = "workload: ppo\ncode_path: /private/common/code/verl-0.9.1\ntrain_file: /tmp/x y\n";
const FILES = { "ppo.yaml": SPEC, "b.yaml": SPEC };
const created = { json: { task_id: TASK_ID, state: "QUEUED", warnings: [] } };

test("submit sends the file's bytes and prints the id alone on stdout, what comes next on stderr", async () => {
  const cli = cliWorld({ files: FILES, routes: { createTask: created } });
  expect(await cli.run("submit", "ppo.yaml")).toBe(0);
  expect(cli.stdout()).toBe(`${TASK_ID}\n`);
  expect(cli.stderr()).toContain(`verlpool logs -f ${TASK_ID}`);
  expect(cli.calls[0]?.yaml).toBe(SPEC);
  expect(cli.calls[0]?.headers["content-type"]).toBe("application/yaml");
  expect(cli.calls[0]?.headers["authorization"]).toBe("Bearer mvp_u_test");
});

test("every submission option becomes its query parameter", async () => {
  const cli = cliWorld({ files: FILES, routes: { createTask: created } });
  const argv = ["--profile", "long@3", "--name", "try 1", "--priority", "-5", "--label", "a=1", "--label", "b=2=3"];
  expect(await cli.run("submit", "ppo.yaml", ...argv, "--max-runtime", "1h30m", "--deadline", "+2h", "--user", "bob")).toBe(0);
  expect(cli.calls[0]?.query).toEqual({
    profile: "long@3",
    name: "try 1",
    priority: "-5",
    label: ["a=1", "b=2=3"],
    max_runtime_s: "5400",
    deadline: "2026-08-01T14:00:00.000Z",
    user: "bob",
  });
});

test.each([
  [["--max-runtime", "8"], "with its unit"],
  [["--max-runtime", "0s"], "longer than nothing"],
  [["--deadline", "tomorrow"], "is not a time"],
  [["--deadline", "2026-08-01T18:00:00"], "offset"],
  [["--priority", "101"], "-100 to 100"],
  [["--label", "x"], "key=value"],
  [["--wait", "--follow"], "exclude"],
  [["--dry-run", "--wait"], "submits nothing"],
  [["b.yaml", "--follow"], "one file"],
  [["b.yaml", "--dry-run"], "one file"],
  [["b.yaml", "--idempotency-key", "k"], "one file"],
  [["--idempotency-key", "é"], "ASCII"],
  [["nosuch.yaml"], "there is no file nosuch.yaml"],
])("submit %j is a usage error and sends nothing", async (argv, text) => {
  const cli = cliWorld({ files: FILES, routes: { createTask: created } });
  expect(await cli.run("submit", "ppo.yaml", ...argv)).toBe(2);
  expect(cli.stderr()).toContain(text);
  expect(cli.stdout()).toBe("");
  expect(cli.calls).toEqual([]);
});

test("a lost answer, a 503 and a 429 are tried again with one key, and stderr tells of it", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: {
      createTask: (_, nth) => {
        if (nth === 1) return unreachable("ECONNRESET");
        if (nth === 2) return refuse("database_unavailable", "the database does not answer", { headers: { "retry-after": "7" } });
        if (nth === 3) return refuse("rate_limited", "too many requests", { headers: { "retry-after": "3" } });
        return { ...created, headers: { "idempotent-replayed": "true" } };
      },
    },
  });
  expect(await cli.run("submit", "ppo.yaml")).toBe(0);
  const keys = cli.calls.map((call) => call.headers["idempotency-key"]);
  expect(keys).toHaveLength(4);
  expect(new Set(keys).size).toBe(1);
  expect(keys[0]).toMatch(/^cli-[0-9a-f]{32}$/);
  expect(cli.sleeps[1]).toBe(7000);
  expect(cli.sleeps[2]).toBe(3000);
  expect(cli.stderr()).toContain("with the same key");
  expect(cli.stdout()).toBe(`${TASK_ID}\n`);
});

test("a server that stays away ends the tries, names the key to go on with, and exits 1", async () => {
  const cli = cliWorld({ files: FILES, routes: { createTask: () => unreachable() } });
  expect(await cli.run("submit", "ppo.yaml")).toBe(1);
  expect(cli.calls.length).toBeGreaterThan(5);
  expect(cli.sleeps.reduce((sum, ms) => sum + ms, 0)).toBeLessThanOrEqual(120_000);
  expect(cli.stderr()).toContain("--idempotency-key cli-abab");
  expect(cli.stderr()).toContain("http://127.0.0.1:8080 does not answer (ECONNREFUSED)");
  expect(cli.stderr()).toContain("the address comes from VERLPOOL_URL");
});

test("a limit that lasts longer than the tries is told at once", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: { createTask: refuse("user_limit", "50 tasks are waiting, the limit is 50", { headers: { "retry-after": "3600" } }) },
  });
  expect(await cli.run("submit", "ppo.yaml")).toBe(1);
  expect(cli.calls).toHaveLength(1);
  expect(cli.stderr()).toContain("50 tasks are waiting");
});

test("the user's own key is sent as it is", async () => {
  const cli = cliWorld({ files: FILES, routes: { createTask: created } });
  await cli.run("submit", "ppo.yaml", "--idempotency-key", "nightly 1");
  expect(cli.calls[0]?.headers["idempotency-key"]).toBe("nightly 1");
});

const specErrors = [
  {
    field: "train_file",
    line: 3,
    column: 13,
    message: "must lie under /private/common/",
    found: "/tmp/x y",
    allowed: "/private/common/…",
  },
  { field: "val_file", line: null, column: null, message: "is required for ppo", found: null, allowed: null },
];

test("errors of a spec are shown like a compiler's: place, line, caret, found, allowed", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: { createTask: refuse("invalid_spec", "the TaskSpec has 2 errors", { errors: specErrors.toReversed() }) },
  });
  expect(await cli.run("submit", "ppo.yaml")).toBe(1);
  expect(cli.stderr()).toBe(
    [
      "ppo.yaml:3:13: train_file: must lie under /private/common/",
      " 3 | train_file: /tmp/x y",
      "   |             ^^^^^^",
      "   found:   /tmp/x y",
      "   allowed: /private/common/…",
      "",
      "ppo.yaml: val_file: is required for ppo",
      "",
      "error: 2 errors in ppo.yaml; nothing was submitted",
      "",
    ].join("\n"),
  );
});

test("a caret stands under its place also after tabs, wide and escaped characters, and in a very long line", async () => {
  const line = `${"x".repeat(300)}模\u202e: bad`;
  const cli = cliWorld({
    files: { "a.yaml": `${line}\n` },
    routes: {
      createTask: refuse("invalid_spec", "1 error", {
        errors: [{ field: "", line: 1, column: 305, message: "is bad", found: null, allowed: null }],
      }),
    },
  });
  await cli.run("submit", "a.yaml");
  const [, code = "", caret = ""] = cli.stderr().split("\n");
  expect(code).toContain(String.raw`模\u202e: bad`);
  // One more cell than characters before it: 模 takes two.
  expect(caret.indexOf("^")).toBe(code.indexOf("bad") + 1);
});

test("with --json a spec's errors are the server's problem document on stderr, and stdout stays empty", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: { createTask: refuse("invalid_spec", "the TaskSpec has 2 errors", { errors: specErrors }) },
  });
  expect(await cli.run("submit", "ppo.yaml", "--json")).toBe(1);
  expect(cli.stdout()).toBe("");
  expect(JSON.parse(cli.stderr())).toMatchObject({ code: "invalid_spec", status: 400, errors: specErrors });
});

test("several files are submitted each with a key of its own; a refused one does not stop the others, and the exit code tells", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: { createTask: (_, nth) => (nth === 1 ? refuse("invalid_spec", "bad") : created) },
  });
  expect(await cli.run("submit", "ppo.yaml", "b.yaml")).toBe(1);
  expect(cli.stdout()).toBe(`${TASK_ID}\n`);
});

test("with several files one that is missing is told before any is submitted", async () => {
  const cli = cliWorld({ files: FILES, routes: { createTask: created } });
  expect(await cli.run("submit", "ppo.yaml", "missing.yaml")).toBe(2);
  expect(cli.calls).toEqual([]);
});

test("a file larger than a spec may be is not sent", async () => {
  const cli = cliWorld({ files: { "big.yaml": "x".repeat(16_385) }, routes: {} });
  expect(await cli.run("submit", "big.yaml")).toBe(1);
  expect(cli.stderr()).toContain("16 KiB");
  expect(cli.calls).toEqual([]);
});

test("- reads stdin", async () => {
  const cli = cliWorld({ stdin: SPEC, routes: { createTask: created } });
  expect(await cli.run("submit", "-")).toBe(0);
  expect(cli.calls[0]?.yaml).toBe(SPEC);
});

test("warnings go to stderr with the file and the field", async () => {
  const warnings = [{ code: "ignored_field", field: "gpu_type", text: "is ignored" }];
  const cli = cliWorld({ files: FILES, routes: { createTask: { json: { task_id: TASK_ID, state: "QUEUED", warnings } } } });
  expect(await cli.run("submit", "ppo.yaml")).toBe(0);
  expect(cli.stderr()).toContain("warning: ppo.yaml: gpu_type: is ignored");
});

test.each([
  ["SUCCEEDED", 0],
  ["FAILED", 100],
  ["CANCELED", 103],
] as const)("submit --wait of a task that ends %s exits %i", async (state, exit) => {
  const failure = { label: "oom", blame: "user", retryable: false, text: "out of GPU memory", fix: "use fewer rows a batch" } as const;
  const cli = cliWorld({
    files: FILES,
    routes: {
      createTask: created,
      getTask: (_, nth) => ({
        json:
          nth < 3
            ? taskWire({ waiting: { code: "behind", text: "1 task is before it", details: {}, until: null } })
            : taskWire({ state, failure: state === "FAILED" ? failure : null }),
      }),
    },
  });
  expect(await cli.run("submit", "ppo.yaml", "--wait")).toBe(exit);
  expect(cli.stdout()).toBe(`${TASK_ID}\n`);
  expect(cli.stderr().match(/1 task is before it/g)).toHaveLength(1);
  if (state === "FAILED") expect(cli.stderr()).toContain("what to do: use fewer rows a batch");
});

test("submit --wait --json prints the created task and the ended one, a line each, with fields this client does not know", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: { createTask: created, getTask: { json: { ...taskWire({ state: "SUCCEEDED" }), new_field: 1 } } },
  });
  expect(await cli.run("submit", "ppo.yaml", "--wait", "--json")).toBe(0);
  const lines = cli
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { [key: string]: unknown });
  expect(lines.map((line) => [line["state"], line["new_field"]])).toEqual([
    ["QUEUED", undefined],
    ["SUCCEEDED", 1],
  ]);
});

test("a task that is gone while it is waited for exits 102", async () => {
  const cli = cliWorld({ files: FILES, routes: { createTask: created, getTask: refuse("task_not_found", "task not found") } });
  expect(await cli.run("submit", "ppo.yaml", "--wait")).toBe(102);
});

test("submit --follow prints the log on stdout and exits by the task's end", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: {
      createTask: created,
      readLogs: {
        pieces: [
          ': hi\n\nevent: log\nid: 1:6\ndata: {"attempt":1,"offset":0,"text":"step 1"}\n\n',
          'event: end\ndata: {"state":"FAILED"}\n\n',
        ],
      },
      getTask: { json: taskWire({ state: "FAILED" }) },
    },
  });
  expect(await cli.run("submit", "ppo.yaml", "--follow")).toBe(100);
  expect(cli.stdout()).toBe("step 1");
  expect(cli.stderr()).toContain(`submitted: ${TASK_ID}`);
});

test("Ctrl-C in --wait detaches: exit 130, the task goes on, and how to come back", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: {
      createTask: created,
      getTask: (_, nth) => {
        if (nth === 2) cli.interrupt();
        return { json: taskWire() };
      },
    },
  });
  expect(await cli.run("submit", "ppo.yaml", "--wait")).toBe(130);
  expect(cli.stderr()).toContain(`the task goes on: ${TASK_ID}`);
  expect(cli.stderr()).toContain(`verlpool wait ${TASK_ID}`);
  expect(cli.calls.some((call) => call.id === "cancelTask")).toBe(false);
  expect(cli.listeners.size).toBe(0);
});

test("Ctrl-C while the submission is not answered says that it is not known, and how to repeat it safely", async () => {
  const cli = cliWorld({
    files: FILES,
    routes: {
      createTask: () => {
        cli.interrupt();
        return unreachable();
      },
    },
  });
  expect(await cli.run("submit", "ppo.yaml", "--wait")).toBe(130);
  expect(cli.stderr()).toContain("whether it was taken is not known");
  expect(cli.stderr()).toContain("--idempotency-key cli-abab");
});

const plan = {
  valid: true,
  argv: ["python3", "-m", "verl.trainer.main_ppo", "data.train_files='/private/common/x.parquet'"],
  env: { HF_HUB_OFFLINE: "1" },
  profile: { name: "ppo", verl_version: "0.9.1" },
  needs: { nodes: 1, gpus_per_node: 1, cpus_per_node: 8 },
  fit: { verdict: "later", per_node: [{ node: "worker-1", gpus_free: 0, cpus_free: 4, fits: false, why: "its GPU is taken" }] },
  training: {
    train_rows: 512,
    val_rows: null,
    train_batch_size: 256,
    steps_per_epoch: 2,
    total_steps: 4,
    checkpoints: 1,
    checkpoints_kept: 1,
    checkpoint_bytes: 6_442_450_944,
  },
  position: 2,
  estimate: null,
  warnings: [],
};

test("plan and submit --dry-run check without submitting", async () => {
  for (const argv of [
    ["plan", "ppo.yaml"],
    ["submit", "ppo.yaml", "--dry-run"],
  ]) {
    const cli = cliWorld({ files: FILES, routes: { planTask: { json: plan } } });
    expect(await cli.run(...argv)).toBe(0);
    expect(cli.stdout()).toContain("waits until enough is free");
    expect(cli.stdout()).toContain("its GPU is taken");
    expect(cli.stdout()).toContain(String.raw`'data.train_files='\''/private/common/x.parquet'\'''`);
    expect(cli.stderr()).toContain("nothing was submitted");
    expect(cli.calls.map((call) => call.id)).toEqual(["planTask"]);
  }
});

test("plan --json prints the plan; a spec error of plan is shown with its line", async () => {
  const good = cliWorld({ files: FILES, routes: { planTask: { json: plan } } });
  expect(await good.run("plan", "ppo.yaml", "--json")).toBe(0);
  expect(JSON.parse(good.stdout())).toEqual(plan);
  const bad = cliWorld({ files: FILES, routes: { planTask: refuse("invalid_spec", "1 error", { errors: specErrors }) } });
  expect(await bad.run("plan", "ppo.yaml")).toBe(1);
  expect(bad.stderr()).toContain(" 3 | train_file: /tmp/x y");
});
