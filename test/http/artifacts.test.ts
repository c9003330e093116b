/** What a task has left: listed and sent from its own job directories, whatever its job puts there. */
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import { savedCheckpoint } from "../support/checkpoints.ts";
import { httpWorld, type HttpWorld } from "../support/http-world.ts";
import { bringTo } from "../support/task-in-state.ts";

let world: HttpWorld;
let alice = "";
let taskId = "";
let job = "";

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
  taskId = await world.submit(alice);
  await bringTo(world, taskId, "SUCCEEDED");
  job = join(world.root, "users/alice/jobs", formatSubmissionId(taskId, 1));
});
afterEach(() => world.close());

function put(path: string, text = "x"): void {
  mkdirSync(join(job, path, ".."), { recursive: true });
  writeFileSync(join(job, path), text);
}

const list = async () => (await world.call("GET", `/api/v2/tasks/${taskId}/artifacts`, alice)).json();
const get = (path: string) => world.call("GET", `/api/v2/tasks/${taskId}/artifacts/${path}`, alice);

test("checkpoints come first with their verdict, then files; the platform's control files are none", async () => {
  put("config/argv.json", "[]");
  put("control/lease", "secret");
  put("result.json", "{}");
  put("debug/hydra/config.yaml");
  put("stray.txt");
  for (const step of [6, 12]) savedCheckpoint(join(job, "checkpoints"), step, { workload: "grpo", ranks: 1 });
  writeFileSync(join(job, "checkpoints/latest_checkpointed_iteration.txt"), "6");
  const answer = await list();
  const rows = answer.artifacts as {
    path: string;
    kind: string;
    complete: boolean | null;
    why: string | null;
    bytes: number;
    files: number;
  }[];
  expect(rows.map(({ path, kind, complete }) => [path, kind, complete])).toEqual([
    ["a01/checkpoints/global_step_12", "checkpoint", false],
    ["a01/checkpoints/global_step_6", "checkpoint", true],
    ["a01/checkpoints/latest_checkpointed_iteration.txt", "checkpoint", null],
    ["a01/config/argv.json", "config", null],
    ["a01/debug/hydra/config.yaml", "debug", null],
    ["a01/logs/driver.log", "log", null],
    ["a01/result.json", "result", null],
  ]);
  expect(rows[0]?.why).toContain("says 6");
  expect(rows[1]?.files).toBeGreaterThan(3);
  expect(answer.total_bytes).toBe(rows.reduce((sum, row) => sum + row.bytes, 0));
});

test("a small file is sent byte for byte, as an attachment that no browser shows", async () => {
  put('debug/a b".txt', "héllo\n");
  const answer = await get("a01/debug/a%20b%22.txt");
  expect(answer.status).toBe(200);
  expect(answer.text).toBe("héllo\n");
  expect(answer.headers["content-type"]).toBe("application/octet-stream");
  const { paths } = (await world.call("GET", "/openapi.json", null)).json();
  expect(Object.keys(paths["/api/v2/tasks/{task_id}/artifacts/{path}"].get.responses["200"].content)).toEqual(["application/octet-stream"]);
  expect(answer.headers["content-disposition"]).toBe('attachment; filename="a_b_.txt"');
  expect(answer.headers["x-content-type-options"]).toBe("nosniff");
});

test.each([
  "a01/control/lease",
  "a01/../../../bob/jobs/x",
  "a01/config/..%2f..%2fcontrol%2flease",
  "a01/debug/%00",
  "a01/debug/missing",
  "a02/config/argv.json",
  "a1/config/argv.json",
  "config/argv.json",
  "a01/debug//x",
  "a01/debug/out/passwd",
  "a01/debug/link",
  `a01/debug/${"x".repeat(300)}`,
])("%s is no artifact", async (path) => {
  put("control/lease", "secret");
  put("config/argv.json", "[]");
  put("debug/here");
  symlinkSync("/etc", join(job, "debug/out"));
  symlinkSync("/etc/passwd", join(job, "debug/link"));
  const answer = await get(path);
  expect(answer.status).toBe(404);
  expect(answer.text).not.toContain("secret");
});

test("a file with a second name, a folder and a large file are refused with what to do", async () => {
  put("debug/own", "x");
  linkSync(join(job, "debug/own"), join(world.root, "users/alice/jobs/second"));
  expect((await get("a01/debug/own")).status).toBe(503);
  mkdirSync(join(job, "debug/folder"));
  expect((await get("a01/debug/folder")).json().detail).toContain(`lies at /private/users/alice/jobs/`);
  put("debug/large", "x".repeat(8 * 1024 * 1024 + 1));
  const answer = await get("a01/debug/large");
  expect([answer.status, answer.json().detail]).toEqual([400, expect.stringContaining("8388609 bytes")]);
});

test("links in the place of folders are not followed by a listing, and a removed directory is said", async () => {
  rmSync(join(job, "logs"), { recursive: true });
  symlinkSync("/etc", join(job, "logs"));
  symlinkSync("/etc", join(job, "debug"));
  expect((await list()).artifacts).toEqual([]);
  renameSync(job, `${job}-moved`);
  expect(await list()).toMatchObject({ artifacts: [], gone_attempts: [1] });
});
