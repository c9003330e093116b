/** A shared root with real verl, small data and a tiny model of its own for each failure that is provoked, so that what is broken is broken for one task only. */
import { execFileSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { formatProfile, parseProfile } from "../../src/contract/profile-file.ts";
import { DEMO_PROFILES } from "../../src/domain/verl/demo-profiles.ts";
import type { Profile } from "../../src/domain/verl/profile.ts";

export type ProvokedTask = {
  /** Names its data, model and profile. */
  readonly name: string;
  readonly gpus: number;
  readonly steps: number;
  readonly saveFreq: number;
};

export type ProvokedRoot = {
  readonly root: string;
  /** Its TaskSpec; what it names is made now. */
  readonly task: (task: ProvokedTask, change?: (profile: Profile) => Profile) => string;
  readonly modelOf: (name: string) => string;
  readonly codeOf: (name: string) => string;
  /** The SFT data of that task with its chat messages under another name. */
  readonly renameColumn: (name: string, column: string) => void;
  readonly jobFile: (userId: string, submissionId: string, path: string) => string;
  readonly remove: () => void;
};

const RENAME = `import sys, pyarrow.parquet as pq
table = pq.read_table(sys.argv[1])
pq.write_table(table.rename_columns([sys.argv[2] if name == "messages" else name for name in table.column_names]), sys.argv[1])`;

/** `prepared`: where \`verlpool prepare\` put verl, the demo's model and its data; nothing there is changed. */
export function makeProvokedRoot(prepared: string, verl: string, python: string): ProvokedRoot {
  const root = mkdtempSync(join(tmpdir(), "verlpool-provoked-"));
  const common = join(root, "common");
  const dataOf = (name: string): string => join(common, "datasets", name, "train.parquet");
  const modelOf = (name: string): string => join(common, "models", name);
  const codeOf = (name: string): string => join(common, "code", name);
  const copyCode = (name: string): void => cpSync(verl, codeOf(name), { recursive: true });
  for (const path of ["hf", "verlpool/profiles", "models", "datasets", "code"]) mkdirSync(join(common, path), { recursive: true });
  copyCode("verl");
  return {
    root,
    modelOf,
    codeOf: (name) => {
      if (!existsSync(codeOf(name))) copyCode(name);
      return codeOf(name);
    },
    task: ({ name, gpus, steps, saveFreq }, change = (profile) => profile) => {
      cpSync(join(prepared, "common/models/verlpool-demo/base"), modelOf(name), { recursive: true });
      mkdirSync(join(common, "datasets", name), { recursive: true });
      cpSync(join(prepared, "common/datasets/gsm8k-demo-sft/train.parquet"), dataOf(name));
      writeFileSync(join(common, `verlpool/profiles/${name}@1.yaml`), formatProfile(change({ ...demoProfile(), name })));
      return `workload: sft
code_path: /private/common/code/${existsSync(codeOf(name)) ? name : "verl"}
model_id: /private/common/models/${name}
train_file: /private/common/datasets/${name}/train.parquet
nnodes: 1
n_gpus_per_node: ${gpus}
total_epochs: 200
total_training_steps: ${steps}
save_freq: ${saveFreq}
`;
    },
    renameColumn: (name, column) => void execFileSync(python, ["-c", RENAME, dataOf(name), column]),
    jobFile: (userId, submissionId, path) => join(root, "users", userId, "jobs", submissionId, path),
    remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }),
  };
}

function demoProfile(): Profile {
  const parsed = parseProfile(DEMO_PROFILES["demo-sft@1.yaml"] ?? "", "demo-sft@1.yaml");
  if (!parsed.ok) throw new Error(`the demo's profile does not parse: ${JSON.stringify(parsed)}`);
  return parsed.profile;
}
