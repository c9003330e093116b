/** The demo's model and data sets, made on this machine by make_demo.py. */
import { join } from "node:path";
import { mustSucceed, runChild } from "./child.ts";
import { removeLeftovers } from "./steps.ts";

export type DemoPlan = {
  readonly python: string;
  /** The installed make_demo.py. */
  readonly script: string;
  /** `<root>/common` */
  readonly common: string;
  /** Arguments after --models and --datasets, such as `--seed 1`. */
  readonly args: readonly string[];
  readonly env: { readonly [key: string]: string };
  readonly logFile: string;
};

/** What make_demo.py makes under `common`. */
export function demoPaths(common: string) {
  return {
    base: join(common, "models", "verlpool-demo", "base"),
    warm: join(common, "models", "verlpool-demo", "warm"),
    rlTrain: join(common, "datasets", "gsm8k-demo", "train.parquet"),
    rlTest: join(common, "datasets", "gsm8k-demo", "test.parquet"),
    sftTrain: join(common, "datasets", "gsm8k-demo-sft", "train.parquet"),
    sftTest: join(common, "datasets", "gsm8k-demo-sft", "test.parquet"),
  } as const;
}

/** Runs make_demo.py, which does nothing when its own stamp fits and puts whole directories in place otherwise. */
export async function makeDemo(plan: DemoPlan, progress: (text: string) => void, signal: AbortSignal): Promise<void> {
  const models = join(plan.common, "models");
  const datasets = join(plan.common, "datasets");
  for (const path of [join(models, "verlpool-demo"), join(datasets, "gsm8k-demo"), join(datasets, "gsm8k-demo-sft")])
    await removeLeftovers(path);
  const end = await runChild(
    {
      command: plan.python,
      args: [plan.script, "--models", models, "--datasets", datasets, ...plan.args],
      env: { ...plan.env, HF_HUB_OFFLINE: "1" },
      logFile: plan.logFile,
      onLine: (line) => {
        if (/^(?:warm start|made|warm model)/.test(line)) progress(line);
        return "go_on";
      },
    },
    signal,
  );
  mustSucceed(end, "making the demo's model and data", plan.logFile, "Is the disk full? Run prepare again: it starts this step anew.");
}
