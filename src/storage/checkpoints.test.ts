/** Checkpoints as verl 0.9.1 leaves them, looked at through the helper's own operation, with all that a kill or a job may do to them. */
import { linkSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { savedCheckpoint, TORCH_FILE } from "../../test/support/checkpoints.ts";
import type { CheckpointReading } from "../control/ports.ts";
import type { CheckpointShape } from "../domain/checkpoint.ts";
import { jobFiles } from "./job-files.ts";
import { storageInProcess } from "./storage-client.ts";

const JOB = "mvp2-alice-ppo-20260101-000000-0000000a--a01";
const PPO: CheckpointShape = { workload: "ppo", ranks: 2 };
const SFT: CheckpointShape = { workload: "sft", ranks: 1 };

let root = "";
let saved = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-checkpoints-"));
  saved = join(root, "users/alice/jobs", JOB, "checkpoints");
  mkdirSync(saved, { recursive: true });
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function read(shape = SFT): Promise<CheckpointReading> {
  const { call } = storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] });
  return jobFiles({ call, clock: { now: () => 0 }, ids: { hex: () => "t" }, host: "server-1" }).checkpoints("alice", JOB, shape);
}

const MODEL = "model_world_size_1_rank_0.pt";

describe("checkpoints of an attempt", () => {
  it("of PPO on two ranks are found with all their files, and one whose newest file is cut is passed over for the one before", async () => {
    savedCheckpoint(saved, 5, PPO);
    savedCheckpoint(saved, 10, PPO);
    expect(await read(PPO)).toEqual({ kind: "read", newest: 10, skipped: [] });
    truncateSync(join(saved, "global_step_10/critic/optim_world_size_2_rank_1.pt"), TORCH_FILE.length - 1);
    expect(await read(PPO)).toMatchObject({
      newest: 5,
      skipped: [{ step: 10, why: "critic/optim_world_size_2_rank_1.pt is cut short" }],
    });
  });

  it("are told apart: never begun, empty, removed with the whole job, and a storage that does not show them", async () => {
    expect(await read()).toEqual({ kind: "read", newest: null, skipped: [] });
    rmSync(saved, { recursive: true });
    expect(await read()).toEqual({ kind: "read", newest: null, skipped: [] });
    rmSync(dirname(saved), { recursive: true });
    expect(await read()).toEqual({ kind: "gone" });
    rmSync(join(root, "users"), { recursive: true });
    await expect(read()).rejects.toMatchObject({ name: "StorageTrouble", kind: "error" });
  });

  it("are as their tracker says: emptied by a kill it proves nothing of the newest step", async () => {
    savedCheckpoint(saved, 5, SFT);
    savedCheckpoint(saved, 10, SFT);
    writeFileSync(join(saved, "latest_checkpointed_iteration.txt"), "");
    expect(await read()).toMatchObject({ newest: 5 });
    rmSync(join(saved, "latest_checkpointed_iteration.txt"));
    expect(await read()).toMatchObject({ newest: 5 });
  });

  it.each(["the tracker", "a file", "the folder of a step"])("never lead out by a link in the place of %s", async (what) => {
    savedCheckpoint(saved, 5, SFT);
    savedCheckpoint(saved, 10, SFT);
    const foreign = join(root, "users/bob/jobs/x/checkpoints");
    savedCheckpoint(foreign, 10, SFT);
    const name = {
      "the tracker": "latest_checkpointed_iteration.txt",
      "a file": `global_step_10/${MODEL}`,
      "the folder of a step": "global_step_10",
    }[what] as string;
    renameSync(join(saved, name), join(root, "moved"));
    symlinkSync(join(foreign, name), join(saved, name));
    expect(await read()).toMatchObject({ newest: 5 });
  });

  it("are not read through a link in the place of the whole directory", async () => {
    rmSync(saved, { recursive: true });
    savedCheckpoint(join(root, "users/bob/jobs/x/checkpoints"), 10, SFT);
    symlinkSync(join(root, "users/bob/jobs/x/checkpoints"), saved);
    await expect(read()).rejects.toMatchObject({ name: "StorageTrouble" });
  });

  it("know the two forms that torch has saved in, and nothing else", async () => {
    const model = join(saved, "global_step_10", MODEL);
    for (const [bytes, newest] of [
      [Buffer.from([0x80, 2, 0x8a]), 10],
      [Buffer.alloc(4096), null],
      [Buffer.from("PK"), null],
      [Buffer.concat([TORCH_FILE, Buffer.alloc(10)]), null],
      [TORCH_FILE, 10],
    ] as const) {
      savedCheckpoint(saved, 10, SFT);
      writeFileSync(model, bytes);
      expect(await read()).toMatchObject({ newest });
    }
  });

  it("that a backup keeps by a second name are whole", async () => {
    savedCheckpoint(saved, 10, SFT);
    linkSync(join(saved, "global_step_10", MODEL), join(root, "backup"));
    expect(await read()).toMatchObject({ newest: 10 });
  });
});
