import { toRoot } from "../../src/domain/storage-layout.ts";
import type { TaskSpec } from "../../src/domain/types.ts";
import { BUILTIN_PROFILES } from "../../src/domain/verl/builtin-profiles.ts";
import type { CommandInput } from "../../src/domain/verl/command.ts";
import type { Profile } from "../../src/domain/verl/profile.ts";

const TASK_ID = "mvp2-alice-ppo-20260102-030405-0123abcd";

export function builtin(name: string, verl = "0.9"): Profile {
  const profile = BUILTIN_PROFILES.find((candidate) => candidate.name === name && candidate.verl.includes(verl));
  if (profile === undefined) throw new Error(`no built-in ${name} for verl ${verl}`);
  return profile;
}

export function specFor(profile: Profile, changes: Partial<TaskSpec> = {}): TaskSpec {
  return {
    workload: profile.workload,
    codePath: "/private/common/code/verl",
    modelId: "/private/common/models/m",
    trainFile: "/private/common/d/train.parquet",
    valFile: "/private/common/d/test.parquet",
    nnodes: 2,
    nGpusPerNode: 4,
    totalEpochs: 1,
    totalTrainingSteps: null,
    saveFreq: 10,
    testFreq: -1,
    trainerDevice: null,
    ...changes,
  };
}

/** What `buildCommand` takes, for a profile; `verl` is the version in the code tree. */
export function inputFor(profile: Profile, changes: Partial<CommandInput> = {}): CommandInput {
  return {
    spec: specFor(profile),
    profile,
    verlVersion: profile.verl[0] ?? "0.9",
    taskId: TASK_ID,
    submissionId: `${TASK_ID}--a01`,
    jobDir: `/private/users/alice/jobs/${TASK_ID}--a01`,
    toWorker: (path) => toRoot(path, "/srv/pool"),
    resume: null,
    python: "python3",
    platformDirs: ["/srv/pool/common/verlpool/platform/x"],
    graceS: 20,
    deadline: null,
    ...changes,
  };
}
