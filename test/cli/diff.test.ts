import { expect, test } from "vitest";
import { cliWorld, type FakeRoutes, refuse, taskWire } from "../support/cli-world.ts";

const A = "mvp2-alice-ppo-20260801-115500-aaaaaaaa";
const B = "mvp2-alice-ppo-20260801-115500-bbbbbbbb";

function why(last: number) {
  return {
    task_id: A,
    state: "SUCCEEDED",
    at: "2026-08-01T12:00:00.000Z",
    headline: "it is done",
    waiting: null,
    running: null,
    failed: null,
    ended: {
      at: "2026-08-01T12:00:00.000Z",
      ran_s: 60,
      by: null,
      step: 12,
      metric: { key: "critic/rewards/mean", first: 0.2, last, best: last },
      checkpoint: null,
      job_dir: null,
    },
    again: null,
    alerts: [],
    attempts: [],
    next: [],
    notes: [],
  };
}

const created = (rows: number) => ({
  seq: 1,
  task_id: A,
  attempt: null,
  at: "2026-08-01T12:00:00.000Z",
  actor: "user:alice",
  type: "created",
  from: null,
  to: "QUEUED",
  reason: null,
  data: { verl_version: "0.9.1", train_file: { rows, bytes: 7, modified_at: "2026-07-01T00:00:00.000Z" } },
});

const isA = (path: { readonly [name: string]: string }): boolean => (path["task_id"] ?? "").endsWith("aaaaaaaa");

const ROUTES: FakeRoutes = {
  getTask: ({ path }) => ({
    json: isA(path) ? taskWire({ task_id: A, attempts: 1 }) : taskWire({ task_id: B, attempts: 2, profile: "ppo-long@2" }),
  }),
  explainTask: ({ path }) => ({ json: why(isA(path) ? 0.5 : 0.7) }),
  listEvents: ({ path }) => ({ json: { events: [created(isA(path) ? 512 : 1024)], next_cursor: null } }),
  readArtifact: ({ path }) => ({
    text: JSON.stringify([
      "python3",
      "-m",
      "verl.trainer.main_ppo",
      `data.seed=${isA(path) ? 1 : 2}`,
      "data.x=1",
      `trainer.experiment_name=${path["task_id"]}`,
    ]),
  }),
};

test("diff shows what differs in profile, data, settings and outcome, and counts the rest", async () => {
  const cli = cliWorld({ routes: ROUTES });
  expect(await cli.run("diff", A, B)).toBe(0);
  const lines = cli
    .stdout()
    .split("\n")
    .map((line) => line.replaceAll(/ +/g, " ").trim());
  expect(lines).toContain("submission profile ppo@0.9 ppo-long@2".replace("ppo@0.9", taskWire().profile));
  expect(lines.find((line) => line.includes("train_file"))).toMatch(/^code and data train_file 512 rows, 7 bytes.* 1024 rows/);
  expect(lines).toContain("settings data.seed 1 2");
  expect(lines.find((line) => line.includes("critic/rewards/mean"))).toContain("0.2 → 0.5, best 0.5 0.2 → 0.7, best 0.7");
  expect(cli.stdout()).not.toContain("data.x");
  expect(cli.stdout()).not.toContain("experiment_name");
  expect(cli.stderr()).toMatch(/\d+ more are the same: --all/);
  expect(cli.calls.find((call) => call.id === "readArtifact" && !isA(call.path))?.path["path"]).toBe("a02/config/argv.json");
});

test("diff --json says of each row whether it is the same; files that are gone leave the settings out", async () => {
  const cli = cliWorld({ routes: { ...ROUTES, readArtifact: refuse("not_found", "gone") } });
  expect(await cli.run("diff", A, B, "--all", "--json")).toBe(0);
  const { a, b, rows } = JSON.parse(cli.stdout()) as { a: string; b: string; rows: { part: string; key: string; same: boolean }[] };
  expect([a, b]).toEqual([A, B]);
  expect(rows.filter(({ part }) => part === "settings")).toEqual([]);
  expect(rows.find(({ key }) => key === "workload")?.same).toBe(true);
  expect(rows.find(({ key }) => key === "profile")?.same).toBe(false);
});
