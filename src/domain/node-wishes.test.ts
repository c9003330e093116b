import { describe, expect, it } from "vitest";
import { isSameWant, nodesToCordon, type NodeFailure, type NodeWish, uncordoned, wantOf, wishFor } from "./node-wishes.ts";

const NOW = 1_800_000_000_000;
const HOUR = 3_600_000;

function wish(node: string, over: Partial<NodeWish> = {}): NodeWish {
  return { node, cordon: true, drain: false, actor: "admin", reason: "Xid 79", gpuUuids: [`GPU-${node}`], at: NOW - 30 * HOUR, ...over };
}

describe("what holds for a node", () => {
  it("is its own cordon or drain, or the cordon that its GPUs brought", () => {
    const wishes = [wish("w1"), wish("w2", { cordon: false, drain: true, gpuUuids: [] })];
    expect(wishFor("w1", [], wishes)).toBe(wishes[0]);
    expect(wishFor("w2", [], wishes)).toBe(wishes[1]);
    expect(wishFor("w3", ["GPU-w1", "GPU-x"], wishes)).toMatchObject({ node: "w3", cordon: true, drain: false });
    expect(wishFor("w3", ["GPU-x"], wishes)).toBeNull();
  });

  it("ends for the GPUs, and under the first name with the last of them", () => {
    const by = { actor: "admin", reason: "new board", at: NOW };
    const lifted = uncordoned("w3", ["GPU-w1"], [wish("w1"), wish("w4", { gpuUuids: ["GPU-w1", "GPU-w4"] })], by);
    expect(lifted.map(({ node, cordon, gpuUuids }) => [node, cordon, gpuUuids])).toEqual([
      ["w3", false, []],
      ["w1", false, []],
      ["w4", true, ["GPU-w4"]],
    ]);
  });

  it("is written anew only where the file says something else", () => {
    const wanted = wantOf(wish("w1"), (at) => String(at));
    expect(isSameWant(null, wantOf(null, String))).toBe(true);
    expect(isSameWant(null, wanted)).toBe(false);
    expect(isSameWant({ ...wanted, at: "later" }, wanted)).toBe(true);
    expect(isSameWant({ ...wanted, gpuUuids: [] }, wanted)).toBe(false);
  });
});

describe("failures that cordon a node", () => {
  const failed = (
    node: string,
    hoursAgo: number,
    over: { label?: string; blame?: "node" | "infra" | "user"; session?: string } = {},
  ): NodeFailure => ({
    node,
    submissionId: `t-${hoursAgo}--a01`,
    at: NOW - hoursAgo * HOUR,
    failure: { label: over.label ?? "gpu_hardware", blame: over.blame ?? "node", retryable: true, text: "", fix: "" },
    raySession: over.session ?? "now",
  });
  const cordoned = (failures: readonly NodeFailure[], wishes: readonly NodeWish[] = [], limit = 2) =>
    nodesToCordon(failures, wishes, limit, "now", NOW).map(({ node }) => node);

  it.each<[string, readonly NodeFailure[], readonly string[]]>([
    ["two of one node in a day", [failed("w1", 20), failed("w1", 1)], ["w1"]],
    ["one", [failed("w1", 1)], []],
    ["two, one of them yesterday", [failed("w1", 25), failed("w1", 1)], []],
    ["two of two nodes", [failed("w1", 5), failed("w2", 1)], []],
    ["what the user did", [failed("w1", 5, { label: "reward_error", blame: "user" }), failed("w1", 1)], []],
    ["a node that fell silent", [failed("w1", 5, { label: "node_lost", blame: "infra" }), failed("w1", 1)], ["w1"]],
    ["what a head took with it", [failed("w1", 5, { label: "node_lost", blame: "infra", session: "before" }), failed("w1", 1)], []],
    ["a storage that was away for all", [failed("w1", 5), failed("w2", 5), failed("w1", 1)], []],
  ])("%s", (_, failures, expected) => {
    expect(cordoned(failures)).toEqual(expected);
  });

  it("count anew after somebody decided, and not at all where that is switched off", () => {
    const failures = [failed("w1", 5), failed("w1", 1)];
    expect(cordoned(failures, [wish("w1", { cordon: false, at: NOW - 2 * HOUR })])).toEqual([]);
    expect(cordoned(failures, [wish("w1")])).toEqual([]);
    expect(cordoned(failures, [], 0)).toEqual([]);
  });
});
