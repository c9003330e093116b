/** `:export` over HTTP: which checkpoint, which task, and what is refused. The merge itself is in test/real/main-job.test.ts. */
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
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
});
afterEach(() => world.close());

async function saved(state: "RUNNING" | "SUCCEEDED", ...steps: readonly number[]): Promise<void> {
  await bringTo(world, taskId, state);
  job = join(world.root, "users/alice/jobs", formatSubmissionId(taskId, 1));
  for (const step of steps) savedCheckpoint(join(job, "checkpoints"), step, { workload: "grpo", ranks: 1 });
}

const ask = (query = "", id = taskId) => world.call("POST", `/api/v2/tasks/${id}:export${query}`, alice);
const show = async (id: string) => (await world.call("GET", `/api/v2/tasks/${id}`, alice)).json();

test("the newest complete checkpoint of a task that still runs is exported by one task, however often it is asked for", async () => {
  await saved("RUNNING", 2, 4);
  rmSync(join(job, "checkpoints/global_step_4/actor/model_world_size_1_rank_0.pt"));
  const first = await ask();
  expect(first.status, first.text).toBe(200);
  const submission = formatSubmissionId(taskId, 1);
  const location = `/private/users/alice/jobs/${submission}/export/step_2`;
  expect(first.json()).toMatchObject({ submission_id: submission, step: 2, location, notes: [expect.stringContaining("step 4")] });
  expect((await ask()).json().task.task_id).toBe(first.json().task.task_id);
  expect((await ask("?step=2")).json().task.task_id).toBe(first.json().task.task_id);
  expect(await show(first.json().task.task_id)).toMatchObject({
    state: "QUEUED",
    workload: "grpo",
    name: "export of step 2",
    export_of: { submission_id: submission, step: 2 },
    retry_of: null,
  });

  mkdirSync(join(job, "export/step_2"), { recursive: true });
  mkdirSync(join(job, "export/.step_4.77"), { recursive: true });
  for (const folder of ["step_2", ".step_4.77"]) writeFileSync(join(job, "export", folder, "config.json"), "{}");
  expect((await ask()).json()).toMatchObject({ step: 2, location, task: null });
  const { artifacts } = (await world.call("GET", `/api/v2/tasks/${taskId}/artifacts`, alice)).json();
  const ofExports = artifacts.filter((one: { kind: string }) => one.kind === "export").map((one: { path: string }) => one.path);
  expect(ofExports).toEqual(["a01/export/step_2/config.json"]);
});

test("a step that is not there, or broken, is refused with the reason; so is a task that saved nothing", async () => {
  await saved("SUCCEEDED", 2, 4);
  rmSync(join(job, "checkpoints/global_step_2/data.pt"));
  writeFileSync(join(job, "checkpoints/global_step_2/actor/optim_world_size_1_rank_0.pt"), "");
  const broken = await ask("?step=2");
  expect([broken.status, broken.json().code]).toEqual([409, "wrong_state"]);
  expect(broken.json().detail).toContain("optim_world_size_1_rank_0.pt is empty");
  expect((await ask("?step=3")).json().detail).toContain("no attempt with a complete checkpoint of step 3");
  expect((await ask("?step=0")).status).toBe(400);
  const other = await world.submit(alice);
  expect((await ask("", other)).status).toBe(409);
});

test("an export is no task to export, to retry or to requeue, and a limit of the user counts for it", async () => {
  await saved("SUCCEEDED", 2);
  const id = (await ask()).json().task.task_id;
  expect((await ask("", id)).json().detail).toContain("itself an export");
  expect((await world.call("POST", `/api/v2/tasks/${id}:requeue`, alice)).status).toBe(409);
  await world.call("POST", `/api/v2/tasks/${id}:cancel`, alice);
  expect((await world.call("POST", `/api/v2/tasks/${id}:retry`, alice)).json().detail).toContain("export the task it is of again");
  await world.store.users.setUserLimits("alice", { maxQueued: 0 }, (_, after) => ({
    at: 1,
    actor: "admin",
    action: "user.limits",
    target: after.userId,
    userId: after.userId,
    from: null,
    tokenId: null,
    requestId: null,
    data: {},
  }));
  expect((await ask()).json().code).toBe("user_limit");
});

test("a part of a large file is sent from an offset on", async () => {
  await saved("SUCCEEDED");
  mkdirSync(join(job, "export/step_2"), { recursive: true });
  const large = Buffer.alloc(8 * 1024 * 1024 + 5, "x");
  large.write("tail!", large.length - 5);
  writeFileSync(join(job, "export/step_2/model.safetensors"), large);
  const get = (offset: number) =>
    world.call("GET", `/api/v2/tasks/${taskId}/artifacts/a01/export/step_2/model.safetensors?offset=${offset}`, alice);
  expect((await get(0)).headers["content-length"]).toBe(String(8 * 1024 * 1024));
  expect((await get(8 * 1024 * 1024)).text).toBe("tail!");
  expect((await get(large.length + 9)).text).toBe("");
});
