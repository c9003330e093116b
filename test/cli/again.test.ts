/** requeue and retry on the command line. */
import { expect, test } from "vitest";
import { cliWorld, type FakeCall, refuse, TASK_ID, taskWire, unreachable } from "../support/cli-world.ts";

const idOf = (call: FakeCall): string => call.path["task_id"] ?? "";
const found = (call: FakeCall) => ({ json: taskWire({ task_id: `mvp2-full-${idOf(call)}`, state: "FAILED" }) });
const retried = { json: { task_id: TASK_ID, state: "QUEUED", warnings: [] } };
const asked = { requested_at: "2026-08-01T12:00:00.000Z", now: false, hold: true };

test("requeue says for each task when it stops and what becomes of it", async () => {
  const requeued = (call: FakeCall) => ({ json: taskWire({ task_id: idOf(call), state: "RUNNING", requeue: asked }) });
  const cli = cliWorld({ routes: { getTask: found, requeueTask: requeued } });
  expect(await cli.run("requeue", "3d4c", "77aa", "--hold")).toBe(0);
  const calls = cli.calls.filter((call) => call.id === "requeueTask");
  expect(calls.map((call) => [idOf(call), call.query])).toEqual([
    ["mvp2-full-3d4c", { now: "false", hold: "true" }],
    ["mvp2-full-77aa", { now: "false", hold: "true" }],
  ]);
  expect(cli.stdout().split("\n")[0]).toBe(
    "mvp2-full-3d4c  RUNNING  not held  priority 0  goes back to the queue after its next complete checkpoint, held",
  );
  const now = cliWorld({ routes: { getTask: found, requeueTask: requeued } });
  expect(await now.run("requeue", "3d4c", "--now", "--json")).toBe(0);
  expect(now.calls.at(-1)?.query).toEqual({ now: "true", hold: "false" });
  expect(JSON.parse(now.stdout())).toMatchObject({ requeue: asked });
});

test("show tells of a requeue that is to come and of the task that was retried", async () => {
  const task = taskWire({ state: "RUNNING", requeue: { ...asked, now: true, hold: false }, retry_of: "mvp2-old" });
  const cli = cliWorld({ routes: { getTask: { json: task } } });
  expect(await cli.run("show", "3d4c")).toBe(0);
  expect(cli.stdout()).toMatch(/requeue +goes back to the queue at once/);
  expect(cli.stdout()).toMatch(/retry of +mvp2-old/);
});

test("retry prints the new id alone on stdout, and the server's warnings on stderr", async () => {
  const warnings = [{ code: "deadline_passed", field: null, text: "the deadline has passed" }];
  const cli = cliWorld({ routes: { getTask: found, retryTask: { json: { ...retried.json, warnings } } } });
  expect(await cli.run("retry", "3d4c")).toBe(0);
  expect(cli.stdout()).toBe(`${TASK_ID}\n`);
  expect(cli.stderr()).toContain("the deadline has passed");
  expect(cli.calls.at(-1)).toMatchObject({ id: "retryTask", query: {} });
  expect(idOf(cli.calls.at(-1) as FakeCall)).toBe("mvp2-full-3d4c");
});

test("every option of retry becomes its query parameter", async () => {
  const cli = cliWorld({ routes: { getTask: found, retryTask: retried } });
  expect(await cli.run("retry", "3d4c", "--from-scratch", "--max-runtime", "2h", "--deadline", "+2h", "--idempotency-key", "k")).toBe(0);
  expect(cli.calls.at(-1)?.query).toEqual({ from_scratch: "true", max_runtime_s: "7200", deadline: "2026-08-01T14:00:00.000Z" });
  expect(cli.calls.at(-1)?.headers["idempotency-key"]).toBe("k");
});

test("a retry whose answer was lost is sent again with the same key, so that there is one new task", async () => {
  const cli = cliWorld({
    routes: { getTask: found, retryTask: (_, nth) => (nth === 1 ? unreachable("ECONNRESET") : retried) },
  });
  expect(await cli.run("retry", "3d4c")).toBe(0);
  const keys = cli.calls.filter((call) => call.id === "retryTask").map((call) => call.headers["idempotency-key"]);
  expect(keys).toHaveLength(2);
  expect(new Set(keys).size).toBe(1);
});

test("retry --wait ends as the new task ends; of a task that has not ended it is the server's no", async () => {
  const failed = (call: FakeCall) => ({ json: taskWire({ task_id: idOf(call), state: "FAILED" }) });
  const cli = cliWorld({ routes: { getTask: failed, retryTask: retried } });
  expect(await cli.run("retry", "3d4c", "--wait")).toBe(100);
  const early = cliWorld({
    routes: { getTask: found, retryTask: refuse("wrong_state", "only an ended task can be retried; this one is RUNNING") },
  });
  expect(await early.run("retry", "3d4c")).toBe(1);
  expect(early.stderr()).toContain("this one is RUNNING");
});

test.each([[["--wait", "--follow"]], [["--max-runtime", "8"]], [["--idempotency-key", "é"]]])(
  "retry %j is a usage error and makes no task",
  async (argv) => {
    const cli = cliWorld({ routes: { getTask: found, retryTask: retried } });
    expect(await cli.run("retry", "3d4c", ...argv)).toBe(2);
    expect(cli.calls).toEqual([]);
  },
);
