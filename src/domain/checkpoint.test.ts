import { describe, expect, it } from "vitest";
import { type CheckpointShape, type FileState, newestCheckpoint, type StepReader } from "./checkpoint.ts";

const SFT: CheckpointShape = { workload: "sft", ranks: 1 };

function files(shape: CheckpointShape, parts: readonly string[]): { [path: string]: FileState } {
  const out: { [path: string]: FileState } = { [shape.workload === "sft" ? "data_0.pt" : "data.pt"]: "whole" };
  for (const part of parts)
    for (const kind of ["model", "optim", "extra_state"])
      for (let rank = 0; rank < shape.ranks; rank += 1) out[`${part}${kind}_world_size_${shape.ranks}_rank_${rank}.pt`] = "whole";
  return out;
}

/** A folder for each step; what is not named is not there. */
function look(shape: CheckpointShape, steps: { readonly [step: number]: { readonly [path: string]: FileState } }, tracker: string | null) {
  const open = (step: number): StepReader => ({
    holds: (name) => Object.keys(steps[step] ?? {}).some((path) => path.startsWith(`${name}/`)),
    file: (path) => steps[step]?.[path] ?? "absent",
  });
  return newestCheckpoint(
    Object.keys(steps).map((step) => `global_step_${step}`),
    tracker,
    shape,
    open,
  );
}

describe("the newest complete checkpoint", () => {
  const whole = files(SFT, [""]);

  it("is the newest step by number, not by spelling, and other names are none", () => {
    expect(look(SFT, { 2: whole, 10: whole, 9: whole }, "10")).toEqual({ newest: 10, skipped: [] });
    const names = [
      "latest_checkpointed_iteration.txt",
      "global_step_",
      "global_step_0",
      "global_step_05",
      "global_step_5x",
      "xglobal_step_5",
    ];
    const open = () => ({ holds: () => true, file: () => "whole" as const });
    expect(newestCheckpoint(names, "5", SFT, open)).toEqual({ newest: null, skipped: [] });
  });

  it("is not one beyond the tracker: verl writes that last", () => {
    expect(look(SFT, { 10: whole, 20: whole }, "10")).toMatchObject({
      newest: 10,
      skipped: [{ step: 20, why: expect.stringContaining("not finished") as string }],
    });
    expect(look(SFT, { 10: whole }, "20\n").newest).toBe(10);
  });

  it.each([null, "", "  \n", "1e1", "-5", "99999999999"])(
    "with a tracker that reads %j is one that a later step proves finished",
    (tracker) => {
      expect(look(SFT, { 10: whole, 20: whole }, tracker).newest).toBe(10);
      expect(look(SFT, { 10: whole }, tracker)).toMatchObject({ newest: null, skipped: [{ step: 10 }] });
      expect(look(SFT, {}, tracker)).toEqual({ newest: null, skipped: [] });
    },
  );

  it.each(["absent", "empty", "cut", "link"] as const)("is not one of which any file is %s, and says which", (state) => {
    for (const path of Object.keys(whole).filter((name) => name !== "data_0.pt")) {
      const broken = { ...whole, [path]: state };
      const { newest, skipped } = look(SFT, { 10: whole, 20: broken }, "20");
      expect(newest).toBe(10);
      expect(skipped).toEqual([{ step: 20, why: expect.stringContaining(path) as string }]);
    }
  });

  it("needs the files of every rank, of this world size", () => {
    const two: CheckpointShape = { workload: "grpo", ranks: 2 };
    expect(look(two, { 5: files(two, ["actor/"]) }, "5").newest).toBe(5);
    const { "actor/optim_world_size_2_rank_1.pt": _, ...oneShort } = files(two, ["actor/"]);
    expect(look(two, { 5: oneShort }, "5").newest).toBeNull();
    expect(look(two, { 5: files({ workload: "grpo", ranks: 4 }, ["actor/"]) }, "5").newest).toBeNull();
  });

  it("of PPO needs the critic; of GRPO only where one was saved", () => {
    const ppo: CheckpointShape = { workload: "ppo", ranks: 1 };
    expect(look(ppo, { 5: files(ppo, ["actor/", "critic/"]) }, "5").newest).toBe(5);
    expect(look(ppo, { 5: files(ppo, ["actor/"]) }, "5").newest).toBeNull();
    const grpo: CheckpointShape = { workload: "grpo", ranks: 1 };
    const half = { ...files(grpo, ["actor/"]), "critic/model_world_size_1_rank_0.pt": "whole" as const };
    expect(look(grpo, { 5: half }, "5").newest).toBeNull();
  });

  it("may lack the data loader's state, which verl does without, but not have a broken one", () => {
    const { "data_0.pt": _, ...without } = whole;
    expect(look(SFT, { 10: without }, "10").newest).toBe(10);
    expect(look(SFT, { 10: { ...whole, "data_0.pt": "cut" } }, "10").newest).toBeNull();
  });

  it("is given up after twenty broken ones", () => {
    const steps = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [i + 2, {}]));
    const { newest, skipped } = look(SFT, { 1: whole, ...steps }, "31");
    expect(newest).toBeNull();
    expect(skipped).toHaveLength(20);
  });
});
