import { expect, test } from "vitest";
import { cliWorld, type FakeCall, refuse, summaryWire, taskWire } from "../support/cli-world.ts";

const idOf = (call: FakeCall): string => call.path["task_id"] ?? "";
const found = (call: FakeCall) => ({ json: taskWire({ task_id: `mvp2-full-${idOf(call)}` }) });
const canceled = (call: FakeCall) => ({ json: { task_id: idOf(call), state: "RUNNING", cancel_requested: true } });
const many = (count: number) => ({
  json: { tasks: Array.from({ length: count }, (_, at) => summaryWire({ task_id: `mvp2-t${at}` })), next_cursor: null },
});

test("cancel resolves what was typed and cancels the full id", async () => {
  const cli = cliWorld({ routes: { getTask: found, cancelTask: canceled } });
  expect(await cli.run("cancel", "3d4c")).toBe(0);
  expect(cli.calls.map((call) => [call.id, idOf(call)])).toEqual([
    ["getTask", "3d4c"],
    ["cancelTask", "mvp2-full-3d4c"],
  ]);
  expect(cli.stdout()).toBe("mvp2-full-3d4c  RUNNING  cancel requested\n");
});

test("cancel of several goes on after one that is not there, and exits by it", async () => {
  const cli = cliWorld({
    routes: { getTask: (call) => (idOf(call) === "gone" ? refuse("task_not_found", "task not found") : found(call)), cancelTask: canceled },
  });
  expect(await cli.run("cancel", "gone", "3d4c", "--json")).toBe(1);
  expect(JSON.parse(cli.stdout())).toEqual({ task_id: "mvp2-full-3d4c", state: "RUNNING", cancel_requested: true });
  expect(JSON.parse(cli.stderr())).toMatchObject({ code: "task_not_found" });
});

test("cancel by filter takes only tasks that have not ended", async () => {
  const cli = cliWorld({ routes: { listTasks: many(2), cancelTask: canceled } });
  expect(await cli.run("cancel", "--label", "exp=lr")).toBe(0);
  expect(cli.calls[0]?.query).toMatchObject({ state: "QUEUED,PENDING_RESOURCES,SUBMITTING,SUBMITTED,RUNNING", label: "exp=lr" });
  expect(cli.calls.filter((call) => call.id === "cancelTask")).toHaveLength(2);
  const state = cliWorld({ routes: { listTasks: many(0) } });
  expect(await state.run("cancel", "--state", "queued", "--user", "bob")).toBe(0);
  expect(state.calls[0]?.query).toMatchObject({ state: "QUEUED", user: "bob" });
  expect(state.stderr()).toContain("no task matches");
});

test("cancel of more than 5 asks on a terminal: only a yes cancels", async () => {
  for (const [answer, exit, cancels] of [
    ["y\n", 0, 6],
    ["yes\n", 0, 6],
    ["\n", 1, 0],
    ["n\n", 1, 0],
    ["", 1, 0],
  ] as const) {
    const cli = cliWorld({ tty: true, stdin: answer, routes: { listTasks: many(6), cancelTask: canceled } });
    expect(await cli.run("cancel", "--state", "queued")).toBe(exit);
    expect(cli.stderr()).toContain("cancel these 6 tasks? [y/N]");
    expect(cli.calls.filter((call) => call.id === "cancelTask")).toHaveLength(cancels);
  }
});

test("cancel of more than 5 without a terminal needs --yes; 5 need nothing", async () => {
  const asked = cliWorld({ stdin: "y\n", routes: { listTasks: many(6), cancelTask: canceled } });
  expect(await asked.run("cancel", "--state", "queued")).toBe(2);
  expect(asked.stderr()).toContain("add --yes");
  expect(asked.calls.filter((call) => call.id === "cancelTask")).toHaveLength(0);
  expect(await cliWorld({ routes: { listTasks: many(6), cancelTask: canceled } }).run("cancel", "--state", "queued", "--yes")).toBe(0);
  expect(await cliWorld({ routes: { listTasks: many(5), cancelTask: canceled } }).run("cancel", "--state", "queued")).toBe(0);
});

test.each([[[]], [["3d4c", "--state", "queued"]], [["--state", "failed"]], [["--label", "x"]]])(
  "cancel %j is a usage error",
  async (argv) => {
    const cli = cliWorld();
    expect(await cli.run("cancel", ...argv)).toBe(2);
    expect(cli.calls).toEqual([]);
  },
);

test("one cancel that fails does not stop the others", async () => {
  const cli = cliWorld({
    routes: { listTasks: many(2), cancelTask: (call, nth) => (nth === 1 ? refuse("internal", "broken") : canceled(call)) },
  });
  expect(await cli.run("cancel", "--state", "queued")).toBe(1);
  expect(cli.stdout()).toContain("mvp2-t1");
});

test("hold, release and prioritize change the task that was meant", async () => {
  const changed = (call: FakeCall) => ({ json: taskWire({ task_id: idOf(call), held: call.id === "holdTask", priority: 5 }) });
  for (const [argv, route] of [
    [["hold", "3d4c", "77aa"], "holdTask"],
    [["release", "3d4c"], "releaseTask"],
    [["prioritize", "3d4c", "-5"], "prioritizeTask"],
  ] as const) {
    const cli = cliWorld({ routes: { getTask: found, [route]: changed } });
    expect(await cli.run(...argv)).toBe(0);
    expect(cli.calls.at(-1)?.id).toBe(route);
    expect(cli.stdout()).toContain(route === "holdTask" ? "held" : "not held");
    if (route === "prioritizeTask") expect(cli.calls.at(-1)?.json).toEqual({ priority: -5 });
  }
});

test("hold of a running task exits 1 with the server's reason; prioritize checks its number", async () => {
  const cli = cliWorld({
    routes: { getTask: found, holdTask: refuse("wrong_state", "only a waiting task can be changed; this one is RUNNING") },
  });
  expect(await cli.run("hold", "3d4c")).toBe(1);
  expect(cli.stderr()).toContain("this one is RUNNING: 3d4c");
  expect(await cliWorld().run("prioritize", "3d4c", "many")).toBe(2);
  expect(await cliWorld().run("prioritize", "3d4c", "101")).toBe(2);
});
