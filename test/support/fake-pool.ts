/**
 * A shared root with everything that a TaskSpec names, whose "verl" is a driver of twenty lines: it leaves a line a start, writes metrics, and
 * ends. With the launcher for real and Ray faked or real, it shows how often an attempt was started.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const DRIVER = `
import json, os, time
common = os.path.dirname(os.environ["HF_HOME"])
# One short append is atomic: each start leaves one line.
fd = os.open(os.path.join(common, "starts"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
os.write(fd, (os.environ["VERLPOOL_ATTEMPT"] + "\\n").encode())
os.close(fd)
print("driver is up", flush=True)
while os.path.exists(os.path.join(common, "hold")):
    time.sleep(0.05)
with open(os.environ["VERL_FILE_LOGGER_PATH"], "w", encoding="utf-8") as file:
    for step in (1, 2, 3):
        file.write(json.dumps({"step": step, "data": {"critic/rewards/mean": step / 10, "train/loss": 1 / step}}) + "\\n")
print("driver is done", flush=True)
`;

export type FakePool = {
  readonly root: string;
  /** The submission id of every start of a driver, in order. */
  readonly starts: () => readonly string[];
  /** Drivers wait after their start until \`letGo\`. */
  readonly hold: () => void;
  readonly letGo: () => void;
  readonly spec: (workload?: "ppo" | "grpo" | "sft") => string;
  readonly jobFile: (userId: string, submissionId: string, path: string) => string;
  readonly remove: () => void;
};

export function makeFakePool(): FakePool {
  const root = mkdtempSync(join(tmpdir(), "verlpool-pool-"));
  const common = join(root, "common");
  const put = (path: string, text: string): void => {
    mkdirSync(dirname(join(common, path)), { recursive: true });
    writeFileSync(join(common, path), text);
  };
  for (const name of ["__init__.py", "trainer/__init__.py"]) put(`code/verl-fake/verl/${name}`, "");
  for (const name of ["main_ppo.py", "sft_trainer_ray.py"]) put(`code/verl-fake/verl/trainer/${name}`, DRIVER);
  put("code/verl-fake/verl/version/version", "0.9.1\n");
  put("datasets/train.parquet", "PAR1");
  put("models/tiny/config.json", "{}");
  mkdirSync(join(common, "hf"), { recursive: true });
  const read = (path: string): string => (existsSync(path) ? readFileSync(path, "utf8") : "");
  return {
    root,
    starts: () => read(join(common, "starts")).split("\n").filter(Boolean),
    hold: () => put("hold", ""),
    letGo: () => rmSync(join(common, "hold"), { force: true }),
    spec: (workload = "sft") => {
      const lines = [
        `workload: ${workload}`,
        "code_path: /private/common/code/verl-fake",
        "model_id: /private/common/models/tiny",
        "train_file: /private/common/datasets/train.parquet",
        ...(workload === "sft" ? [] : ["val_file: /private/common/datasets/train.parquet"]),
        "nnodes: 1",
        "n_gpus_per_node: 1",
        "total_training_steps: 3",
      ];
      return `${lines.join("\n")}\n`;
    },
    jobFile: (userId, submissionId, path) => read(join(root, "users", userId, "jobs", submissionId, path)),
    remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }),
  };
}
