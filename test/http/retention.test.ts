/** Retention over real directories and a real store: what goes, what never does, and what is answered of a task whose files are gone. */
import { existsSync, mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { RetentionFiles } from "../../src/control/file-ports.ts";
import { retention, type RetentionSettings } from "../../src/control/retention.ts";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import { retentionFiles } from "../../src/storage/retention.ts";
import { storageInProcess } from "../../src/storage/storage-client.ts";
import { savedCheckpoint } from "../support/checkpoints.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";
import { bringTo } from "../support/task-in-state.ts";

const DAY = 86_400_000;
const NEVER: RetentionSettings = { filesMs: null, checkpointsMs: null, keepCheckpoints: 1, everyMs: 1000 };
const FILES: RetentionSettings = { ...NEVER, filesMs: 7 * DAY };
const STEPS: RetentionSettings = { ...NEVER, checkpointsMs: DAY };

let world: HttpWorld;
let alice = "";
let files: RetentionFiles;

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
  files = retentionFiles(storageInProcess({ sharedRoot: world.root, allowedSymlinkTargets: [] }).call);
});
afterEach(() => world.close());

const jobs = (): string => join(world.root, "users/alice/jobs");
const jobOf = (taskId: string): string => join(jobs(), formatSubmissionId(taskId, 1));
const stepsOf = (taskId: string): readonly string[] => readdirSync(join(jobOf(taskId), "checkpoints")).toSorted();

/** SUCCEEDED now, with these checkpoints. */
async function ended(...steps: readonly number[]): Promise<string> {
  const taskId = await world.submit(alice);
  await bringTo(world, taskId, "SUCCEEDED");
  const { version = 0 } = (await world.store.tasks.get(taskId)) ?? {};
  await world.store.tasks.change({ taskId, version, epoch: null, at: 1, patch: { endedAt: world.clock.now() } });
  for (const step of steps) savedCheckpoint(join(jobOf(taskId), "checkpoints"), step, { workload: "grpo", ranks: 1 });
  return taskId;
}

function look(settings: RetentionSettings, over: Partial<RetentionFiles> = {}): Promise<void> {
  const { store, clock, logged } = world;
  const note = (fields: object, msg: string): void => void logged.push({ ...fields, msg });
  const log = { debug: note, info: note, warn: note, error: note };
  return retention({ store, files: { ...files, ...over }, clock, log, leads: () => true, settings }).once();
}

const get = async (taskId: string, part: string) => {
  const { status, json } = await world.call("GET", `/api/v2/tasks/${taskId}${part}`, alice);
  return { status, body: json() };
};
const post = (taskId: string, verb: string) => world.call("POST", `/api/v2/tasks/${taskId}:${verb}`, alice);

test("nothing is removed unless it is configured, and nothing before its time", async () => {
  const taskId = await ended(1, 2);
  world.clock.advance(400 * DAY);
  await look(NEVER);
  expect(stepsOf(taskId)).toHaveLength(3);
  const young = await ended(1, 2);
  world.clock.advance(DAY / 2);
  await look({ ...FILES, checkpointsMs: DAY });
  expect(existsSync(jobOf(taskId))).toBe(false);
  expect(stepsOf(young)).toHaveLength(3);
});

test("the directory of an old task goes whole, and what lay in it answers 410; its record, events and why stay", async () => {
  const taskId = await ended(1);
  symlinkSync("/etc", join(jobOf(taskId), "out"));
  world.clock.advance(8 * DAY);
  await look(FILES);
  expect(readdirSync(jobs())).toEqual([]);
  expect(existsSync("/etc/passwd")).toBe(true);
  for (const part of ["/logs", "/logs?follow=true", "/curves", "/artifacts/a01/config/argv.json"]) {
    const { status, body } = await get(taskId, part);
    expect([part, status, body.code]).toEqual([part, 410, "files_gone"]);
  }
  const task = (await get(taskId, "")).body;
  expect(task).toMatchObject({ state: "SUCCEEDED", files_gone_at: new Date(world.clock.now()).toISOString() });
  const why = await get(taskId, "/why");
  expect([why.status, why.body.notes]).toEqual([200, [expect.stringContaining("by the pool's retention")]]);
  expect((await get(taskId, "/artifacts")).body).toMatchObject({ artifacts: [], gone_attempts: [1] });
  expect((await get(taskId, "/events")).body.events.at(-1)).toMatchObject({ actor: "system", reason: { code: "files_removed" } });
  const { audit } = (await world.call("GET", "/api/v2/audit?action=task.files_removed", ADMIN_TOKEN)).json();
  expect(audit).toMatchObject([{ actor: "system", target: taskId, user_id: "alice" }]);
  for (const verb of ["export", "keep", "retry"]) expect((await post(taskId, verb)).json().code).toBe("files_gone");
  expect((await post(taskId, "retry?from_scratch=true")).status).toBe(201);
});

test("a task that is kept stays until it is unkept", async () => {
  const taskId = await ended(1, 2);
  expect((await post(taskId, "keep")).json()).toMatchObject({ kept: true });
  world.clock.advance(8 * DAY);
  await look({ ...FILES, checkpointsMs: DAY });
  expect(stepsOf(taskId)).toHaveLength(3);
  expect((await post(taskId, "unkeep")).json()).toMatchObject({ kept: false });
  await look(FILES);
  expect(existsSync(jobOf(taskId))).toBe(false);
});

