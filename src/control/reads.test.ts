/** What a caller may read: own tasks, the queue and the pool; the rest does not exist. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AUDIT } from "../../test/support/audit-samples.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { CREATED, moved, moveTo, newAttempt, newTask, newUser, NOW } from "../../test/support/task-samples.ts";
import type { Needs, NodeView, Principal, Task } from "../domain/types.ts";
import { openStore } from "../store/open-store.ts";
import { cursors } from "./cursors.ts";
import { listNodes } from "./nodes.ts";
import type { Store } from "./ports.ts";
import type { LoopView } from "./scheduler/loop.ts";
import { fitOf, type PoolView, readQueue } from "./read-pool.ts";
import { getTask, listEvents, listTasks } from "./read-tasks.ts";

const ADMIN: Principal = { kind: "admin" };
const user = (userId: string): Principal => ({ kind: "user", userId, tokenId: "tok_1", scope: "full" });
const CURSORS = cursors("secret");
const ALL = { userId: null, states: null, workload: null, labels: {} };
const NODES: readonly NodeView[] = [
  { node: "n1", rayNodeId: "r1", address: "10.0.0.1", gpusTotal: 8, cpusTotal: 64, gpusUsed: 0, cpusUsed: 0, rivals: [], closed: null },
  { node: "n2", rayNodeId: "r2", address: "10.0.0.2", gpusTotal: 8, cpusTotal: 64, gpusUsed: 0, cpusUsed: 0, rivals: [], closed: null },
];

let store: Store;
beforeEach(async () => {
  store = await openStore({ url: ":memory:", ids: { hex: (bytes) => "ab".repeat(bytes) }, clock: manualClock(NOW) });
  for (const id of ["alice", "bob"]) await store.users.insertUser(newUser(id), AUDIT);
});
afterEach(() => store.close());

let count = 0;
async function add(userId: string, over: Parameters<typeof newTask>[1] = {}): Promise<Task> {
  count += 1;
  const taskId = `mvp2-${userId}-ppo-20260101-000000-${count.toString(16).padStart(8, "0")}`;
  const outcome = await store.tasks.insertTask(newTask(taskId, { userId, ...over }), CREATED, null, null, () => "");
  if (outcome.kind !== "created") throw new Error(outcome.kind);
  return outcome.task;
}

async function launchOn(task: Task, node: string): Promise<void> {
  const placement = [{ node, gpus: 4, cpus: 5 }];
  await store.tasks.change(moveTo(task, "SUBMITTING", { newAttempt: { ...newAttempt(task, 1), placement }, patch: { attempts: 1 } }));
}

describe("one task", () => {
  it("of another user is not found, in the same words as one that does not exist", async () => {
    const task = await add("bob");
    const missing = task.taskId.replace(/.$/, "f");
    const errors = await Promise.all(
      [task.taskId, missing, "nope", "../../etc", task.taskId.slice(-6)].map((id) =>
        getTask(store, user("alice"), id).catch((error: unknown) => error),
      ),
    );
    for (const error of errors) expect(error).toMatchObject({ code: "task_not_found", message: "task not found" });
    expect((await getTask(store, ADMIN, task.taskId)).taskId).toBe(task.taskId);
  });

  it("is found by any unique beginning or end of four characters among one's own", async () => {
    const mine = await add("alice");
    await add("bob");
    expect((await getTask(store, user("alice"), mine.taskId.slice(-4))).taskId).toBe(mine.taskId);
    expect((await getTask(store, user("alice"), "mvp2-ali")).taskId).toBe(mine.taskId);
    await expect(getTask(store, ADMIN, "mvp2")).rejects.toMatchObject({ code: "bad_parameter" });
    await expect(getTask(store, user("alice"), mine.taskId.slice(-3))).rejects.toMatchObject({ code: "task_not_found" });
  });
});

describe("lists", () => {
  it("are newest first, in pages, each task once, own ones only", async () => {
    const own: string[] = [];
    for (let i = 0; i < 5; i += 1) own.unshift((await add("alice")).taskId, (await add("bob"), (await add("alice")).taskId));
    own.sort().reverse();
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = await listTasks(store, CURSORS, user("alice"), ALL, cursor, 3);
      expect(page.rows.length).toBeLessThanOrEqual(3);
      seen.push(...page.rows.map((row) => row.task.taskId));
      cursor = page.nextCursor;
    } while (cursor !== null);
    expect(seen).toEqual(own);
  });

  it("a cursor of one user, or of other filters, is refused", async () => {
    for (let i = 0; i < 3; i += 1) await add("alice");
    const { nextCursor } = await listTasks(store, CURSORS, user("alice"), ALL, null, 1);
    expect(nextCursor).not.toBeNull();
    for (const [principal, filter] of [
      [user("bob"), ALL],
      [ADMIN, ALL],
      [user("alice"), { ...ALL, workload: "sft" as const }],
    ] as const)
      await expect(listTasks(store, CURSORS, principal, filter, nextCursor, 1)).rejects.toMatchObject({ code: "bad_cursor" });
  });

  it("a user who asks for another user's tasks gets his own", async () => {
    await add("bob");
    const mine = await add("alice");
    const page = await listTasks(store, CURSORS, user("alice"), { ...ALL, userId: "bob" }, null, 10);
    expect(page.rows.map((row) => row.task.taskId)).toEqual([mine.taskId]);
  });

  it("events come in order and in pages, from a sequence number on", async () => {
    const task = await add("alice");
    let current = task;
    for (const state of ["PENDING_RESOURCES", "QUEUED", "PENDING_RESOURCES"] as const) {
      const outcome = await store.tasks.change(moveTo(current, state, { events: [moved("x")] }));
      if (outcome.kind === "applied") current = outcome.task;
    }
    const first = await listEvents(store, CURSORS, user("alice"), current, null, null, 2);
    const second = await listEvents(store, CURSORS, user("alice"), current, null, first.nextCursor, 2);
    expect([...first.rows, ...second.rows].map((event) => event.seq)).toEqual([1, 2, 3, 4]);
    expect(second.nextCursor).toBeNull();
    expect((await listEvents(store, CURSORS, user("alice"), current, 3, null, 10)).rows.map((event) => event.seq)).toEqual([4]);
  });
});

const pool = (maxRunningTasks: number, nodes: readonly NodeView[] | null = NODES): PoolView => ({
  nodes,
  maxRunningTasks,
  order: { by: "priority", used: new Map() },
});

describe("the queue", () => {
  it("shows places among all, own tasks by name and others as a number", async () => {
    const running = await add("alice");
    await launchOn(running, "n1");
    await add("bob");
    const mine = await add("alice");
    await add("bob", { priority: 0 });
    const view = await readQueue(store, user("alice"), pool(1, NODES));
    expect(view.running.map((row) => row.task.taskId)).toEqual([running.taskId]);
    expect(view.running[0]?.attempt?.attempt).toBe(1);
    expect(view.waiting.map((row) => [row.position, row.task.taskId])).toEqual([[2, mine.taskId]]);
    expect(view.hidden).toBe(2);
    expect(JSON.stringify(view)).not.toContain("bob");
    expect((await readQueue(store, ADMIN, pool(1, NODES))).hidden).toBe(0);
  });

  it("says when GPUs stand idle because of a setting", async () => {
    await launchOn(await add("alice"), "n1");
    await add("alice");
    expect((await readQueue(store, ADMIN, pool(1, NODES))).notes).toEqual(["12 of 16 GPUs idle; 1 task waits on max_running_tasks=1"]);
    expect((await readQueue(store, ADMIN, pool(2, NODES))).notes).toEqual([]);
    expect((await readQueue(store, ADMIN, pool(1, null))).notes).toEqual([]);
  });
});

describe("the pool", () => {
  it("shows what is free by our own ledger, and another user's task as null", async () => {
    await launchOn(await add("bob"), "n1");
    const view: LoopView = { head: null, nodes: NODES, agents: [], at: 0, leads: true, lastError: null };
    const deps = { store, clock: manualClock(NOW), view: () => view };
    const [first, second] = await listNodes(deps, user("alice"));
    expect(first).toMatchObject({ gpusFree: 4, cpusFree: 59, tasks: [{ taskId: null, gpus: 4 }] });
    expect(second).toMatchObject({ gpusFree: 8, tasks: [] });
    expect((await listNodes(deps, user("bob")))[0]?.tasks).toMatchObject([{ taskId: expect.stringContaining("mvp2-bob") as string }]);
  });

  const planned = (needs: Needs, priority = 0) => newTask("planned", { needs, priority });

  it("says whether a shape fits now, later or not at all, and at which place", async () => {
    const needs = { nodes: 2, gpusPerNode: 8, cpusPerNode: 8 };
    expect(await fitOf(store, planned(needs), pool(1, NODES))).toMatchObject({ verdict: "now", position: 1 });
    await launchOn(await add("alice"), "n1");
    const later = await fitOf(store, planned(needs), pool(2, NODES));
    expect(later.verdict).toBe("later");
    expect(later.perNode).toMatchObject([
      { node: "n1", fits: false, why: "4 of 8 GPUs free" },
      { node: "n2", fits: true },
    ]);
    await add("bob");
    expect(await fitOf(store, planned({ ...needs, gpusPerNode: 1 }, 0), pool(9))).toMatchObject({ verdict: "later", position: 2 });
    expect(await fitOf(store, planned({ ...needs, gpusPerNode: 1 }, 5), pool(9))).toMatchObject({ verdict: "now", position: 1 });
    expect((await fitOf(store, planned({ ...needs, nodes: 3 }, 0), pool(9))).verdict).toBe("impossible");
    expect(await fitOf(store, planned(needs), pool(9, null))).toMatchObject({ verdict: "unknown", perNode: [] });
  });
});
