import { expect, test } from "vitest";
import { attemptWire, cliWorld, type FakeRoutes, refuse, summaryWire, taskWire } from "../support/cli-world.ts";

/** security.md §3.6: what may stand in a name, an error or a log. */
const HOSTILE = [
  "\u001b]0;pwn\u0007",
  "\u001b[2J",
  "\u001b]52;c;aGk=\u0007",
  "\u001b]8;;http://evil\u0007x",
  "\u009b31m",
  "over\rwrite",
  "two\nlines",
  "\u202egnp.exe",
  "\u2066\u200b\ufeff",
  "\u{e0041}tag",
  "<img src=x onerror=alert(1)>",
  "=cmd|' /C calc'!A0",
].join(" ");

/** Everything that could act on a terminal. Line ends and our own colours are taken out before. */
// oxlint-disable-next-line no-control-regex -- that is the point
const ACTS = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;
// oxlint-disable-next-line no-control-regex
const ours = (text: string): string => text.replaceAll(/\u001b\[\d+m|\n/g, "");

const failure = { label: HOSTILE, blame: "user", retryable: false, text: HOSTILE, fix: HOSTILE } as const;
const task = taskWire({
  alerts: [{ code: HOSTILE, text: HOSTILE, attempt: 1, at: HOSTILE }],
  stall: { code: HOSTILE, text: HOSTILE, at: HOSTILE },
  gpu_use: [{ node: HOSTILE, gpus_held: 1, shared: true, gpus: [], sampled_at: HOSTILE }],
  name: HOSTILE,
  user_id: HOSTILE,
  task_id: HOSTILE,
  profile: HOSTILE,
  labels: { [HOSTILE]: HOSTILE },
  waiting: { code: HOSTILE, text: HOSTILE, details: {}, until: null },
  deadline: HOSTILE,
  progress: { step: 1, total_steps: 2, metric: { key: HOSTILE, value: 1 }, updated_at: HOSTILE },
  attempt: attemptWire({ node: HOSTILE, job_dir: HOSTILE, signal: HOSTILE, resumed_from: { submission_id: HOSTILE, step: 1 } }),
  attempts: 1,
  spec: { ...taskWire().spec, model_id: HOSTILE, code_path: HOSTILE, train_file: HOSTILE },
});
const { spec: _, ...summary } = task;
const user = {
  user_id: HOSTILE,
  display_name: HOSTILE,
  state: "ACTIVE",
  limits: { max_queued: 1, max_running: 1, max_gpus: 1, submits_per_minute: 1, max_storage_gib: 1, max_priority: 0 },
  created_at: HOSTILE,
} as const;
const plan = {
  valid: true,
  argv: [HOSTILE],
  env: { A: HOSTILE },
  profile: { name: HOSTILE, verl_version: HOSTILE },
  needs: { nodes: 1, gpus_per_node: 1, cpus_per_node: 1 },
  fit: { verdict: "now", per_node: [{ node: HOSTILE, gpus_free: 1, cpus_free: 1, fits: false, why: HOSTILE }] },
  training: null,
  position: 1,
  estimate: null,
  warnings: [{ code: HOSTILE, field: HOSTILE, text: HOSTILE }],
};
const checkpoint = { submission_id: HOSTILE, step: 1 };
const curves = (_: unknown, nth: number) => ({
  json: {
    attempts: [],
    line: {
      steps: nth === 1 ? [1, 2] : [],
      series: { [HOSTILE]: nth === 1 ? [1, 2] : [] },
      segments: [{ submission_id: HOSTILE, task_id: HOSTILE, attempt: 1, from_step: 1, to_step: 2, source: "file" }],
    },
    keys: [HOSTILE],
    every: 1,
    complete: true,
    next_after_step: nth === 1 ? 2 : null,
  },
});
const metric = { key: HOSTILE, first: 1, last: 2, best: 3 };
const why = {
  task_id: HOSTILE,
  state: "FAILED",
  at: HOSTILE,
  headline: HOSTILE,
  waiting: {
    code: HOSTILE,
    text: HOSTILE,
    until: HOSTILE,
    position: 1,
    fit: "later",
    per_node: plan.fit.per_node,
    start: { low: HOSTILE, high: HOSTILE },
    sooner: [HOSTILE],
  },
  running: {
    attempt: 1,
    since: HOSTILE,
    step: 1,
    total_steps: 2,
    last_step_at: HOSTILE,
    step_seconds: 1,
    steps_per_hour: 3600,
    tokens_per_s: 1,
    shares: [{ name: HOSTILE, share: 1 }],
    metric,
    end: { low: HOSTILE, high: null },
    stalled: HOSTILE,
    resumed_from: checkpoint,
  },
  failed: { ...failure, explanation: HOSTILE, evidence: [{ line: 1, text: HOSTILE }] },
  ended: { at: HOSTILE, ran_s: 1, by: HOSTILE, step: 1, metric, checkpoint, job_dir: HOSTILE },
  again: { command: HOSTILE, resumes_from: checkpoint, text: HOSTILE },
  alerts: [{ code: HOSTILE, text: HOSTILE, attempt: 1, at: HOSTILE }],
  attempts: [HOSTILE],
  next: [HOSTILE],
  notes: [HOSTILE],
};
const errors = [{ field: HOSTILE, line: 1, column: 3, message: HOSTILE, found: HOSTILE, allowed: HOSTILE }];

const CASES: readonly (readonly [argv: readonly string[], routes: FakeRoutes])[] = [
  [["show", "3d4c"], { getTask: { json: task } }],
  [["show", "3d4c"], { getTask: { json: { ...task, state: "FAILED", failure } } }],
  [["wait", "3d4c"], { getTask: { json: { ...task, state: "FAILED", failure } } }],
  [["list"], { listTasks: { json: { tasks: [summary, { ...summary, failure, user_id: "b" }], next_cursor: null } } }],
  [
    ["queue"],
    { readQueue: { json: { running: [summary], waiting: [{ ...summary, position: 1 }], hidden: 0, paused: null, notes: [HOSTILE] } } },
  ],
  [
    ["nodes"],
    {
      listNodes: {
        json: {
          head: { state: "up", epoch: 1, session: HOSTILE, address: HOSTILE, since: HOSTILE, text: HOSTILE },
          nodes: [
            {
              node: HOSTILE,
              state: HOSTILE,
              why: { code: HOSTILE, text: HOSTILE },
              gpus: { total: 1, free: 1 },
              cpus: { total: 1, free: 1 },
              tasks: [HOSTILE],
              held: [{ task_id: HOSTILE, gpus: 1 }],
              wanted: { cordon: true, drain: false, by: HOSTILE, reason: HOSTILE, at: HOSTILE },
              agent: { version: HOSTILE, ray_version: HOSTILE, python_version: HOSTILE, containment: HOSTILE },
              gpu_usage: [{ index: 0, uuid: HOSTILE, name: HOSTILE, utilization_percent: 1, memory_used_mib: 1, memory_total_mib: 1 }],
              disk_free_bytes: 1,
              shm_free_bytes: 1,
              address: HOSTILE,
              last_seen_at: HOSTILE,
            },
          ],
          next_cursor: null,
        },
      },
    },
  ],
  [
    ["profiles"],
    {
      listProfiles: {
        json: {
          profiles: [
            { name: HOSTILE, workload: "ppo", verl: [HOSTILE], exclusive: false, description: HOSTILE, builtin: true, text: HOSTILE },
          ],
          next_cursor: null,
        },
      },
    },
  ],
  [
    ["profiles", "p"],
    {
      listProfiles: {
        json: {
          profiles: [{ name: "p", workload: "ppo", verl: [], exclusive: false, description: "", builtin: true, text: HOSTILE }],
          next_cursor: null,
        },
      },
    },
  ],
  [
    ["events", "3d4c"],
    {
      listEvents: {
        json: {
          events: [
            {
              seq: 1,
              task_id: HOSTILE,
              attempt: 1,
              at: HOSTILE,
              actor: HOSTILE,
              type: HOSTILE,
              from: "QUEUED",
              to: "FAILED",
              reason: { code: HOSTILE, text: HOSTILE },
              data: {},
            },
          ],
          next_cursor: null,
        },
      },
    },
  ],
  [["curves", "3d4c"], { readCurves: curves }],
  [["curves", "3d4c", "--csv"], { readCurves: curves }],
  [["curves", "3d4c", "--keys"], { readCurves: curves }],
  [["why", "3d4c"], { explainTask: { json: why } }],
  [
    ["artifacts", "3d4c"],
    {
      getTask: { json: task },
      listArtifacts: {
        json: {
          artifacts: [
            {
              path: HOSTILE,
              kind: "debug",
              attempt: 1,
              submission_id: HOSTILE,
              bytes: 1,
              files: 1,
              modified_at: HOSTILE,
              location: HOSTILE,
              step: null,
              complete: false,
              why: HOSTILE,
              downloadable: true,
            },
          ],
          next_cursor: null,
          total_bytes: 1,
          truncated: true,
          gone_attempts: [2],
        },
      },
    },
  ],
  [
    ["catalog"],
    {
      readCatalog: {
        json: {
          code: [{ path: HOSTILE, verl_version: HOSTILE }],
          models: [{ model_id: HOSTILE, parameters: 500_000_000 }],
          datasets: [{ path: HOSTILE, bytes: 1, rows: 1, workloads: [HOSTILE], columns: [HOSTILE], problem: null }],
          truncated: true,
        },
      },
    },
  ],
  [
    ["diff", "3d4c", "3d4d", "--all"],
    {
      getTask: (_, nth) => ({ json: { ...task, priority: nth } }),
      explainTask: { json: why },
      listEvents: { json: { events: [], next_cursor: null } },
      readArtifact: { text: JSON.stringify([`${HOSTILE}=${HOSTILE}`]) },
    },
  ],
  [["artifacts", "3d4c", "a01/x"], { getTask: { json: task }, readArtifact: { text: HOSTILE } }],
  [["logs", "3d4c", "--tail", "1"], { getTask: { json: task }, readLogs: { text: HOSTILE } }],
  [
    ["whoami"],
    {
      me: {
        json: {
          role: "user",
          user_id: HOSTILE,
          display_name: HOSTILE,
          state: "ACTIVE",
          scope: "full",
          limits: user.limits,
          storage: null,
          jobs_dir: HOSTILE,
          version: HOSTILE,
        },
      },
    },
  ],
  [["user", "list"], { listUsers: { json: { users: [user], next_cursor: null } } }],
  [["user", "create", "bob"], { createUser: { json: user } }],
  [
    ["token", "list", "bob"],
    {
      listTokens: {
        json: {
          tokens: [
            {
              token_id: HOSTILE,
              user_id: HOSTILE,
              name: HOSTILE,
              scope: "full",
              last4: HOSTILE,
              created_at: HOSTILE,
              expires_at: HOSTILE,
              revoked_at: HOSTILE,
              last_used_at: HOSTILE,
              replaced_by: HOSTILE,
            },
          ],
          next_cursor: null,
        },
      },
    },
  ],
  [
    ["token", "create", "bob"],
    {
      createToken: {
        json: {
          token_id: HOSTILE,
          user_id: HOSTILE,
          name: HOSTILE,
          scope: "full",
          last4: "x",
          created_at: HOSTILE,
          expires_at: HOSTILE,
          token: HOSTILE,
        },
      },
    },
  ],
  [
    ["audit"],
    {
      listAudit: {
        json: {
          audit: [
            {
              id: 1,
              at: HOSTILE,
              actor: HOSTILE,
              action: "user.limits",
              target: HOSTILE,
              user_id: HOSTILE,
              from: HOSTILE,
              token_id: HOSTILE,
              request_id: HOSTILE,
              data: { [HOSTILE]: HOSTILE, max_gpus: { from: HOSTILE, to: [HOSTILE] } },
            },
          ],
          next_cursor: null,
        },
      },
    },
  ],
  [["cancel", "3d4c"], { getTask: { json: task }, cancelTask: { json: { task_id: HOSTILE, state: "CANCELED", cancel_requested: true } } }],
  [["hold", "3d4c"], { getTask: { json: task }, holdTask: { json: task } }],
  [["plan", "a.yaml"], { planTask: { json: plan } }],
  [["submit", "a.yaml"], { createTask: { json: { task_id: HOSTILE, state: "QUEUED", warnings: plan.warnings } } }],
  [["submit", "a.yaml"], { createTask: refuse("invalid_spec", HOSTILE, { errors }) }],
  [["list"], { listTasks: { ...refuse("internal", HOSTILE), headers: { "x-request-id": HOSTILE } } }],
  [["list"], { listTasks: { status: 500, text: HOSTILE } }],
  [["list"], { listTasks: { text: JSON.stringify({ tasks: [{ ...summary, labels: { [HOSTILE]: 1 } }], next_cursor: null }) } }],
  [["list", "--json"], { listTasks: { json: { tasks: [summary], next_cursor: null } } }],
  [["list", "--json"], { listTasks: refuse("internal", HOSTILE) }],
];

test.each(CASES)("%j lets no text of the server act on a terminal", async (argv, routes) => {
  const cli = cliWorld({ tty: true, columns: 4000, files: { "a.yaml": `${HOSTILE}\n` }, routes });
  await cli.run(...argv);
  const written = cli.stdout() + cli.stderr();
  expect(written).toContain("pwn");
  expect(ACTS.exec(ours(written))).toBeNull();
});

test("what the user typed is made visible too", async () => {
  for (const argv of [
    ["show", HOSTILE],
    ["submit", HOSTILE],
    ["list", "--limit", "1", "--user", HOSTILE],
    [HOSTILE],
    ["logs", "3d4c", "--attempt", HOSTILE],
    ["submit", "a", "--deadline", HOSTILE],
    ["submit", "a", "--priority", HOSTILE],
  ]) {
    const cli = cliWorld({ tty: true, routes: { listTasks: refuse("bad_parameter", HOSTILE) } });
    expect(await cli.run(...argv)).toBe(2);
    expect(ACTS.exec(ours(cli.stderr()))).toBeNull();
  }
});

test("JSON with escaped characters is the same value", async () => {
  const cli = cliWorld({ tty: true, routes: { listTasks: { json: { tasks: [summaryWire({ name: HOSTILE })], next_cursor: null } } } });
  await cli.run("list", "--json");
  expect(JSON.parse(cli.stdout())).toMatchObject({ tasks: [{ name: HOSTILE }] });
});
