/** export, keep and unkeep on the command line. */
import { expect, test } from "vitest";
import { cliWorld, type FakeCall, refuse, TASK_ID, taskWire } from "../support/cli-world.ts";

const LOCATION = "/private/users/alice/jobs/t--a01/export/step_4";
const EXPORT = { submission_id: "t--a01", step: 4, location: LOCATION, task: { task_id: "mvp2-export", state: "QUEUED" }, notes: [] };
const idOf = (call: FakeCall): string => call.path["task_id"] ?? "";
const ends = (state: "SUCCEEDED" | "FAILED") => (call: FakeCall) => ({
  json: taskWire({ task_id: idOf(call) === "3d4c" ? TASK_ID : idOf(call), state: idOf(call) === "3d4c" ? "RUNNING" : state }),
});

test("export waits for its task, and prints where the folder lies; a folder that is there is answered at once", async () => {
  const cli = cliWorld({ routes: { getTask: ends("SUCCEEDED"), exportTask: { json: { ...EXPORT, notes: ["step 6 was passed over"] } } } });
  expect(await cli.run("export", "3d4c", "--step", "4")).toBe(0);
  expect(cli.stdout()).toBe(`${LOCATION}\n`);
  expect(cli.stderr()).toContain("step 6 was passed over");
  expect(cli.calls.find((call) => call.id === "exportTask")).toMatchObject({ path: { task_id: TASK_ID }, query: { step: "4" } });
  const there = cliWorld({ routes: { getTask: ends("SUCCEEDED"), exportTask: { json: { ...EXPORT, task: null } } } });
  expect(await there.run("export", "3d4c")).toBe(0);
  expect(there.calls.map((call) => call.id)).toEqual(["getTask", "exportTask"]);
});

test("export that fails, or is refused, prints no folder; --detach waits for nothing", async () => {
  const failed = cliWorld({ routes: { getTask: ends("FAILED"), exportTask: { json: EXPORT } } });
  expect(await failed.run("export", "3d4c")).toBe(100);
  expect(failed.stdout()).toBe("");
  const none = cliWorld({ routes: { getTask: ends("FAILED"), exportTask: refuse("wrong_state", "no complete checkpoint") } });
  expect(await none.run("export", "3d4c")).toBe(1);
  const detached = cliWorld({ routes: { getTask: ends("FAILED"), exportTask: { json: EXPORT } } });
  expect(await detached.run("export", "3d4c", "--detach", "--json")).toBe(0);
  expect(JSON.parse(detached.stdout())).toMatchObject({ step: 4 });
});

test("--output copies every file of that export in parts, and none out of the folder", async () => {
  const file = (path: string, bytes: number) => ({
    path,
    kind: "export",
    attempt: 1,
    submission_id: "t--a01",
    bytes,
    files: 1,
    modified_at: "2026-08-01T12:00:00.000Z",
    location: `/private/users/alice/jobs/t--a01/${path.slice(4)}`,
    step: null,
    complete: null,
    why: null,
    downloadable: true,
  });
  const artifacts = [
    file("a01/export/step_4/model.safetensors", 6),
    file("a01/export/step_4/../../x", 1),
    file("a01/export/step_2/old", 1),
  ];
  const listing = { json: { artifacts, next_cursor: null, total_bytes: 8, truncated: false, gone_attempts: [] } };
  const read = (call: FakeCall) => ({ text: call.query["offset"] === "0" ? "abcd" : "ef" });
  const routes = { getTask: ends("SUCCEEDED"), exportTask: { json: EXPORT }, listArtifacts: listing, readArtifact: read };
  const cli = cliWorld({ routes });
  expect(await cli.run("export", "3d4c", "--output", "/home/alice/model"), cli.stderr()).toBe(0);
  expect(cli.stdout()).toBe("/home/alice/model\n");
  expect(cli.textOf("/home/alice/model/model.safetensors")).toBe("abcdef");
  expect(cli.calls.filter((call) => call.id === "readArtifact")).toHaveLength(2);
  expect(await cli.run("export", "3d4c", "--output", "/home/alice/model")).toBe(2);
});

test("keep and unkeep say for each task what holds", async () => {
  const kept = (call: FakeCall) => ({ json: taskWire({ task_id: idOf(call), kept: call.id === "keepTask" }) });
  const cli = cliWorld({ routes: { getTask: ends("FAILED"), keepTask: kept, unkeepTask: kept } });
  expect(await cli.run("keep", "3d4c")).toBe(0);
  expect(cli.stdout()).toContain("kept");
  expect(await cli.run("unkeep", "3d4c", "--json")).toBe(0);
  expect(cli.calls.at(-1)?.id).toBe("unkeepTask");
});
