/** verlpool_deadline against a stand-in of verl 0.9's trainer, whose loop saves by `save_freq` as the real one does. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-deadline-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** verl 0.9.1's utils/checkpoint/checkpoint_manager.py, on a clock of its own. */
const MANAGER = `
import os
now = [0.0]
def should_save_ckpt_esi(max_steps_duration, save_ckpt_duration=60, redundant_time=0):
    remaining = float(os.environ["MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP"]) - now[0]
    return remaining > 0 and max_steps_duration > 0 and remaining <= save_ckpt_duration + max_steps_duration + redundant_time
`;
const TRAINER = `
from verl.utils.checkpoint.checkpoint_manager import now
class Config(dict):
    __getattr__ = dict.__getitem__
    __setattr__ = dict.__setitem__
class PPOTrainer:
    def __init__(self): self.config = Config(trainer=Config(save_freq=SAVE_FREQ, esi_redundant_time=20)); self.saved = []
    def step(self, metrics, timing_raw): now[0] += 10; return "batch"
    def fit(self):
        for n in range(1, 21):
            assert self.step({}, {}) == "batch"
            if self.config.trainer.save_freq > 0 and n % self.config.trainer.save_freq == 0: self.saved.append(n)
        return self.saved
`;
const PACKAGES = ["verl", "verl/utils", "verl/utils/checkpoint", "verl/trainer", "verl/trainer/ppo", "verl/trainer/ppo/v1"];
const FIT = "import verlpool_deadline\nfrom verl.trainer.ppo.v1.trainer_base import PPOTrainer\nprint(PPOTrainer().fit())";

function run(limit: string | null, saveFreq: number, trainer = TRAINER, program = FIT) {
  const files = {
    ...Object.fromEntries(PACKAGES.map((name) => [`${name}/__init__.py`, ""])),
    "verl/utils/checkpoint/checkpoint_manager.py": MANAGER,
    "verl/trainer/ppo/v1/trainer_base.py": trainer.replace("SAVE_FREQ", String(saveFreq)),
  };
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  const env = {
    PATH: process.env["PATH"] ?? "",
    PYTHONPATH: `${dir}:${import.meta.dirname}`,
    PYTHONDONTWRITEBYTECODE: "1",
    ...(limit === null ? {} : { MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP: limit }),
  };
  const { status, stdout, stderr } = spawnSync("python3", ["-c", program], { env, encoding: "utf8" });
  expect(stderr).toBe("");
  expect(status).toBe(0);
  return stdout.trim().split("\n");
}

test("near its time limit every step is saved: 80 s and the longest step before it", () => {
  const [said, saved] = run("195", 7);
  expect(said).toContain("every step is saved");
  // Steps of (almost) no time: the first one after which 80 s or less are left of 195 is that which ends at 120.
  expect(saved).toBe("[7, 12, 13, 14, 15, 16, 17, 18, 19, 20]");
});

test("without a limit, far from it, or where nothing is ever saved, it changes nothing", () => {
  expect(run(null, 7)).toEqual(["[7, 14]"]);
  expect(run("10000", 7)).toEqual(["[7, 14]"]);
  expect(run("195", -1)).toEqual(["[]"]);
});

test("a trainer that looks different trains on, and it is said", () => {
  const program = FIT.replace("PPOTrainer\nprint(PPOTrainer().fit())", "Other\nprint(Other)");
  const [said, printed] = run("195", 7, "Other = 1", program);
  expect(said).toContain("nothing is saved for the time limit");
  expect(printed).toBe("1");
});
