import { expect, test } from "vitest";
import type { WhyWire } from "../../src/contract/insight.ts";
import { cells } from "../../src/cli/visible.ts";
import { cliWorld, NOW, refuse, TASK_ID } from "../support/cli-world.ts";

const at = (ms: number): string => new Date(NOW + ms).toISOString();
const MINUTE = 60_000;

function why(changes: Partial<WhyWire>): WhyWire {
  return {
    task_id: TASK_ID,
    state: "RUNNING",
    at: at(0),
    headline: "It runs.",
    waiting: null,
    running: null,
    failed: null,
    ended: null,
    again: null,
    alerts: [],
    attempts: [],
    next: [`verlpool logs ${TASK_ID} -f`],
    notes: [],
    ...changes,
  };
}

const running: WhyWire["running"] = {
  attempt: 2,
  since: at(-10 * MINUTE),
  step: 12,
  total_steps: 100,
  last_step_at: at(-5_000),
  step_seconds: 10.24,
  steps_per_hour: 351.5,
  tokens_per_s: 1_234.5,
  shares: [
    { name: "rollout", share: 0.62 },
    { name: "update", share: 0.3 },
  ],
  metric: { key: "critic/rewards/mean", first: 0.25, last: 0.31, best: 0.4 },
  end: { low: at(13 * MINUTE), high: at(18 * MINUTE) },
  stalled: null,
  resumed_from: { submission_id: `${TASK_ID}--a01`, step: 10 },
};

const failed: WhyWire["failed"] = {
  label: "cuda_oom_train",
  blame: "config",
  retryable: false,
  text: "CUDA out of memory",
  explanation: "The trainer ran out of GPU memory.",
  fix: "Lower the micro batch.",
  evidence: Array.from({ length: 8 }, (_, line) => ({ line: 4_000 + line, text: `torch.OutOfMemoryError: ${"x".repeat(300)}` })),
};

async function told(answer: WhyWire, columns = 100): Promise<{ readonly out: string; readonly all: string }> {
  const cli = cliWorld({
    tty: true,
    columns,
    env: { VERLPOOL_URL: "http://127.0.0.1:8080", VERLPOOL_TOKEN: "t", NO_COLOR: "1" },
    routes: { explainTask: { json: answer } },
  });
  expect(await cli.run("why", "3d4c")).toBe(0);
  return { out: cli.stdout(), all: cli.stdout() + cli.stderr() };
}

test("why of a running task says step, rate, what its time goes into, and when it ends", async () => {
  const { out } = await told(why({ running, alerts: [{ code: "entropy_collapse", text: "it fell", attempt: 2, at: at(0) }] }));
  for (const text of [
    "12 of 100, the last one 5s ago",
    "critic/rewards/mean 0.25 → 0.31 (best 0.4)",
    "10.2 s a step, 1235 tokens/s",
    "rollout 62 %, update 30 %",
    "in 13m to 18m",
    "from step 10",
    "entropy_collapse: it fell",
  ])
    expect(out).toContain(text);
});

test("why of a waiting task says the place, the nodes and what would help", async () => {
  const waiting: WhyWire["waiting"] = {
    code: "no_capacity",
    text: "needs 2 × 4 free GPUs, 3 are free",
    until: null,
    position: 2,
    fit: "later",
    per_node: Array.from({ length: 9 }, (_, n) => ({ node: `w-${n}`, gpus_free: 1, cpus_free: 4, fits: false, why: "3 GPUs too few" })),
    start: { low: at(5 * MINUTE), high: null },
    sooner: ["ask for less"],
  };
  const { out } = await told(why({ state: "PENDING_RESOURCES", waiting }));
  for (const text of ["[no_capacity]", "w-0: 3 GPUs too few", "and 5 more: verlpool nodes", "in 5m or later", "ask for less"])
    expect(out).toContain(text);
});

test("why of a failed task shows the lines that tell it, and how to go on", async () => {
  const again = { command: `verlpool retry ${TASK_ID}`, resumes_from: null, text: "it would begin at step 0" };
  const { out } = await told(
    why({ state: "FAILED", failed, again, attempts: ["attempt 1 LOST: node_lost"], notes: ["the pace can't be read now"] }),
  );
  for (const text of [
    "line 4000: torch.OutOfMemoryError",
    "blame: config",
    "Lower the micro batch",
    `verlpool retry ${TASK_ID}`,
    "attempt 1 LOST",
    "can't be read now",
  ])
    expect(out).toContain(text);
});

test.each([60, 80, 120])("the longest answer takes at most 28 lines, and on %i columns no line of a log is longer", async (columns) => {
  const ended = {
    at: at(0),
    ran_s: 100,
    by: null,
    step: 12,
    metric: running?.metric ?? null,
    checkpoint: running?.resumed_from ?? null,
    job_dir: "/private/users/alice/jobs/x",
  };
  const again = { command: `verlpool retry ${TASK_ID}`, resumes_from: null, text: "it would begin at step 0" };
  const alerts = Array.from({ length: 6 }, (_, n) => ({ code: `alert_${n}`, text: "short", attempt: 1, at: at(0) }));
  const attempts = Array.from({ length: 9 }, (_, n) => `attempt ${n} LOST: ${"y".repeat(200)}`);
  const { all, out } = await told(why({ state: "FAILED", failed, ended, again, alerts, attempts }), columns);
  expect(all.trimEnd().split("\n").length).toBeLessThanOrEqual(28);
  for (const line of out.split("\n").filter((text) => /line \d|LOST/.test(text))) expect(cells(line)).toBeLessThanOrEqual(columns);
});

test("why --json is the API's object; a task of somebody else is not found", async () => {
  const cli = cliWorld({ routes: { explainTask: { json: why({ running }) } } });
  expect(await cli.run("why", "3d4c", "--json")).toBe(0);
  expect(JSON.parse(cli.stdout())).toMatchObject({ running: { step: 12 } });
  const missing = cliWorld({ routes: { explainTask: refuse("task_not_found", "task not found") } });
  expect(await missing.run("why", "3d4c")).toBe(1);
});
