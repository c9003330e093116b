/** Nodes with agents: what their beats prove, and where nothing is placed (docs/pool.md, docs/protocol.md rules 5, 6b and 9). */
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { BY_ADMIN } from "../../../test/support/audit-samples.ts";
import { sampleNode } from "../../../test/support/node-samples.ts";
import { makeSchedulerWorld, type SchedulerWorld } from "../../../test/support/scheduler-world.ts";
import type { NodeRecord } from "../../domain/node-record.ts";
import type { Claim } from "../../domain/types.ts";
import { beatNode } from "../../storage/node-file.ts";
import { changeNode, listNodes } from "../nodes.ts";

const NODES = ["w1", "w2"] as const;
const ADMIN = { kind: "admin" } as const;

let world: SchedulerWorld;
let ids: ReadonlyMap<string, string>;
let seq = 0;

beforeEach(async () => {
  world = await makeSchedulerWorld({ script: "manual", nodes: NODES.map((name) => ({ name, gpus: 4, cpus: 32 })) });
  const views = await world.deps.cluster.nodes(new AbortController().signal);
  ids = new Map(views.map((view) => [view.node, view.rayNodeId]));
});
afterEach(() => world.close());

function beat(over: { readonly [node in (typeof NODES)[number]]?: Partial<NodeRecord> } = {}): void {
  seq += 1;
  for (const node of NODES) beatNode(world.root, "default", sampleNode(node, { seq, rayNodeId: ids.get(node) ?? null, ...over[node] }));
}

/** Passes with a beat of both agents each 5 s. */
async function live(ms: number, over: Parameters<typeof beat>[0] = {}): Promise<void> {
  for (let left = ms; left > 0; left -= 5_000) {
    beat(over);
    await world.pass();
    world.clock.advance(5_000);
  }
}

async function running(containment: Claim["containment"] = "pidns", over = {}): Promise<string> {
  await live(5_000);
  const { taskId } = await world.submit("sft", over);
  await live(5_000);
  const { launcher } = world.lastStart();
  launcher.claim(containment, "i-w1");
  launcher.beat();
  await live(5_000, { w1: { attempts: [`${taskId}--a01`] } });
  expect((await world.task(taskId)).state).toBe("RUNNING");
  return taskId;
}

const change = (node: string, verb: "cordon" | "uncordon" | "drain" | "forget", reason: string | null = "Xid 79") =>
  changeNode({ ...world.deps, view: world.loop.view }, node, verb, reason, BY_ADMIN);

describe("an attempt whose launcher was killed", () => {
  it("is LOST by the word of the nodes long before Q, and the event says so", async () => {
    const taskId = await running();
    await live(40_000);
    const [attempt] = await world.attempts(taskId);
    expect(attempt).toMatchObject({ state: "LOST", failure: { label: "node_lost" } });
    const ended = (await world.events(taskId)).find((event) => event.type === "attempt_ended");
    expect(ended?.data).toMatchObject({ evidence: "nodes" });
    expect((ended?.at ?? 0) - (attempt?.startedAt ?? 0)).toBeLessThan(60_000);
  });

  it("is not, while a node still shows a process of it, or one has no agent", async () => {
    const taskId = await running();
    await live(60_000, { w2: { attempts: [`${taskId}--a01`] } });
    expect(await world.task(taskId)).toMatchObject({ state: "RUNNING", waiting: { code: "quarantine" } });
    expect((await world.task(taskId)).waiting?.details["nodes"]).toContain("w2");
  });

  it("without containment ends with Q once its driver's node is clean, though this server did not see its start", async () => {
    const taskId = await running("group");
    world.restart();
    await live(75_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("RUNNING");
    await live(20_000);
    expect((await world.attempts(taskId))[0]?.state).toBe("LOST");
  });

  it("keeps its GPUs until all nodes are clean of it, whatever Ray shows", async () => {
    const taskId = await running("pidns", { needs: { nodes: 2, gpusPerNode: 4, cpusPerNode: 1 } });
    const next = await world.submit("sft", { needs: { nodes: 2, gpusPerNode: 4, cpusPerNode: 1 } });
    world.lastStart().finish();
    await live(15_000, { w2: { attempts: [`${taskId}--a01`] } });
    expect(await world.task(next.taskId)).toMatchObject({ state: "QUEUED", waiting: { code: "cooling_down" } });
    await live(25_000);
    expect((await world.task(next.taskId)).attempts).toBe(1);
  });
});

describe("a cordon", () => {
  it("keeps tasks off the node, is written for the agent, and is lifted by uncordon", async () => {
    await live(5_000);
    await change("w1", "cordon");
    const { taskId } = await world.submit("sft", { needs: { nodes: 2, gpusPerNode: 1, cpusPerNode: 1 } });
    await live(5_000);
    expect(await world.task(taskId)).toMatchObject({ state: "QUEUED", waiting: { code: "cordoned" } });
    expect((await world.task(taskId)).waiting?.text).toContain("w1: cordoned by the admin: Xid 79");
    const file = join(world.root, "ray/discovery/default/nodes/w1.want");
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ cordon: true, gpu_uuids: ["GPU-w1"], by: "admin", reason: "Xid 79" });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    writeFileSync(file, "{}");
    await live(5_000);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ cordon: true });
    await change("w1", "uncordon");
    await live(10_000);
    expect((await world.task(taskId)).attempts).toBe(1);
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({ cordon: false, drain: false });
  });

  it("follows its GPUs to a node of another name, and ends there too", async () => {
    await live(5_000);
    await change("w1", "cordon");
    const moved = { w2: { gpus: { ...sampleNode("w2").gpus, uuids: ["GPU-w1"] } } };
    await live(5_000, moved);
    const rows = await listNodes({ ...world.deps, view: world.loop.view }, ADMIN);
    expect(rows.find(({ node }) => node === "w2")).toMatchObject({
      state: "cordoned",
      why: { text: expect.stringContaining("w1") as string },
    });
    await change("w2", "uncordon");
    await live(5_000, moved);
    expect((await listNodes({ ...world.deps, view: world.loop.view }, ADMIN)).map(({ state }) => state)).toEqual(["joined", "joined"]);
  });

  it("comes by itself for a node that failed twice in a day, never for the last that is open, and is told", async () => {
    const cordoned = async () => (await world.store.nodes.wishes()).filter(({ cordon }) => cordon).map(({ node }) => node);
    const taskId = await running();
    for (let i = 0; i < 2; i += 1) {
      expect(await cordoned()).toEqual([]);
      await live(40_000);
      if (i > 0) break;
      await live(60_000);
      world.lastStart().launcher.claim("pidns", "i-w1");
      world.lastStart().launcher.beat();
      await live(5_000, { w1: { attempts: [`${taskId}--a02`] } });
    }
    expect((await world.attempts(taskId)).filter(({ state }) => state === "LOST")).toHaveLength(2);
    expect(await cordoned()).toHaveLength(1);
    const alert = (await world.events(taskId)).find((event) => event.reason?.code === "node_cordoned");
    expect(alert).toMatchObject({ actor: "system", type: "alert" });
  });
});

