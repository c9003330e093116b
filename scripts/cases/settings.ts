/** What the operator's scripts read from the environment (docs/operating.md). */
import { resolve } from "node:path";
import { localRoot } from "../../src/main/local/places.ts";

export type CaseSettings = {
  readonly root: string;
  readonly token: string;
  readonly resetDb: boolean;
  readonly cancelTasks: boolean;
  /** Workers on this machine, and the logical GPUs of each. */
  readonly workers: number;
  readonly gpusPerWorker: number;
  /** Steps of each real task. */
  readonly steps: number;
  /** The stub takes the place of verl in the happy path, where verl itself was shown elsewhere. */
  readonly trainer: "verl" | "stub";
  readonly existingPython: string | null;
  /** Leave the cluster running at the end. */
  readonly keep: boolean;
};

export function caseSettings(environment: NodeJS.ProcessEnv, keepByDefault: boolean): CaseSettings {
  const given = (name: string): string | null => ((environment[name] ?? "") === "" ? null : (environment[name] ?? null));
  const isOn = (name: string, byDefault = false): boolean => {
    const text = given(name);
    return text === null ? byDefault : !["0", "no", "false"].includes(text);
  };
  const count = (name: string, byDefault: number): number => {
    const value = Number(given(name) ?? byDefault);
    if (!Number.isInteger(value) || value < 1 || value > 1_000) throw new Error(`${name} must be a whole number from 1 to 1000`);
    return value;
  };
  const trainer = given("TRAINER") ?? "verl";
  if (trainer !== "verl" && trainer !== "stub") throw new Error("TRAINER must be verl or stub");
  return {
    root: resolve(localRoot(null, environment)),
    token: given("MVP_INTERNAL_TOKEN") ?? "mvp-dev-token",
    resetDb: isOn("RESET_DB"),
    cancelTasks: isOn("CANCEL_TASKS"),
    workers: count("WORKERS", 2),
    // So that PPO and the GRPO of two nodes run side by side.
    gpusPerWorker: count("GPUS_PER_WORKER", 2),
    steps: count("STEPS", 3),
    trainer,
    existingPython: given("VERLPOOL_EXISTING_PYTHON"),
    keep: isOn("KEEP", keepByDefault),
  };
}