test("what a retry may go on from stays, also through a retry of a retry and while an export reads it", async () => {
  const first = await ended(2);
  const second = (await post(first, "retry")).json().task_id as string;
  const exported = await ended(4);
  await post(exported, "export");
  world.clock.advance(8 * DAY);
  await look({ ...FILES, checkpointsMs: DAY });
  expect([stepsOf(first).length, stepsOf(exported).length]).toEqual([2, 2]);
  await post(second, "cancel");
  const third = (await post(second, "retry")).json().task_id as string;
  await look(FILES);
  expect(existsSync(jobOf(first))).toBe(true);
  await post(third, "cancel");
  world.clock.advance(8 * DAY);
  for (let looks = 0; looks < 3; looks += 1) await look(FILES);
  expect(existsSync(jobOf(first))).toBe(false);
});

test("a retry that comes while files are looked at keeps them: the database decides between the two", async () => {
  const taskId = await ended(2);
  world.clock.advance(8 * DAY);
  const [old] = await world.store.retention.withOldFiles(world.clock.now() - 7 * DAY, 10);
  expect(old?.taskId).toBe(taskId);
  await post(taskId, "retry");
  const change = { taskId, version: old?.version ?? 0, epoch: null, at: 1, patch: { filesGoneAt: 1 } };
  expect(await world.store.retention.giveUpFiles(change)).toEqual({ kind: "stale" });
});

test("of an old task the newest complete checkpoints stay, and none goes while fewer are complete", async () => {
  const taskId = await ended(2, 4, 6, 8);
  const broken = await ended(2, 4);
  // 8 is not whole: 6 is what a retry would go on from.
  writeFileSync(join(jobOf(taskId), "checkpoints/global_step_8/actor/model_world_size_1_rank_0.pt"), "");
  for (const step of [2, 4]) writeFileSync(join(jobOf(broken), `checkpoints/global_step_${step}/data.pt`), "");
  world.clock.advance(2 * DAY);
  await look(STEPS);
  expect(stepsOf(taskId)).toEqual(["global_step_6", "global_step_8", "latest_checkpointed_iteration.txt"]);
  expect(stepsOf(broken)).toEqual(["global_step_2", "global_step_4", "latest_checkpointed_iteration.txt"]);
  const { events } = (await get(taskId, "/events")).body;
  expect(events.at(-1).reason).toMatchObject({ code: "checkpoints_removed", text: expect.stringContaining("(2)") });
  const before = (await get(broken, "/events")).body.events.length;
  await look(STEPS);
  expect((await get(broken, "/events")).body.events).toHaveLength(before);
});

test("a removal that broke off anywhere is gone on with at the next look", async () => {
  const taskId = await ended(2, 4);
  const other = await ended(2, 4);
  world.clock.advance(2 * DAY);
  const breaks = async (): Promise<never> => Promise.reject(new Error("the mount hangs"));
  await look(STEPS, { dropSteps: breaks });
  expect(stepsOf(taskId)).toHaveLength(3);
  await look(STEPS, { clearSteps: breaks });
  expect(stepsOf(taskId)).toContain(".removed-global_step_2");
  await look(STEPS);
  for (const id of [taskId, other]) expect(stepsOf(id)).toEqual(["global_step_4", "latest_checkpointed_iteration.txt"]);
  world.clock.advance(8 * DAY);
  await look(FILES, { removeJob: breaks });
  expect((await get(taskId, "")).body.files_gone_at).not.toBeNull();
  // As after a kill between the rename and the end of the removal.
  renameSync(jobOf(taskId), join(jobs(), `.removed-${formatSubmissionId(taskId, 1)}`));
  await look(NEVER);
  expect(readdirSync(jobs())).toEqual([]);
  expect(await world.store.retention.toClear(10)).toEqual([]);
});

test("a link in the place of a job's directory, and a tree deeper than any path, are removed without leaving the job", async () => {
  const linked = await ended();
  const outside = join(world.root, "common/models/tiny");
  renameSync(jobOf(linked), join(world.root, "away"));
  symlinkSync(outside, jobOf(linked));
  const deep = await ended();
  let at = jobOf(deep);
  for (let level = 0; level < 80; level += 1) mkdirSync((at = join(at, "d")));
  writeFileSync(join(at, "leaf"), "x");
  world.clock.advance(8 * DAY);
  await look(FILES);
  expect(readdirSync(jobs())).toEqual([]);
  expect(readdirSync(outside)).toEqual(["config.json"]);
});

test("what lies in job directories is measured, shown to its user, and held against his limit at the next submission", async () => {
  const taskId = await ended(2);
  writeFileSync(join(jobOf(taskId), "debug.bin"), Buffer.alloc(3 * 2 ** 20, 1));
  symlinkSync("/usr", join(jobOf(taskId), "usr"));
  await look(NEVER);
  const { storage } = (await world.call("GET", "/api/v2/me", alice)).json();
  expect(storage.bytes).toBeGreaterThan(3 * 2 ** 20);
  expect(storage.bytes).toBeLessThan(4 * 2 ** 20);
  const limit = (value: number | null) => world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN, { max_storage_gib: value });
  expect((await limit(0.001)).json().limits.max_storage_gib).toBe(0.001);
  await expect(world.submit(alice)).rejects.toThrow(/answered 429.*the limit max_storage_gib is 0.001/);
  expect((await post(taskId, "retry")).json().code).toBe("user_limit");
  await limit(1);
  await world.submit(alice);
});