describe("what else keeps a node closed", () => {
  const waiting = async (over: Partial<NodeRecord>) => {
    await live(5_000, { w1: over });
    const { taskId } = await world.submit("sft", { needs: { nodes: 2, gpusPerNode: 1, cpusPerNode: 1 } });
    await live(5_000, { w1: over });
    return (await world.task(taskId)).waiting;
  };

  it.each<[string, Partial<NodeRecord>, string, string]>([
    [
      "its agent says dirty",
      { state: "dirty", why: { code: "gpu_busy", text: "a stranger holds GPU 0" } },
      "no_capacity",
      "a stranger holds",
    ],
    ["its agent is fenced", { state: "fenced" }, "no_capacity", "fenced"],
    ["it is not clean", { dirt: [{ code: "xid", text: "Xid 79" }] }, "no_capacity", "Xid 79"],
    ["Ray shows an earlier run", { rayNodeId: "later" }, "no_capacity", "earlier run"],
  ])("%s", async (_, over, code, text) => {
    const shown = await waiting(over);
    expect([shown?.code, shown?.text]).toEqual([code, expect.stringContaining(text)]);
  });

  it("its disk, and the shared storage for all", async () => {
    const settings = world.deps.settings as { minFreeBytes: number; minNodeFreeBytes: number };
    settings.minNodeFreeBytes = 2 ** 31;
    expect(await waiting({ diskFreeBytes: 2 ** 30 })).toMatchObject({ code: "storage_low", text: expect.stringContaining("w1") as string });
    settings.minFreeBytes = 2 ** 60;
    world.clock.advance(10_000);
    const { taskId } = await world.submit();
    await live(5_000);
    expect((await world.task(taskId)).waiting).toMatchObject({
      code: "storage_low",
      text: expect.stringContaining("storage.min_free_gib") as string,
    });
  });

  it("a silent agent does, an old file of another run does not; a node that is gone can be forgotten", async () => {
    await live(5_000);
    for (let i = 0; i < 4; i += 1) {
      world.clock.advance(10_000);
      await world.pass();
    }
    const closed = () => world.loop.view().nodes?.map((node) => node.closed?.text ?? null);
    expect(closed()).toEqual(["its agent is silent", "its agent is silent"]);
    await expect(change("w1", "forget")).rejects.toMatchObject({ code: "wrong_state" });
    beatNode(world.root, "default", sampleNode("w1", { seq: 99, rayNodeId: "before" }));
    for (let i = 0; i < 4; i += 1) {
      await world.pass();
      world.clock.advance(10_000);
    }
    expect(closed()?.[0]).toBeNull();
    world.ray.cluster.loseNode("w1", true);
    await world.pass();
    await change("w1", "forget");
    await world.pass();
    expect((await listNodes({ ...world.deps, view: world.loop.view }, ADMIN)).map(({ node }) => node)).toEqual(["w2"]);
  });
});
